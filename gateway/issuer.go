package gateway

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/handlers"
)

// How often the issuer is asked whether it is up, and how long it may take.
const (
	probeEvery   = 10 * time.Second
	probeTimeout = 3 * time.Second
)

// issuerProbe knows how the token issuer is. What it says is for people: tokens
// are verified with the keys at hand, so an issuer that is down stops nobody.
type issuerProbe struct {
	verifier *customer.Verifier
	url      string
	client   *http.Client
	last     atomic.Pointer[probeResult]
}

type probeResult struct {
	took time.Duration
	err  error
}

func newIssuerProbe(v *customer.Verifier, url string) *issuerProbe {
	return &issuerProbe{verifier: v, url: url, client: &http.Client{Timeout: probeTimeout}}
}

// status is what readiness and the system's information tell.
func (p *issuerProbe) status() handlers.IssuerStatus {
	if err := p.verifier.Ready(); err != nil {
		return handlers.IssuerStatus{Problem: "no usable signing keys"}
	}
	status := handlers.IssuerStatus{Usable: true}
	if last := p.last.Load(); last != nil {
		status.Latency = last.took
		if last.err != nil {
			status.Problem = "the issuer does not answer; its known keys are used"
		}
	}
	return status
}

// run asks the issuer now and then until the context ends.
func (p *issuerProbe) run(ctx context.Context) {
	if p.url == "" {
		return
	}
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	for {
		start := time.Now()
		err := p.ask(ctx)
		p.last.Store(&probeResult{time.Since(start), err})
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (p *issuerProbe) ask(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return fmt.Errorf("asking the issuer: %w", err)
	}
	response, err := p.client.Do(request)
	if err != nil {
		return fmt.Errorf("asking the issuer: %w", err)
	}
	defer response.Body.Close()
	// A project may want an API key for this; that it answers is enough.
	if response.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("asking the issuer: it answered %d", response.StatusCode)
	}
	return nil
}

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

// The time between two probes of the issuer, and the timeout of a probe.
const (
	probeEvery   = 10 * time.Second
	probeTimeout = 3 * time.Second
)

// issuerProbe records whether the token issuer is up, for the information of operators. While
// the issuer is down, tokens are still verified with the keys that were loaded before.
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

// status returns the issuer's state, for the readiness response and the system information.
func (p *issuerProbe) status() handlers.IssuerStatus {
	if err := p.verifier.Ready(); err != nil {
		return handlers.IssuerStatus{Problem: "no usable signing keys"}
	}
	status := handlers.IssuerStatus{Usable: true}
	if last := p.last.Load(); last != nil {
		status.Latency = last.took
		if last.err != nil {
			status.Problem = "the issuer is not reachable; its known keys are used"
		}
	}
	return status
}

// run probes the issuer at intervals of probeEvery until ctx ends.
func (p *issuerProbe) run(ctx context.Context) {
	if p.url == "" {
		return
	}
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	for {
		start := time.Now()
		err := p.probe(ctx)
		p.last.Store(&probeResult{time.Since(start), err})
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (p *issuerProbe) probe(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return fmt.Errorf("probing the issuer: %w", err)
	}
	response, err := p.client.Do(request)
	if err != nil {
		return fmt.Errorf("probing the issuer: %w", err)
	}
	defer response.Body.Close()
	// The health endpoint may require an API key. Any response other than a server error
	// therefore means that the issuer is up.
	if response.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("probing the issuer: it responded with %d", response.StatusCode)
	}
	return nil
}

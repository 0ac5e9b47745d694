package gateway

import (
	"context"
	"errors"
	"fmt"
	"mime"
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
	apiKey   string // sent with each probe; may be empty
	client   *http.Client
	last     atomic.Pointer[probeResult]
}

type probeResult struct {
	took time.Duration
	err  error
}

func newIssuerProbe(v *customer.Verifier, url, apiKey string) *issuerProbe {
	return &issuerProbe{verifier: v, url: url, apiKey: apiKey, client: &http.Client{Timeout: probeTimeout}}
}

// status returns the issuer's state, for the readiness response and the system information.
func (p *issuerProbe) status() handlers.IssuerStatus {
	last := p.last.Load()
	if last == nil {
		last = &probeResult{}
	}
	status := handlers.IssuerStatus{Usable: p.verifier.Ready() == nil, Latency: last.took}
	switch {
	case !p.verifier.HasKeys():
		status.Problem = "no usable signing keys"
	case p.verifier.FetchFailure() != nil:
		status.Problem = "the keys of the issuer cannot be fetched; its known keys are used"
	case last.err != nil:
		status.Problem = "the issuer is not reachable; its known keys are used"
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
	if p.apiKey != "" {
		request.Header.Set(customer.APIKeyHeader, p.apiKey)
	}
	response, err := p.client.Do(request)
	if err != nil {
		return fmt.Errorf("probing the issuer: %w", err)
	}
	defer response.Body.Close()
	return checkHealth(response)
}

// checkHealth returns an error if a response is not that of an issuer that is up. The health
// endpoint may require an API key, so 401 and 403 mean that it is up. A page in HTML is that of a
// proxy, or of another server.
func checkHealth(response *http.Response) error {
	status := response.StatusCode
	media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return nil
	case status < http.StatusOK || status >= http.StatusMultipleChoices:
		return fmt.Errorf("probing the issuer: it responded with %d", status)
	case media == "text/html":
		return errors.New("probing the issuer: it responded with a page instead of its health")
	}
	return nil
}

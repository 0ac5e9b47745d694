package diagnostics

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// Bounds of a request and of what is read of its answer, in bytes.
const (
	maxURL     = 2048
	maxHeaders = 64 << 10
	maxBody    = 1 << 20
)

type page struct {
	URL string `json:"url"`
}

func (p page) check() error {
	parsed, err := url.Parse(p.URL)
	if err != nil || len(p.URL) > maxURL || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.User != nil {
		return agent.Fail(agent.CodeInvalidParameters, "url must be an http or https URL of at most %d characters, without a user", maxURL)
	}
	if err := checkHost(parsed.Hostname()); err != nil || parsed.Port() == "" {
		return err
	}
	port, _ := strconv.Atoi(parsed.Port()) // what is too large for a number stays too large
	return checkPort(port)
}

// get is diagnostic.http {url}: one GET, how it was answered, and where the time went. It
// follows no redirect, asks no link-local address, and uses no connection or proxy of anybody
// else. What the page says is not reported: a diagnostic needs no approval and so must not
// read what is not its own.
func get(ctx context.Context, command agent.Command) (agent.Result, error) {
	wanted, err := parameters[page](command)
	if err != nil {
		return agent.Result{}, err
	}
	waiting, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	times := &timings{start: time.Now()}
	request, err := http.NewRequestWithContext(httptrace.WithClientTrace(waiting, times.trace()), http.MethodGet, wanted.URL, nil)
	if err != nil {
		return agent.Result{}, agent.Fail(agent.CodeInvalidParameters, "reading the url: %w", err)
	}
	request.Header.Set("User-Agent", "fieldgate-agent")
	client := &http.Client{Transport: transport(), CheckRedirect: followNone}
	response, err := client.Do(request)
	if err != nil {
		return agent.Result{}, httpFailure(ctx, "asking", err)
	}
	defer response.Body.Close()
	size, err := io.Copy(io.Discard, io.LimitReader(response.Body, maxBody))
	if err != nil {
		return agent.Result{}, httpFailure(ctx, "reading the answer", err)
	}
	return times.report(response, size), nil
}

// transport uses no proxy and no connection again.
func transport() *http.Transport {
	dialer := &net.Dialer{Control: refuseLinkLocal}
	return &http.Transport{
		DialContext: dialer.DialContext, ForceAttemptHTTP2: true, DisableKeepAlives: true, MaxResponseHeaderBytes: maxHeaders,
	}
}

// httpFailure is for what fails once there is a connection, which is HTTP itself. The error
// would quote what the server wrote, and that is not reported.
func httpFailure(ctx context.Context, what string, err error) error {
	_, network := errors.AsType[*net.OpError](err)
	ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if network || ended || ctx.Err() != nil || networkCode(err) != "connection_failed" {
		return networkFailure(ctx, what, err)
	}
	return agent.Fail("http_failed", "the server does not speak HTTP as it should, or sends more than %d bytes of headers", maxHeaders)
}

func followNone(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// timings are when each step was over, counted from the start. Steps that lost a race may
// end later, on goroutines of their own.
type timings struct {
	start                                   time.Time
	resolved, connected, secured, firstByte instant
}

type instant struct{ atomic.Int64 }

func (i *instant) note(start time.Time) { i.Store(int64(since(start))) }

func (i *instant) duration() time.Duration { return time.Duration(i.Load()) }

func (t *timings) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		DNSDone: func(httptrace.DNSDoneInfo) { t.resolved.note(t.start) },
		ConnectDone: func(_, _ string, err error) {
			if err == nil {
				t.connected.note(t.start)
			}
		},
		TLSHandshakeDone:     func(tls.ConnectionState, error) { t.secured.note(t.start) },
		GotFirstResponseByte: func() { t.firstByte.note(t.start) },
	}
}

// report leaves out the steps that there were not.
func (t *timings) report(response *http.Response, size int64) agent.Result {
	text := fmt.Sprintf("%d %s, %s, %d bytes", response.StatusCode, http.StatusText(response.StatusCode), response.Proto, size)
	data := map[string]any{
		"status": response.StatusCode, "proto": response.Proto, "bytes": size, "complete": size < maxBody,
		"contentType": cut(response.Header.Get("Content-Type")),
	}
	for _, step := range []struct {
		name, words string
		after       time.Duration
	}{
		{"resolvedMs", "resolved", t.resolved.duration()}, {"connectedMs", "connected", t.connected.duration()},
		{"securedMs", "secured", t.secured.duration()}, {"firstByteMs", "first byte", t.firstByte.duration()},
		{"totalMs", "done", since(t.start)},
	} {
		if step.after > 0 {
			text += fmt.Sprintf(", %s after %s", step.words, step.after)
			data[step.name] = milliseconds(step.after)
		}
	}
	return agent.Result{Output: text, Data: data}
}

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

// Limits on the URL and on the response, in bytes.
const (
	maxURL     = 2048
	maxHeaders = 64 << 10
	maxBody    = 1 << 20
)

// httpParameters are the parameters of diagnostic.http.
type httpParameters struct {
	URL string `json:"url"`
}

func (p httpParameters) check() error {
	parsed, err := url.Parse(p.URL)
	if err != nil || len(p.URL) > maxURL || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.User != nil {
		return agent.Fail(agent.CodeInvalidParameters, "url must be an http or https URL of at most %d bytes, without user information", maxURL)
	}
	if err := checkHost(parsed.Hostname()); err != nil || parsed.Port() == "" {
		return err
	}
	port, _ := strconv.Atoi(parsed.Port()) // Atoi returns the nearest int for a number out of range, and checkPort refuses it
	return checkPort(port)
}

// getURL handles diagnostic.http {url}. It sends one GET request and returns the status and the
// timings. It follows no redirect, refuses link-local addresses, uses no proxy and reuses no
// connection. It does not return the body, because diagnostics need no approval and the user
// may have no right to see the data.
func getURL(ctx context.Context, params httpParameters) (agent.Result, error) {
	bounded, cancel := context.WithTimeout(ctx, 2*networkTimeout)
	defer cancel()
	times := &timings{start: time.Now()}
	request, err := http.NewRequestWithContext(httptrace.WithClientTrace(bounded, times.trace()), http.MethodGet, params.URL, nil)
	if err != nil {
		return agent.Result{}, agent.Fail(agent.CodeInvalidParameters, "parsing url: %w", err)
	}
	request.Header.Set("User-Agent", "fieldgate-agent")
	client := &http.Client{Transport: transport(), CheckRedirect: noRedirect}
	response, err := client.Do(request)
	if err != nil {
		return agent.Result{}, httpFailure(ctx, "sending the request", err)
	}
	defer response.Body.Close()
	size, err := io.Copy(io.Discard, io.LimitReader(response.Body, maxBody))
	if err != nil {
		return agent.Result{}, httpFailure(ctx, "reading the response", err)
	}
	return times.report(response, size), nil
}

// transport returns a transport that uses no proxy and does not reuse connections.
func transport() *http.Transport {
	dialer := &net.Dialer{Control: refuseLinkLocal}
	return &http.Transport{
		DialContext: dialer.DialContext, ForceAttemptHTTP2: true, DisableKeepAlives: true, MaxResponseHeaderBytes: maxHeaders,
	}
}

// httpFailure returns the failure for err, the error of sending a request or of reading the
// response. If the server violated HTTP, the code is http_failed. In that case the reason does
// not quote err, which may contain text from the server.
func httpFailure(ctx context.Context, operation string, err error) error {
	_, network := errors.AsType[*net.OpError](err)
	eof := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if network || eof || ctx.Err() != nil || networkCode(err) != "connection_failed" {
		return networkFailure(ctx, operation, err)
	}
	return agent.Fail("http_failed", "the server does not speak valid HTTP, or sends more than %d bytes of headers", maxHeaders)
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// timings records when each step of a request ended, measured from the start. The fields are
// atomic, because a second connection attempt may record its end later, on another goroutine.
type timings struct {
	start                                   time.Time
	resolved, connected, secured, firstByte instant
}

// An instant is the time from the start of the request to the end of a step, or zero if the
// step has not ended.
type instant struct{ atomic.Int64 }

func (i *instant) set(start time.Time) { i.Store(int64(since(start))) }

func (i *instant) duration() time.Duration { return time.Duration(i.Load()) }

func (t *timings) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		DNSDone: func(httptrace.DNSDoneInfo) { t.resolved.set(t.start) },
		ConnectDone: func(_, _ string, err error) {
			if err == nil {
				t.connected.set(t.start)
			}
		},
		TLSHandshakeDone:     func(tls.ConnectionState, error) { t.secured.set(t.start) },
		GotFirstResponseByte: func() { t.firstByte.set(t.start) },
	}
}

// report returns the result for a response. It omits steps that did not take place.
func (t *timings) report(response *http.Response, size int64) agent.Result {
	text := fmt.Sprintf("%d %s, %s, %d bytes", response.StatusCode, http.StatusText(response.StatusCode), response.Proto, size)
	data := map[string]any{
		"status": response.StatusCode, "proto": response.Proto, "bytes": size, "complete": size < maxBody,
		"contentType": sanitize(response.Header.Get("Content-Type")),
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

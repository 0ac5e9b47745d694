package fieldgate_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

func TestRedirect_NotFollowed(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the client followed the redirect")
	}))
	t.Cleanup(other.Close)

	for _, status := range []int{
		http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect,
	} {
		gateway := serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+"/moved?secret=1", status)
		})
		calls := map[string]func() error{
			"login": func() error {
				_, err := gateway.Device(deviceID, deviceSecret).Heartbeat(t.Context(), alive)
				return err
			},
			"write": func() error {
				_, err := gateway.Customer(fieldgate.Bearer("JWT")).Suspend(t.Context(), deviceID, "")
				return err
			},
			"read": func() error { _, err := gateway.Customer(fieldgate.Bearer("JWT")).SystemInfo(t.Context()); return err },
		}
		for name, call := range calls {
			err := call()
			require.Equal(t, status, statusOf(t, err), name)
			require.ErrorContains(t, err, "if the gateway is at "+other.URL+", correct the base URL")
		}
	}
}

func TestRedirect_NotFollowedByOtherTransports(t *testing.T) {
	t.Parallel()
	var hosts []string
	gateway := newGateway(t, "http://gateway", fieldgate.WithTransport(handlerTransport(func(w http.ResponseWriter, r *http.Request) {
		hosts = append(hosts, r.URL.Host)
		http.Redirect(w, r, "http://elsewhere/", http.StatusTemporaryRedirect)
	})))
	_, err := gateway.Customer(fieldgate.Bearer("JWT")).SystemInfo(t.Context())
	require.Equal(t, http.StatusTemporaryRedirect, statusOf(t, err))
	require.Equal(t, []string{"gateway"}, hosts)
}

// unresponsive is a transport that never responds.
var unresponsive = roundTripper(func(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
})

func TestTimeout_NoResponse(t *testing.T) {
	t.Parallel()
	claim := func(waitMs int) func(*fieldgate.Gateway) error {
		return func(g *fieldgate.Gateway) error {
			_, err := g.DeviceWithToken(fieldgate.Bearer("token")).Claim(context.Background(), fieldgate.ClaimRequest{WaitMs: waitMs})
			return err
		}
	}
	heartbeat := func(g *fieldgate.Gateway) error {
		_, err := g.DeviceWithToken(fieldgate.Bearer("token")).Heartbeat(context.Background(), alive)
		return err
	}
	login := func(g *fieldgate.Gateway) error {
		_, err := g.Device(deviceID, deviceSecret).Claim(context.Background(), fieldgate.ClaimRequest{WaitMs: 20_000})
		return err
	}
	result := func(g *fieldgate.Gateway) error {
		large := fieldgate.ResultRequest{Output: strings.Repeat("x", 60_000)}
		_, err := g.DeviceWithToken(fieldgate.Bearer("token")).SubmitResult(context.Background(), commandID, large)
		return err
	}
	short := []fieldgate.Option{fieldgate.WithTimeout(2 * time.Second)}
	for name, test := range map[string]struct {
		call    func(*fieldgate.Gateway) error
		options []fieldgate.Option
		want    time.Duration
	}{
		"default":                      {heartbeat, nil, 30 * time.Second},
		"WithTimeout":                  {heartbeat, short, 2 * time.Second},
		"a claim without WaitMs":       {claim(0), short, 2 * time.Second},
		"a claim with WaitMs":          {claim(20_000), short, 22 * time.Second},
		"a claim with negative WaitMs": {claim(-20_000), short, 2 * time.Second},
		"the login before a claim":     {login, short, 2 * time.Second},
		"a large body":                 {result, short, 60 * time.Second},
		"a large body, WithMinRate":    {result, append(short, fieldgate.WithMinRate(6_000)), 12 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				gateway := newGateway(t, "http://gateway", append(test.options, fieldgate.WithTransport(unresponsive))...)
				start := time.Now()
				require.ErrorIs(t, test.call(gateway), context.DeadlineExceeded)
				require.Equal(t, test.want, time.Since(start))
			})
		})
	}
}

func TestTimeout_StalledBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gateway := newGateway(t, "http://gateway", fieldgate.WithTransport(roundTripper(func(req *http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: http.StatusOK, Request: req,
				Header: http.Header{"Content-Type": {"application/json"}},
				Body:   io.NopCloser(stalled{req.Context()}),
			}, nil
		})))
		start := time.Now()
		_, err := gateway.Version(t.Context())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, fieldgate.DefaultTimeout, time.Since(start))
	})
}

// stalled is a response body whose reads block until ctx ends.
type stalled struct{ ctx context.Context }

func (s stalled) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func TestCall_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	started := make(chan struct{})
	gateway := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_ = readBody(r) // the server detects that the client has disconnected only after the body was read
		close(started)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-started
		cancel()
	}()
	_, err := gateway.DeviceWithToken(fieldgate.Bearer("token")).Claim(ctx, fieldgate.ClaimRequest{WaitMs: 30_000})
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, fieldgate.CodeOf(err))
}

func TestCall_FailedConnectionIsNoAPIError(t *testing.T) {
	t.Parallel()
	broken := errors.New("no route to host")
	var attempts int
	gateway := newGateway(t, "http://gateway", fieldgate.WithTransport(roundTripper(func(*http.Request) (*http.Response, error) {
		attempts++
		return nil, broken
	})))
	_, err := gateway.DeviceWithToken(fieldgate.Bearer("token")).Heartbeat(t.Context(), alive)
	require.ErrorIs(t, err, broken)
	var refused *fieldgate.APIError
	require.NotErrorAs(t, err, &refused)
	require.Equal(t, 1, attempts, "the client does not retry")
}

func TestMaxResponseBytes_RefusesLongerResponses(t *testing.T) {
	t.Parallel()
	const limit = 1000
	version := func(bytes int) string {
		return `{"version":"` + strings.Repeat("1", bytes-len(`{"version":""}`)) + `"}`
	}
	for name, test := range map[string]struct {
		body string
		fits bool
	}{
		"at the limit":    {version(limit), true},
		"above":           {version(limit + 1), false},
		"far above":       {version(1 << 20), false},
		"above, not JSON": {strings.Repeat(" ", limit+1), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gateway := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, test.body)
			}, fieldgate.WithMaxResponseBytes(limit))
			got, err := gateway.Version(t.Context())
			if test.fits {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "fieldgate: 200 OK: the response is longer than 1000 bytes")
			require.Empty(t, got)
		})
	}
}

func TestMaxResponseBytes_EndlessResponse(t *testing.T) {
	t.Parallel()
	gateway := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat(" ", 64<<10)); err != nil {
				return
			}
		}
	})
	_, err := gateway.Version(t.Context())
	require.ErrorContains(t, err, "the response is longer than 8388608 bytes")
}

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

func TestCredentialsAndSecretsDoNotFollowARedirect(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the redirect was followed")
	}))
	t.Cleanup(elsewhere.Close)

	for _, status := range []int{
		http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect,
	} {
		gateway := serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+"/moved?secret=1", status)
		})
		calls := map[string]func() error{
			"login": func() error { _, err := gateway.Device(deviceID, deviceSecret).Heartbeat(t.Context(), ok); return err },
			"write": func() error {
				_, err := gateway.Customer(fieldgate.Bearer("JWT")).Suspend(t.Context(), deviceID, "")
				return err
			},
			"reading": func() error { _, err := gateway.Customer(fieldgate.Bearer("JWT")).SystemInfo(t.Context()); return err },
		}
		for name, call := range calls {
			err := call()
			require.Equal(t, status, statusOf(t, err), name)
			require.ErrorContains(t, err, "if the gateway is at "+elsewhere.URL+", correct the base URL")
		}
	}
}

func TestATransportOfTheCallersIsNotMadeToFollowRedirectsEither(t *testing.T) {
	t.Parallel()
	var hosts []string
	gateway := connect(t, "http://gateway", fieldgate.WithTransport(play(func(w http.ResponseWriter, r *http.Request) {
		hosts = append(hosts, r.URL.Host)
		http.Redirect(w, r, "http://elsewhere/", http.StatusTemporaryRedirect)
	})))
	_, err := gateway.Customer(fieldgate.Bearer("JWT")).SystemInfo(t.Context())
	require.Equal(t, http.StatusTemporaryRedirect, statusOf(t, err))
	require.Equal(t, []string{"gateway"}, hosts)
}

// deaf never answers.
var deaf = transport(func(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
})

func TestARequestWithoutAnAnswerEndsAtTheTimeout(t *testing.T) {
	t.Parallel()
	claim := func(waitMs int) func(*fieldgate.Gateway) error {
		return func(g *fieldgate.Gateway) error {
			_, err := g.DeviceWithToken(fieldgate.Bearer("token")).Claim(context.Background(), fieldgate.ClaimRequest{WaitMs: waitMs})
			return err
		}
	}
	heartbeat := func(g *fieldgate.Gateway) error {
		_, err := g.DeviceWithToken(fieldgate.Bearer("token")).Heartbeat(context.Background(), ok)
		return err
	}
	login := func(g *fieldgate.Gateway) error {
		_, err := g.Device(deviceID, deviceSecret).Claim(context.Background(), fieldgate.ClaimRequest{WaitMs: 20_000})
		return err
	}
	short := []fieldgate.Option{fieldgate.WithTimeout(2 * time.Second)}
	for name, test := range map[string]struct {
		call    func(*fieldgate.Gateway) error
		options []fieldgate.Option
		want    time.Duration
	}{
		"by default":                     {heartbeat, nil, 30 * time.Second},
		"as set":                         {heartbeat, short, 2 * time.Second},
		"a claim that does not wait":     {claim(0), short, 2 * time.Second},
		"a claim that waits":             {claim(20_000), short, 22 * time.Second},
		"a claim with a nonsensical one": {claim(-20_000), short, 2 * time.Second},
		"a login before a waiting claim": {login, short, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				gateway := connect(t, "http://gateway", append(test.options, fieldgate.WithTransport(deaf))...)
				start := time.Now()
				require.ErrorIs(t, test.call(gateway), context.DeadlineExceeded)
				require.Equal(t, test.want, time.Since(start))
			})
		})
	}
}

func TestABodyThatTricklesEndsAtTheTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gateway := connect(t, "http://gateway", fieldgate.WithTransport(transport(func(req *http.Request) (*http.Response, error) {
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

// stalled is a body that never comes.
type stalled struct{ ctx context.Context }

func (s stalled) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func TestACallEndsWithItsContext(t *testing.T) {
	t.Parallel()
	started := make(chan struct{})
	gateway := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_ = bodyOf(r) // a server notices that its caller left once it has read the body
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

func TestAConnectionThatFailsIsNoAPIError(t *testing.T) {
	t.Parallel()
	broken := errors.New("no route to host")
	var tries int
	gateway := connect(t, "http://gateway", fieldgate.WithTransport(transport(func(*http.Request) (*http.Response, error) {
		tries++
		return nil, broken
	})))
	_, err := gateway.DeviceWithToken(fieldgate.Bearer("token")).Heartbeat(t.Context(), ok)
	require.ErrorIs(t, err, broken)
	var refused *fieldgate.APIError
	require.NotErrorAs(t, err, &refused)
	require.Equal(t, 1, tries, "whether to repeat is up to the caller")
}

func TestAnAnswerAboveTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	const limit = 1000
	version := func(bytes int) string {
		return `{"version":"` + strings.Repeat("1", bytes-len(`{"version":""}`)) + `"}`
	}
	for name, test := range map[string]struct {
		body string
		fits bool
	}{
		"at the limit":          {version(limit), true},
		"above it":              {version(limit + 1), false},
		"far above it":          {version(1 << 20), false},
		"above it as a refusal": {strings.Repeat(" ", limit+1), false},
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

func TestAnEndlessAnswerIsNotReadToItsEnd(t *testing.T) {
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

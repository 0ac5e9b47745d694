package customer_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/customer/issuer"
)

// newVerifierWithTransport returns a verifier whose fetches use no network, so that
// it can run in a synctest bubble.
func newVerifierWithTransport(t *testing.T, transport roundTripper) *customer.Verifier {
	t.Helper()
	return newVerifier(t, customer.Config{
		JWKSURL:    "http://issuer.test/auth/v1/.well-known/jwks.json",
		Logger:     slog.New(slog.DiscardHandler),
		HTTPClient: &http.Client{Transport: transport},
	})
}

// newVerifierWithIssuer returns a verifier whose issuer fails while down is true. Each
// fetch increments fetched.
func newVerifierWithIssuer(t *testing.T, fetched *atomic.Int64, down *atomic.Bool) *customer.Verifier {
	t.Helper()
	iss, err := issuer.New("http://issuer.test")
	require.NoError(t, err)
	return newVerifierWithTransport(t, func(r *http.Request) (*http.Response, error) {
		fetched.Add(1)
		if down.Load() {
			return nil, errors.New("connection refused")
		}
		return serveDirectly(iss.Handler(), r), nil
	})
}

func TestKeySource_FetchTimesOutAfterThreeSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newVerifierWithTransport(t, func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		started := time.Now()
		requireUnavailable(t, v, tokenWithUnknownKey("unknown"))
		require.Equal(t, 3*time.Second, time.Since(started))
	})
}

// spaces is an endless body. It counts the bytes that were read.
type spaces struct{ read int }

func (s *spaces) Read(p []byte) (int, error) {
	s.read += len(p)
	return copy(p, bytes.Repeat([]byte(" "), len(p))), nil
}

func (s *spaces) Close() error { return nil }

func TestKeySource_ResponseLengthLimit(t *testing.T) {
	t.Parallel()
	body := &spaces{}
	v := newVerifierWithTransport(t, func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: body}, nil
	})
	requireUnavailable(t, v, tokenWithUnknownKey("unknown"))
	require.Equal(t, 256<<10+1, body.read)
}

func TestRun_RefreshesKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fetched atomic.Int64
		var down atomic.Bool
		v := newVerifierWithIssuer(t, &fetched, &down)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- v.Run(ctx) }()

		after := func(d time.Duration, fetches int) { // Sleep returns at once in a synctest bubble
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			require.EqualValues(t, fetches, fetched.Load())
		}
		after(0, 1) // the first fetch is at the start
		require.NoError(t, v.Ready())
		after(10*time.Minute-time.Nanosecond, 1)
		after(time.Nanosecond, 2)
		down.Store(true)
		after(10*time.Minute, 3)
		after(cooldown, 4) // after a failure, Run fetches sooner
		require.NoError(t, v.Ready())
		down.Store(false)
		after(cooldown, 5)
		after(cooldown, 5)
		stop()
		require.NoError(t, <-ended)
	})
}

func TestRun_RetriesEveryTwoSecondsBeforeFirstSuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fetched atomic.Int64
		var down atomic.Bool
		down.Store(true)
		v := newVerifierWithIssuer(t, &fetched, &down)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- v.Run(ctx) }()
		time.Sleep(time.Minute - time.Nanosecond)
		synctest.Wait()
		require.EqualValues(t, 30, fetched.Load())
		require.Error(t, v.Ready())
		stop()
		require.NoError(t, <-ended)
	})
}

func TestRun_SecretWithoutJWKSFetchesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newVerifier(t, customer.Config{HS256Secret: secret})
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		require.NoError(t, v.Run(ctx))
		require.Zero(t, v.Health())
		require.NoError(t, v.Ready())
	})
}

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

// withTransport gives a verifier whose fetches need no socket, so that its
// time can be that of a synctest bubble.
func withTransport(t *testing.T, transport roundTripper) *customer.Verifier {
	t.Helper()
	return newVerifier(t, customer.Config{
		JWKSURL:    "http://issuer.test/auth/v1/.well-known/jwks.json",
		Logger:     slog.New(slog.DiscardHandler),
		HTTPClient: &http.Client{Transport: transport},
	})
}

// withIssuer is a verifier of an issuer that may be down.
func withIssuer(t *testing.T, fetched *atomic.Int64, down *atomic.Bool) *customer.Verifier {
	t.Helper()
	iss, err := issuer.New("http://issuer.test")
	require.NoError(t, err)
	return withTransport(t, func(r *http.Request) (*http.Response, error) {
		fetched.Add(1)
		if down.Load() {
			return nil, errors.New("connection refused")
		}
		return answerOf(iss.Handler(), r), nil
	})
}

func TestAnIssuerThatHangsIsGivenUpAfterThreeSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := withTransport(t, func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		began := time.Now()
		requireUnavailable(t, v, unknownKey("unknown"))
		require.Equal(t, 3*time.Second, time.Since(began))
	})
}

// spaces is a body that has no end, and counts what was read of it.
type spaces struct{ read int }

func (s *spaces) Read(p []byte) (int, error) {
	s.read += len(p)
	return copy(p, bytes.Repeat([]byte(" "), len(p))), nil
}

func (s *spaces) Close() error { return nil }

func TestNoMoreOfAnAnswerIsReadThanMayBe(t *testing.T) {
	t.Parallel()
	body := &spaces{}
	v := withTransport(t, func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: body}, nil
	})
	requireUnavailable(t, v, unknownKey("unknown"))
	require.Equal(t, 256<<10+1, body.read)
}

func TestRunKeepsTheKeysFresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fetched atomic.Int64
		var down atomic.Bool
		v := withIssuer(t, &fetched, &down)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- v.Run(ctx) }()

		after := func(d time.Duration, fetches int) { // a bubble's sleep takes no time
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			require.EqualValues(t, fetches, fetched.Load())
		}
		after(0, 1) // at once
		require.NoError(t, v.Ready())
		after(10*time.Minute-time.Nanosecond, 1)
		after(time.Nanosecond, 2)
		down.Store(true)
		after(10*time.Minute, 3)
		after(cooldown, 4) // sooner after a failure
		require.NoError(t, v.Ready())
		down.Store(false)
		after(cooldown, 5)
		after(cooldown, 5)
		stop()
		require.NoError(t, <-ended)
	})
}

func TestRunAsksAnIssuerThatNeverAnsweredEveryTwoSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fetched atomic.Int64
		var down atomic.Bool
		down.Store(true)
		v := withIssuer(t, &fetched, &down)
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

func TestRunWithASecretAloneFetchesNothing(t *testing.T) {
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

package customer_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/customer/issuer"
)

const (
	cooldown      = 30 * time.Second // minimum time between two fetches
	firstCooldown = 2 * time.Second  // minimum time between two fetches before the first successful one
)

// tokenWithUnknownKey returns a token with a kid that is not published.
func tokenWithUnknownKey(kid string) string {
	header, _ := json.Marshal(map[string]string{"alg": "ES256", "kid": kid})
	signature := make([]byte, 64)
	return base64.RawURLEncoding.EncodeToString(header) + ".e30." + base64.RawURLEncoding.EncodeToString(signature)
}

// burst verifies 10,000 tokens with different key ids in 16 goroutines, while the
// clock advances by ten seconds.
func burst(t *testing.T, v *customer.Verifier, clk *clock, code fieldgate.Code) {
	t.Helper()
	const workers, each = 16, 625
	var wrong atomic.Int64
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for i := range each {
				_, err := v.Verify(t.Context(), tokenWithUnknownKey(fmt.Sprintf("kid-%d-%d", worker, i)))
				if fieldgate.CodeOf(err) != code {
					wrong.Add(1)
				}
				clk.Advance(10 * time.Second / (workers * each))
			}
		})
	}
	all.Wait()
	require.Zero(t, wrong.Load())
}

func TestKeySource_BurstOfUnknownKeysCausesOneFetch(t *testing.T) {
	t.Parallel()
	iss, clk, v := setup(t)
	requireAccepted(t, v, freshToken(iss, clk))
	require.Equal(t, 1, iss.Requests())

	burst(t, v, clk, fieldgate.CodeUnauthorized)
	require.Equal(t, 1, iss.Requests(), "the first fetch was only 10 s ago")

	clk.Advance(cooldown)
	burst(t, v, clk, fieldgate.CodeUnauthorized)
	require.Equal(t, 2, iss.Requests())

	clk.Advance(cooldown - 10*time.Second)
	burst(t, v, clk, fieldgate.CodeUnauthorized)
	require.Equal(t, 3, iss.Requests())
}

func TestKeySource_IntervalHoldsForEveryResponse(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*customertest.Issuer) http.HandlerFunc{
		"an error":     func(*customertest.Issuer) http.HandlerFunc { return respondWith(http.StatusBadGateway, "") },
		"an empty set": func(*customertest.Issuer) http.HandlerFunc { return respondWith(http.StatusOK, noKeys) },
		"other keys each time": func(iss *customertest.Issuer) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				_ = iss.Rotate()
				iss.Handler().ServeHTTP(w, r)
			}
		},
	}
	for name, handlerFor := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			iss, clk, v := setup(t)
			requireAccepted(t, v, freshToken(iss, clk))
			iss.Respond(handlerFor(iss))
			clk.Advance(cooldown)
			burst(t, v, clk, fieldgate.CodeUnauthorized)
			require.Equal(t, 2, iss.Requests())
		})
	}
}

func TestKeySource_RetriesEveryTwoSecondsBeforeFirstSuccess(t *testing.T) {
	t.Parallel()
	iss, clk, v := setup(t)
	iss.Respond(respondWith(http.StatusServiceUnavailable, ""))
	burst(t, v, clk, fieldgate.CodeIssuerUnavailable)
	require.LessOrEqual(t, iss.Requests(), 6, "one fetch at the start and one every 2 s for 10 s")
	require.GreaterOrEqual(t, iss.Requests(), 2)
}

// TestVerify_UnavailableWithoutKeys covers the time before the first fetch. A 401
// would tell callers to sign in again, which would not help.
func TestVerify_UnavailableWithoutKeys(t *testing.T) {
	t.Parallel()
	iss, clk, v := setup(t)
	iss.Respond(respondWith(http.StatusServiceUnavailable, ""))
	token := freshToken(iss, clk)

	refusal := requireUnavailable(t, v, token)
	require.Equal(t, firstCooldown, refusal.RetryAfter)
	require.ErrorContains(t, refusal.Cause, "503")
	require.NotContains(t, refusal.Detail, iss.URL())
	require.Error(t, v.Ready())
	require.NotContains(t, v.Ready().Error(), iss.URL())

	iss.Restore()
	requireUnavailable(t, v, token)
	clk.Advance(refusal.RetryAfter)
	requireAccepted(t, v, token)
	require.NoError(t, v.Ready())
}

func TestVerify_RefusesMalformedTokensWithoutKeys(t *testing.T) {
	t.Parallel()
	iss, _, v := setup(t)
	iss.Respond(respondWith(http.StatusServiceUnavailable, ""))
	requireRefused(t, v, "token")
	for _, forgery := range customertest.ForgedTokens(iss.Issuer, "http://untrusted.invalid") {
		if strings.HasPrefix(forgery.Name, "alg none") {
			requireRefused(t, v, forgery.Token)
		}
	}
	requireRefused(t, v, hs256(t, iss, secret))
	require.Zero(t, iss.Requests())
}

func TestKeySource_ConcurrentCallersShareOneFetch(t *testing.T) {
	t.Parallel()
	iss, clk, v := setup(t)
	release := make(chan struct{})
	iss.Respond(func(w http.ResponseWriter, r *http.Request) {
		<-release
		iss.Handler().ServeHTTP(w, r)
	})
	const callers = 50
	errs := make(chan error, callers)
	for range callers {
		token := freshToken(iss, clk)
		go func() {
			_, err := v.Verify(t.Context(), token)
			errs <- err
		}()
	}
	require.Eventually(t, func() bool { return iss.Requests() > 0 }, 5*time.Second, time.Millisecond)
	close(release)
	for range callers {
		require.NoError(t, <-errs)
	}
	require.Equal(t, 1, iss.Requests())
}

func TestKeySource_FetchOutlivesCancelledCaller(t *testing.T) {
	t.Parallel()
	iss, clk, v := setup(t)
	asked, release := make(chan struct{}, 1), make(chan struct{})
	iss.Respond(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-release
		iss.Handler().ServeHTTP(w, r)
	})
	token := freshToken(iss, clk)
	first, cancelFirst := context.WithCancel(t.Context())
	cancelled := make(chan error)
	go func() {
		_, err := v.Verify(first, token)
		cancelled <- err
	}()
	<-asked
	cancelFirst()
	err := <-cancelled
	require.Equal(t, fieldgate.CodeIssuerUnavailable, fieldgate.CodeOf(err))
	require.ErrorIs(t, err, context.Canceled)

	close(release)
	requireAccepted(t, v, token)
	require.Equal(t, 1, iss.Requests())
}

func TestKeySource_FetchesNewKeyOnFirstToken(t *testing.T) {
	t.Parallel()
	iss, clk, v := setup(t)
	old := freshToken(iss, clk)
	requireAccepted(t, v, old)
	clk.Advance(cooldown)

	require.NoError(t, iss.Rotate())
	requireAccepted(t, v, freshToken(iss, clk))
	requireAccepted(t, v, old)
	require.Equal(t, 2, iss.Requests())
	require.Equal(t, 2, v.Health().Keys)
}

// TestKeySource_NewKeyIsUnavailableUntilIntervalPasses checks that users are not signed out
// because a key is new: a 401 would make their clients ask for the password.
func TestKeySource_NewKeyIsUnavailableUntilIntervalPasses(t *testing.T) {
	t.Parallel()
	iss, clk, v := setup(t)
	requireAccepted(t, v, freshToken(iss, clk))
	require.NoError(t, iss.Rotate())
	token := freshToken(iss, clk)
	clk.Advance(10 * time.Second)
	refusal := requireUnavailable(t, v, token)
	require.Equal(t, cooldown-10*time.Second, refusal.RetryAfter)
	require.Equal(t, fieldgate.ReasonUnknownKey, refusal.Reason)
	clk.Advance(refusal.RetryAfter)
	requireAccepted(t, v, token)

	header := iss.Header()
	header["kid"] = "never published"
	unknown := iss.Sign(header, iss.Payload(issuer.Claims{IssuedAt: clk.Now().Add(-20 * time.Minute)}))
	clk.Advance(cooldown)
	requireRefused(t, v, unknown) // the keys were fetched for this token
	iss.Respond(respondWith(http.StatusBadGateway, ""))
	clk.Advance(cooldown)
	requireUnavailable(t, v, unknown) // they could not be fetched
}

// TestKeySource_NewKeyIsUnavailableWhileSetIsCached rotates while a cache on the way, such as the edge
// of a hosted project, still has the earlier set.
func TestKeySource_NewKeyIsUnavailableWhileSetIsCached(t *testing.T) {
	t.Parallel()
	iss, clk, v := setup(t)
	requireAccepted(t, v, freshToken(iss, clk))
	withdrawn := iss.Token(issuer.Claims{IssuedAt: clk.Now().Add(12 * time.Minute)})
	earlier := publish(t, iss.JWKs()...)
	iss.Respond(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=600")
		earlier(w, r)
	})
	require.NoError(t, iss.Rotate())
	iss.Withdraw()
	clk.Advance(cooldown)
	token := freshToken(iss, clk)
	refusal := requireUnavailable(t, v, token)
	require.Equal(t, cooldown, refusal.RetryAfter)
	require.Equal(t, fieldgate.ReasonUnknownKey, refusal.Reason)
	requireRefused(t, v, tokenWithUnknownKey("of a stranger"))

	clk.Advance(11 * time.Minute)
	requireRefused(t, v, token) // no cache keeps a set for as long
	iss.Restore()
	clk.Advance(cooldown)
	requireAccepted(t, v, freshToken(iss, clk))
	clk.Advance(cooldown)
	requireRefused(t, v, withdrawn) // as soon as the keys may be fetched again
}

// TestKeySource_WithdrawnLastKeyIsNotTrusted checks that an issuer can withdraw its only key.
func TestKeySource_WithdrawnLastKeyIsNotTrusted(t *testing.T) {
	t.Parallel()
	iss, clk, v := setup(t)
	token := freshToken(iss, clk)
	requireAccepted(t, v, token)
	require.True(t, v.HasKeys())
	iss.Respond(respondWith(http.StatusOK, noKeys))
	clk.Advance(cooldown)
	requireRefused(t, v, tokenWithUnknownKey("unknown")) // makes the verifier fetch the keys
	requireUnavailable(t, v, token)
	clk.Advance(cooldown)
	requireRefused(t, v, token)
	require.NoError(t, v.Ready())
	require.NoError(t, v.FetchFailure())
	require.Zero(t, v.Health().Keys)
	require.False(t, v.HasKeys())

	iss.Restore()
	clk.Advance(cooldown)
	requireAccepted(t, v, token)
}

// noKeys is an empty key set.
const noKeys = `{"keys":[]}`

func TestKeySource_SendsAPIKey(t *testing.T) {
	t.Parallel()
	for _, want := range []string{"", "sb_publishable_abc"} {
		iss := customertest.NewIssuer(t)
		sent := make(chan []string, 1)
		iss.Respond(func(w http.ResponseWriter, r *http.Request) {
			sent <- r.Header.Values("apikey")
			iss.Handler().ServeHTTP(w, r)
		})
		cfg := configFor(iss)
		cfg.APIKey = want
		requireAccepted(t, newVerifier(t, cfg), iss.Token(issuer.Claims{}))
		require.Equal(t, want, strings.Join(<-sent, ","))
	}
}

func TestKeySource_ReportsEachFetch(t *testing.T) {
	t.Parallel()
	iss, clk := customertest.NewIssuer(t), newClock()
	var results []error
	cfg := configFor(iss)
	cfg.Now, cfg.Fetched = clk.Now, func(err error) { results = append(results, err) }
	v := newVerifier(t, cfg)
	requireAccepted(t, v, freshToken(iss, clk))
	iss.Respond(respondWith(http.StatusNotFound, ""))
	clk.Advance(cooldown)
	requireRefused(t, v, tokenWithUnknownKey("unknown"))
	require.Len(t, results, 2)
	require.NoError(t, results[0])
	require.ErrorContains(t, results[1], "404")
	require.ErrorContains(t, v.FetchFailure(), "404")
}

func TestVerify_WithdrawnKeyInvalidatesCachedTokens(t *testing.T) {
	t.Parallel()
	iss, clk, v := setup(t)
	old := freshToken(iss, clk)
	requireAccepted(t, v, old)
	requireAccepted(t, v, old)

	require.NoError(t, iss.Rotate())
	iss.Withdraw()
	clk.Advance(cooldown)
	requireAccepted(t, v, freshToken(iss, clk)) // makes the verifier fetch the new key set
	requireForgedRefused(t, v, old)
	clk.Advance(cooldown)
	requireRefused(t, v, old)
}

func TestVerify_CachedTokenExpires(t *testing.T) {
	t.Parallel()
	iss, clk, v := setup(t)
	token := freshToken(iss, clk)
	requireAccepted(t, v, token)
	clk.Advance(time.Hour + 29*time.Second)
	requireAccepted(t, v, token)
	clk.Advance(time.Second)
	requireRefused(t, v, token)
}

func TestVerify_RefusedTokenIsNotCached(t *testing.T) {
	t.Parallel()
	iss, clk, v := setup(t)
	payload := iss.Payload(issuer.Claims{IssuedAt: clk.Now()})
	payload["nbf"] = clk.Now().Add(time.Minute).Unix()
	token := iss.Sign(iss.Header(), payload)
	requireRefused(t, v, token)
	clk.Advance(time.Minute)
	requireAccepted(t, v, token)
}

// TestKeySource_KeyOrderIsNoChange covers Supabase Auth, which lists its keys in another
// order each time. A change of the keys empties the token cache, but a change of their
// order must not.
func TestKeySource_KeyOrderIsNoChange(t *testing.T) {
	t.Parallel()
	iss, clk := customertest.NewIssuer(t), newClock()
	require.NoError(t, iss.Rotate())
	var log bytes.Buffer
	cfg := configFor(iss)
	cfg.Now, cfg.Logger = clk.Now, slog.New(slog.NewTextHandler(&log, nil))
	v := newVerifier(t, cfg)
	for _, order := range [][]int{{0, 1}, {1, 0}, {0, 1}} {
		keys := iss.JWKs()
		iss.Respond(publish(t, keys[order[0]], keys[order[1]]))
		requireRefused(t, v, tokenWithUnknownKey("unknown"))
		clk.Advance(cooldown)
	}
	require.Equal(t, 3, iss.Requests())
	require.Equal(t, 1, strings.Count(log.String(), "replaced the issuer's keys"))
}

func TestKeySource_KeepsKeysWhileIssuerIsDown(t *testing.T) {
	t.Parallel()
	iss, clk, v := setup(t)
	requireAccepted(t, v, freshToken(iss, clk))
	iss.Respond(respondWith(http.StatusBadGateway, ""))
	for range 48 {
		clk.Advance(30 * time.Minute)
		requireRefused(t, v, tokenWithUnknownKey("unknown"))
		requireAccepted(t, v, freshToken(iss, clk))
	}
	require.Equal(t, 48, v.Health().Failures)

	iss.Restore()
	require.NoError(t, iss.Rotate())
	clk.Advance(cooldown)
	requireAccepted(t, v, freshToken(iss, clk))
	require.Zero(t, v.Health().Failures)
	require.NoError(t, v.Health().LastError)
}

func TestKeySource_LargestAllowedSet(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	for range 99 {
		require.NoError(t, iss.Rotate())
	}
	v := newVerifier(t, configFor(iss))
	requireAccepted(t, v, iss.Token(issuer.Claims{}))
	require.Equal(t, 100, v.Health().Keys)
}

func TestKeySource_UsesConfiguredClientWithoutRedirects(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	elsewhere := customertest.NewIssuer(t)
	iss.Respond(http.RedirectHandler(elsewhere.JWKSURL(), http.StatusFound).ServeHTTP)
	cfg := configFor(iss)
	var sent atomic.Int64
	cfg.HTTPClient = &http.Client{
		Transport:     roundTripper(func(r *http.Request) (*http.Response, error) { sent.Add(1); return http.DefaultTransport.RoundTrip(r) }),
		CheckRedirect: func(*http.Request, []*http.Request) error { return nil },
	}
	requireUnavailable(t, newVerifier(t, cfg), elsewhere.Token(issuer.Claims{}))
	require.EqualValues(t, 1, sent.Load())
	require.Zero(t, elsewhere.Requests())
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

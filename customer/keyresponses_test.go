package customer_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/customer/customertest"
)

// abortMidBody closes the connection in the middle of a response.
func abortMidBody(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = w.Write([]byte(`{"keys":[`))
	panic(http.ErrAbortHandler)
}

// neverRespond blocks until the client disconnects.
func neverRespond(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// badResponses returns responses of a broken, malicious or overloaded issuer. Any
// keys in them are the attacker's.
func badResponses(t *testing.T, attacker *customertest.Issuer) map[string]http.HandlerFunc {
	t.Helper()
	key := attacker.JWKs()[0]
	many := make([]map[string]any, 101)
	for i := range many {
		many[i] = map[string]any{}
		for member, value := range key {
			many[i][member] = value
		}
		many[i]["kid"] = fmt.Sprint(i)
	}
	good, err := json.Marshal(map[string]any{"keys": []any{key}})
	require.NoError(t, err)
	long := string(good) + strings.Repeat(" ", 256<<10) // the keys are valid, but the response is too long
	return map[string]http.HandlerFunc{
		"an error":             respondWith(http.StatusInternalServerError, string(good)),
		"not found":            respondWith(http.StatusNotFound, string(good)),
		"no content":           respondWith(http.StatusNoContent, ""),
		"another success":      respondWith(http.StatusAccepted, string(good)),
		"an empty body":        respondWith(http.StatusOK, ""),
		"an HTML page":         respondWith(http.StatusOK, "<html>sign in to the network</html>"),
		"no keys":              respondWith(http.StatusOK, `{}`),
		"keys null":            respondWith(http.StatusOK, `{"keys":null}`),
		"keys not a list":      respondWith(http.StatusOK, `{"keys":{"a":1}}`),
		"keys not objects":     respondWith(http.StatusOK, `{"keys":[1,null,"key",[]]}`),
		"only ignored keys":    publish(t, map[string]any{"kty": "oct", "k": "c2VjcmV0", "kid": "1"}),
		"a list":               respondWith(http.StatusOK, `[]`),
		"truncated":            respondWith(http.StatusOK, string(good[:200])),
		"a single key":         publishKey(t, key),
		"too many keys":        publish(t, many...),
		"too long":             respondWith(http.StatusOK, long),
		"endless":              endless,
		"an aborted body":      abortMidBody,
		"no response":          neverRespond,
		"a redirect":           http.RedirectHandler(attacker.JWKSURL(), http.StatusFound).ServeHTTP,
		"a permanent redirect": http.RedirectHandler(attacker.JWKSURL(), http.StatusPermanentRedirect).ServeHTTP,
	}
}

func publishKey(t *testing.T, key map[string]any) http.HandlerFunc {
	t.Helper()
	body, err := json.Marshal(key)
	require.NoError(t, err)
	return respondWith(http.StatusOK, string(body))
}

// endless sends spaces until the client disconnects.
func endless(w http.ResponseWriter, _ *http.Request) {
	for {
		if _, err := w.Write([]byte(strings.Repeat(" ", 32<<10))); err != nil {
			return
		}
	}
}

func TestKeySource_BadResponseKeepsCurrentKeys(t *testing.T) {
	t.Parallel()
	attacker := customertest.NewIssuer(t)
	for name, bad := range badResponses(t, attacker) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			iss, clk := customertest.NewIssuer(t), newClock()
			cfg := configFor(iss)
			cfg.Now, cfg.FetchTimeout = clk.Now, time.Second
			v := newVerifier(t, cfg)
			requireAccepted(t, v, freshToken(iss, clk))
			fetched := v.Health().FetchedAt

			iss.Respond(bad)
			clk.Advance(cooldown)
			requireRefused(t, v, freshToken(attacker, clk))
			require.Equal(t, 2, iss.Requests())
			requireAccepted(t, v, freshToken(iss, clk))
			require.NoError(t, v.Ready())
			health := v.Health()
			require.Equal(t, 1, health.Failures)
			require.Equal(t, 1, health.Keys)
			require.Error(t, health.LastError)
			require.Equal(t, fetched, health.FetchedAt)
		})
	}
	t.Cleanup(func() { require.Zero(t, attacker.Requests()) })
}

func TestKeySource_BadFirstResponseIsUnavailable(t *testing.T) {
	t.Parallel()
	attacker := customertest.NewIssuer(t)
	responses := badResponses(t, attacker)
	responses["an empty set"] = respondWith(http.StatusOK, noKeys)
	for name, bad := range responses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			iss, clk := customertest.NewIssuer(t), newClock()
			cfg := configFor(iss)
			cfg.Now, cfg.FetchTimeout = clk.Now, time.Second
			v := newVerifier(t, cfg)
			iss.Respond(bad)
			requireUnavailable(t, v, freshToken(iss, clk))
			require.Error(t, v.Ready())

			iss.Restore()
			clk.Advance(firstCooldown)
			requireAccepted(t, v, freshToken(iss, clk))
		})
	}
	t.Cleanup(func() { require.Zero(t, attacker.Requests()) })
}

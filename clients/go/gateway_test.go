package fieldgate_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

func TestNew_BaseURL(t *testing.T) {
	t.Parallel()
	for baseURL, want := range map[string]string{
		"https://gateway.example.com":            "https://gateway.example.com/version",
		"https://gateway.example.com/":           "https://gateway.example.com/version",
		"https://example.com/fleet/gateway":      "https://example.com/fleet/gateway/version",
		"http://[::1]:8080/":                     "http://[::1]:8080/version",
		"HTTPS://gateway.example.com/with%2Fbar": "https://gateway.example.com/with%2Fbar/version",
	} {
		t.Run(baseURL, func(t *testing.T) {
			t.Parallel()
			var requested string
			gateway := newGateway(t, baseURL, fieldgate.WithTransport(handlerTransport(func(w http.ResponseWriter, r *http.Request) {
				requested = r.URL.String()
				writeJSON(w, http.StatusOK, fieldgate.Version{Version: "1.4.0"})
			})))
			_, err := gateway.Version(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, requested)
		})
	}
}

func TestNew_RefusesInvalidBaseURL(t *testing.T) {
	t.Parallel()
	for _, baseURL := range []string{
		"", "gateway.example.com", "//gateway.example.com", "ftp://gateway.example.com", "https://",
		"https://user:password@gateway.example.com", "https://gateway.example.com?a=b",
		"https://gateway.example.com#top", "http://gate way",
	} {
		_, err := fieldgate.New(baseURL)
		require.ErrorContains(t, err, "base URL", "%q", baseURL)
		require.NotContains(t, err.Error(), "password")
	}
}

func TestNew_RefusesZeroLimits(t *testing.T) {
	t.Parallel()
	for _, option := range []fieldgate.Option{fieldgate.WithTimeout(0), fieldgate.WithMaxResponseBytes(0)} {
		_, err := fieldgate.New("https://gateway.example.com", option)
		require.ErrorContains(t, err, "above zero")
	}
}

func TestCredentials_OfEachClient(t *testing.T) {
	t.Parallel()
	var sent []string
	gateway := serve(t, func(w http.ResponseWriter, r *http.Request) {
		sent = append(sent, r.Header.Get("Authorization"))
		writeJSON(w, http.StatusOK, map[string]any{})
	})
	ctx := t.Context()

	_, err := gateway.Health(ctx)
	require.NoError(t, err)
	_, err = gateway.DeviceWithToken(fieldgate.Bearer("device token")).Heartbeat(ctx, alive)
	require.NoError(t, err)
	_, err = gateway.Customer(fieldgate.Bearer("customer token")).SystemInfo(ctx)
	require.NoError(t, err)
	_, err = gateway.Customer(fieldgate.Bearer("")).SystemInfo(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"", "Bearer device token", "Bearer customer token", ""}, sent)
}

func TestTokenSource_CalledBeforeEachRequest(t *testing.T) {
	t.Parallel()
	var requests, calls int
	gateway := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		requests++
		writeProblem(w, http.StatusUnauthorized, fieldgate.CodeUnauthorized)
	})
	customer := gateway.Customer(func(context.Context) (string, error) { calls++; return "a JWT", nil })

	for range 2 {
		_, err := customer.SystemInfo(t.Context())
		require.Equal(t, fieldgate.CodeUnauthorized, fieldgate.CodeOf(err))
	}
	require.Equal(t, 2, requests)
	require.Equal(t, 2, calls)
}

func TestTokenSource_ErrorIsReturned(t *testing.T) {
	t.Parallel()
	broken := errors.New("the user has signed out")
	gateway := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	customer := gateway.Customer(func(context.Context) (string, error) { return "", broken })

	_, err := customer.SystemInfo(t.Context())
	require.ErrorIs(t, err, broken)
}

func TestRequest_Headers(t *testing.T) {
	t.Parallel()
	var sent []http.Header
	play := fieldgate.WithTransport(handlerTransport(func(w http.ResponseWriter, r *http.Request) {
		sent = append(sent, r.Header)
		writeJSON(w, http.StatusOK, fieldgate.Version{})
	}))
	_, err := newGateway(t, "http://gateway", play).Version(t.Context())
	require.NoError(t, err)
	named := newGateway(t, "http://gateway", play, fieldgate.WithUserAgent("pump-firmware/2.8.1"))
	_, err = named.Version(fieldgate.ContextWithRequestID(t.Context(), requestID))
	require.NoError(t, err)

	require.Equal(t, fieldgate.DefaultUserAgent, sent[0].Get("User-Agent"))
	require.Equal(t, "application/json, application/problem+json", sent[0].Get("Accept"))
	require.NotContains(t, sent[0], "X-Request-Id", "the gateway generates it")
	require.Equal(t, "pump-firmware/2.8.1", sent[1].Get("User-Agent"))
	require.Equal(t, requestID, sent[1].Get("X-Request-ID"))
}

func TestReadiness_NotReady(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]fieldgate.Readiness{
		http.StatusOK: {Ready: true, Checks: fieldgate.ReadinessChecks{Redis: fieldgate.DependencyCheck{Ok: true, LatencyMs: 0.4}}},
		http.StatusServiceUnavailable: {Draining: true, Checks: fieldgate.ReadinessChecks{
			Redis: fieldgate.DependencyCheck{Error: "unreachable for 6 s"}}},
	} {
		gateway := serve(t, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, status, want) })
		got, err := gateway.Readiness(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestReadiness_Other503(t *testing.T) {
	t.Parallel()
	page := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	problem := func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, http.StatusServiceUnavailable, fieldgate.CodeDraining)
	}
	_, err := serve(t, page).Readiness(t.Context())
	require.Equal(t, http.StatusServiceUnavailable, statusOf(t, err))
	_, err = serve(t, problem).Readiness(t.Context())
	require.Equal(t, fieldgate.CodeDraining, fieldgate.CodeOf(err))
}

func statusOf(t *testing.T, err error) int {
	t.Helper()
	var refused *fieldgate.APIError
	require.ErrorAs(t, err, &refused)
	return refused.Status
}

package gateway

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/handlers"
)

// TestIssuerProbe_Responses checks which responses of the health endpoint mean that the issuer
// is up, and that the probe sends the public key.
func TestIssuerProbe_Responses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		media  string
		up     bool
	}{
		"healthy":             {http.StatusOK, "application/json", true},
		"no content":          {http.StatusNoContent, "", true},
		"an API key required": {http.StatusUnauthorized, "text/html", true},
		"forbidden":           {http.StatusForbidden, "application/json", true},
		"another server":      {http.StatusNotFound, "application/json", false},
		"a page":              {http.StatusOK, "text/html; charset=utf-8", false},
		"down":                {http.StatusBadGateway, "application/json", false},
		"not modified":        {http.StatusNotModified, "", false},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", c.media)
			w.WriteHeader(c.status)
			if r.Header.Get("apikey") != "key" {
				panic("the probe sends no key")
			}
		}))
		t.Cleanup(server.Close)
		v, err := customer.NewVerifier(customer.Config{JWKSURL: server.URL})
		require.NoError(t, err)
		require.Equal(t, c.up, newIssuerProbe(v, server.URL, "key").probe(t.Context()) == nil, name)
	}
}

// TestIssuerProbe_FailingFetchIsAProblem checks that an issuer whose keys cannot be fetched is
// not reported as up, although its known keys are used.
func TestIssuerProbe_FailingFetchIsAProblem(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	v, err := customer.NewVerifier(customer.Config{
		JWKSURL: iss.JWKSURL(), RefreshInterval: time.Millisecond, PollInterval: time.Millisecond,
		Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	go func() { _ = v.Run(t.Context()) }()
	probe := newIssuerProbe(v, "", "")
	awaitStatus := func(problem string) {
		require.Eventually(t, func() bool { status := probe.status(); return status.Usable && status.Problem == problem },
			10*time.Second, time.Millisecond)
	}
	awaitStatus("")
	iss.Respond(http.NotFound)
	awaitStatus("the keys of the issuer cannot be fetched; its known keys are used")
	iss.Restore()
	awaitStatus("")
	iss.Respond(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) })
	awaitStatus("no usable signing keys")
}

// TestIssuerProbe_OldKeysKeepInstanceUsable lets the keys grow too old. All instances would become not
// ready at once, and devices, which need no keys, would lose their service.
func TestIssuerProbe_OldKeysKeepInstanceUsable(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	var passed atomic.Int64
	v, err := customer.NewVerifier(customer.Config{
		JWKSURL: iss.JWKSURL(), Issuers: []string{iss.Name()}, PersonalTenants: true,
		Now: func() time.Time { return time.Now().Add(time.Duration(passed.Load())) },
	})
	require.NoError(t, err)
	probe := newIssuerProbe(v, "", "")
	require.False(t, probe.status().Usable, "usable before the first fetch")
	_, err = v.Verify(t.Context(), iss.Token(issuer.Claims{}))
	require.NoError(t, err)
	require.Equal(t, handlers.IssuerStatus{Usable: true}, probe.status())
	passed.Store(int64(25 * time.Hour))
	require.Equal(t, handlers.IssuerStatus{Usable: true, Problem: "no usable signing keys"}, probe.status())
}

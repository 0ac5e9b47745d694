package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// TestReads_AreRevalidated reads what a page reads again and again: 304 until it changes, and never
// with the token of another user.
func TestReads_AreRevalidated(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t))
	c := f.propose(t, auto)
	get := func(path, user string, header http.Header) (*http.Response, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.URL+path, nil)
		if err != nil {
			return nil, err
		}
		if header != nil {
			r.Header = header
		}
		r.Header.Set("Authorization", "Bearer "+f.Token(f.tenantID, user, "viewer"))
		response, err := http.DefaultClient.Do(r)
		if err == nil {
			response.Body.Close()
		}
		return response, err
	}
	for _, path := range []string{
		"/devices", "/devices/" + f.device.ID, "/sessions", "/sessions/" + f.session, "/sessions/" + f.session + "/commands",
		"/sessions/" + f.session + "/commands/" + c.ID, "/commands", "/approvals", "/usage", "/me",
	} {
		path = "/api/v1/customer" + path
		first, err := get(path, "vera", nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, first.StatusCode, path)
		require.Equal(t, "private, no-cache", first.Header.Get("Cache-Control"), path)
		require.Contains(t, first.Header.Values("Vary"), "Authorization", path)
		require.True(t, strings.HasPrefix(first.Header.Get("ETag"), `W/"`), path)
		again, err := get(path, "vera", http.Header{"If-None-Match": {first.Header.Get("ETag")}})
		require.NoError(t, err)
		require.Equal(t, http.StatusNotModified, again.StatusCode, path)
	}
	list := "/api/v1/customer/commands"
	before, err := get(list, "vera", nil)
	require.NoError(t, err)
	f.propose(t, auto)
	after, err := get(list, "vera", http.Header{"If-None-Match": {before.Header.Get("ETag")}})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, after.StatusCode)
	other, err := http.Get(f.URL + list)
	require.NoError(t, err)
	other.Body.Close()
	require.Equal(t, http.StatusUnauthorized, other.StatusCode)
	require.Equal(t, "no-store", other.Header.Get("Cache-Control"))
}

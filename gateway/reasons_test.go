package gateway_test

import (
	"crypto/rand"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// loggedReason sends a request that is refused with 401, and returns the reason in the log.
func loggedReason(t testing.TB, g *gatewaytest.Gateway, r gatewaytest.Request) any {
	t.Helper()
	response := g.Do(t, r)
	require.Equal(t, http.StatusUnauthorized, response.Status, response.Body)
	line := g.Log.AccessLine(t, response.Problem.RequestID)
	require.Equal(t, "INFO", line["level"])
	if reason, _ := line["reason"].(string); reason != "" {
		require.NotContains(t, response.Body, `"`+reason+`"`, "the response has the reason")
	}
	return line["reason"]
}

// forgedLogin returns a text with the form of a login token of a device.
func forgedLogin(deviceID string) string {
	return "fgd_" + strings.TrimPrefix(deviceID, "dev_") + "_" + rand.Text() + "AAAAAAAAAAAAAAAAA"
}

// TestReason_OfEachRefusedCredentialIsLogged checks that the log says why a request was
// refused with 401. Package customer has the test of each fault of a user's token.
func TestReason_OfEachRefusedCredentialIsLogged(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, withFrontend)
	f := newFleet(t, g)
	revoked, loggedOut, suspended := g.Login(t, f.device), g.Login(t, f.device), g.NewDevice(t, f.alice)
	suspendedToken := g.Login(t, suspended)
	response := g.Do(t, gatewaytest.Request{Method: http.MethodDelete, Path: "/api/v1/device/auth", Token: loggedOut})
	require.Equal(t, http.StatusNoContent, response.Status)
	_, err := f.alice.RevokeLogins(t.Context(), f.device.ID, "")
	require.NoError(t, err)
	_, err = f.alice.Suspend(t.Context(), suspended.ID, "")
	require.NoError(t, err)
	replaced, err := f.alice.Provision(t.Context(), client.ProvisionDeviceRequest{Name: "Pump 8"})
	require.NoError(t, err)
	_, err = f.alice.IssueActivationCode(t.Context(), replaced.Device.ID)
	require.NoError(t, err)
	user := g.Token(f.tenantID, "alice", "viewer")
	ticket := issueTicket(t, g, user, frontend)
	stranger := customertest.NewIssuer(t)

	devices := gatewaytest.Request{Method: http.MethodGet, Path: "/api/v1/customer/devices"}
	claim := gatewaytest.Request{Method: http.MethodPost, Path: "/api/v1/device/commands/claim"}
	login := gatewaytest.Request{Method: http.MethodPost, Path: "/api/v1/device/auth"}
	register := gatewaytest.Request{Method: http.MethodPost, Path: "/api/v1/device/register"}
	before := g.Metrics(t)
	wanted := map[string]float64{}
	for name, c := range map[string]struct {
		request gatewaytest.Request
		token   string
		body    string
		want    string
	}{
		"no token":                    {devices, "", "", "no_token"},
		"a scheme and no token":       {devices, " ", "", "bad_header"},
		"a text":                      {devices, "text", "", "malformed"},
		"a ticket as a token":         {devices, ticket, "", "malformed"},
		"a token of another issuer":   {devices, stranger.Token(issuer.Claims{}), "", "unknown_key"},
		"a text for a device":         {claim, "text", "", "malformed"},
		"a forged login":              {claim, forgedLogin(f.device.ID), "", "unknown"},
		"a login that was logged out": {claim, loggedOut, "", "unknown"},
		"a revoked login":             {claim, revoked, "", "revoked"},
		"a suspended device":          {claim, suspendedToken, "", "device_inactive"},
		"a wrong secret":              {login, "", `{"deviceId":"` + f.device.ID + `","deviceSecret":"wrong"}`, "wrong_secret"},
		"a device that has never registered": {login, "", `{"deviceId":"` + replaced.Device.ID + `","deviceSecret":"wrong"}`,
			"unknown_device"},
		"a malformed code": {register, "", `{"activationCode":"UUUU-UUUU-UUUU"}`, "malformed"},
		"an unknown code":  {register, "", `{"activationCode":"0000-0000-0000"}`, "unknown"},
		"a replaced code":  {register, "", `{"activationCode":"` + replaced.ActivationCode + `"}`, "replaced"},
	} {
		c.request.Token, c.request.Body = c.token, c.body
		require.Equal(t, c.want, loggedReason(t, g, c.request), name)
		wanted[c.want]++
	}
	for _, reason := range fieldgate.Reasons() {
		series := `fieldgate_unauthenticated_total{reason="` + string(reason) + `"}`
		require.Contains(t, before, series)
		require.InDelta(t, wanted[string(reason)], g.Metrics(t)[series]-before[series], 0, series)
	}
	requireTicketReason(t, g, "wrong_origin", ticket, "https://other.example.com")
	requireTicketReason(t, g, "unknown", ticket, frontend)
	requireTicketReason(t, g, "malformed", "fgt_short", frontend)
}

func requireTicketReason(t testing.TB, g *gatewaytest.Gateway, want, ticket, origin string) {
	t.Helper()
	id := gatewaytest.NewTenantID()
	header := http.Header{"X-Request-Id": {id}}
	require.Equal(t, http.StatusUnauthorized, handshakeStatus(t, g, gatewaytest.CustomerPath+"?ticket="+ticket, origin, header))
	require.Equal(t, want, g.Log.AccessLine(t, id)["reason"])
}

// TestReason_OfRefusedFrameIsLogged continues a socket with a token of another user.
func TestReason_OfRefusedFrameIsLogged(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	tenantID := gatewaytest.NewTenantID()
	s := g.OpenCustomer(t, g.Token(tenantID, "alice", "viewer"))
	require.Equal(t, client.CodeUnauthorized, s.RequestError("refresh", object{"token": g.Token(tenantID, "bob", "viewer")}).Code)
	require.Equal(t, client.CodeUnauthorized, s.RequestError("refresh", object{"token": "text"}).Code)
	reasons := map[any]bool{}
	eventually(t, func() bool {
		for _, line := range g.Log.Lines("frame", "") {
			if line["code"] == "unauthorized" {
				reasons[line["reason"]] = true
			}
		}
		return len(reasons) == 2
	}, "the frames are not in the log")
	require.Equal(t, map[any]bool{"other_user": true, "malformed": true}, reasons)
	for _, reason := range []string{"other_user", "malformed"} {
		require.InDelta(t, 1, g.Metrics(t)[`fieldgate_unauthenticated_total{reason="`+reason+`"}`], 0)
	}
}

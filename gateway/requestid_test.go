package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

func TestRequestID_FollowsCommandToItsDevice(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		const id = "Order_4711.v2-x"
		proposed, err := f.alice.Propose(client.ContextWithRequestID(t.Context(), id), f.session, client.ProposeCommandRequest{Type: auto})
		require.NoError(t, err)
		require.Equal(t, id, proposed.RequestID)
		require.Equal(t, id, f.claim(t).RequestID)
		var kinds []string
		for event, err := range f.alice.AllEvents(t.Context(), f.session, client.ListSessionEventsParams{}) {
			require.NoError(t, err)
			if event.RequestID == id {
				kinds = append(kinds, event.Type)
			}
		}
		require.Equal(t, []string{"command.proposed", "command.claimed"}, kinds)
		line := g.Log.AccessLine(t, id)
		require.Equal(t, "proposeCommand", line["operation"])
		require.Equal(t, "user:alice", line["principal"])
		require.EqualValues(t, http.StatusCreated, line["status"])
	})
}

func TestRequestID_IsInRefusalHeaderBodyAndLog(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	refused := g.Do(t, gatewaytest.Request{
		Method: http.MethodGet, Path: "/api/v1/customer/devices", Header: http.Header{"X-Request-Id": {"mine"}},
	})
	require.Equal(t, "mine", refused.Header.Get("X-Request-ID"))
	require.Equal(t, "mine", refused.Problem.RequestID)
	require.Equal(t, "unauthorized", g.Log.AccessLine(t, "mine")["code"])
}

func TestRequestID_UnsafeValueIsReplaced(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	token := g.Token(f.tenantID, "alice", "admin")
	for _, unsafe := range []string{
		"", "a b", "a;b", `"},{"level":"ERROR"`, "<script>", "../../etc", "ümlaut", "a\tb", "${jndi:x}", strings.Repeat("x", 129),
	} {
		made := g.Do(t, gatewaytest.Request{
			Method: http.MethodPost, Path: "/api/v1/customer/sessions/" + f.session + "/commands", Token: token,
			Body: `{"type":"` + auto + `"}`, Header: http.Header{"X-Request-Id": {unsafe}},
		})
		require.Equal(t, http.StatusCreated, made.Status, made.Body)
		given := made.Header.Get("X-Request-ID")
		require.Regexp(t, `^[A-Za-z0-9._-]{16,128}$`, given)
		require.Contains(t, made.Body, `"requestId":"`+given+`"`)
		g.Log.AccessLine(t, given)
		if unsafe != "" {
			require.NotContains(t, g.Log.String(), unsafe)
		}
	}
}

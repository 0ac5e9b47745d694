package gateway_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// TestRequestID_FollowsCommandThroughTwoInstances finds the request id of a proposal in the
// command, in its events and in the logs of both instances.
func TestRequestID_FollowsCommandThroughTwoInstances(t *testing.T) {
	t.Parallel()
	here, there := startTwoInstances(t)
	f := newFleet(t, here)
	device, watcher := f.deviceSocket(t, there), f.customerSocket(t, there, f.sessionRoom())
	id := "r-" + f.tenantID
	claim := device.StartRequestAs("claim-"+id, "claim", object{"waitMs": 30_000})
	awaitWaitingClaims(t, there, 1)

	response := here.Do(t, gatewaytest.Request{
		Method: http.MethodPost, Path: "/api/v1/customer/sessions/" + f.session + "/commands",
		Token: f.Token(f.tenantID, "alice", "operator"), Body: `{"type":"diagnostic.dns"}`, Header: http.Header{"X-Request-Id": {id}},
	})
	require.Equal(t, http.StatusCreated, response.Status, response.Body)
	require.Equal(t, id, response.Header.Get("X-Request-ID"))
	var proposed client.Command
	unmarshal(t, response.Body, &proposed)
	require.Equal(t, id, proposed.RequestID)

	claimed := commands(t, claim().Data)[0]
	require.Equal(t, id, claimed.RequestID)
	device.StartRequestAs("result-"+id, "result", object{"commandId": claimed.ID, "claimToken": claimed.ClaimToken, "status": "succeeded"})()
	for _, kind := range []string{"command.proposed", "command.claimed", "command.succeeded"} {
		e := watcher.Event()
		require.Equal(t, kind, e.Type)
		require.Equal(t, id, e.RequestID, kind)
		require.Equal(t, claimed.ID, e.Data["commandId"], kind)
	}

	require.Equal(t, "proposeCommand", here.Log.AccessLine(t, id)["operation"])
	for frame, kind := range map[string]string{"claim-" + id: "claim", "result-" + id: "result"} {
		lines := there.Log.Lines("frame", frame)
		require.Len(t, lines, 1)
		require.Equal(t, kind, lines[0]["type"])
		require.Equal(t, device.ID, lines[0]["connection"])
		require.Equal(t, "device:"+f.device.ID, lines[0]["principal"])
	}
	eventually(t, func() bool { return len(there.Log.Lines("event", id)) == 3 }, "the log of the other instance does not name the request")
	handshakeID := device.HandshakeHeader.Get("X-Request-Id")
	require.Equal(t, "openDeviceSocket", there.Log.AccessLine(t, handshakeID)["operation"])
	device.Close()
	eventually(t, func() bool { return len(there.Log.Lines("socket closed", handshakeID)) == 1 }, "the log does not report the close")
	require.EqualValues(t, 1000, there.Log.Lines("socket closed", handshakeID)[0]["code"])
}

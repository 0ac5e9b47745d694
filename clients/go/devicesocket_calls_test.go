package fieldgate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

func TestDeviceSocket_RefusesInvalidData(t *testing.T) {
	t.Parallel()
	sent, _ := callOverSocket(t, `{}`, func(ctx context.Context, s *fieldgate.DeviceSocket) (any, error) {
		_, err := s.Heartbeat(ctx, fieldgate.HeartbeatRequest{FirmwareVersion: strings.Repeat("1", 64<<10)})
		require.ErrorContains(t, err, "too large for a frame")
		_, err = s.SubmitResult(ctx, commandID, fieldgate.ResultRequest{Data: json.RawMessage("\"\xff\"")})
		require.ErrorContains(t, err, "not UTF-8")
		_, err = s.SubmitResult(ctx, commandID, fieldgate.ResultRequest{Data: json.RawMessage("{")})
		require.ErrorContains(t, err, "encoding a frame")
		return s.SubmitResult(ctx, commandID, fieldgate.ResultRequest{Output: "\xff"})
	})
	require.Equal(t, "result", sent.Type)
}

func TestDeviceSocket_InterruptedCall(t *testing.T) {
	t.Parallel()
	var stored recorder[string]
	server := &socketServer{script: func(n int, c *serverConn) {
		m := c.read()
		stored.add(string(m.Data))
		if n == 1 {
			return // the connection is cut before a reply is sent
		}
		c.reply(m, fieldgate.RecordedResult{CommandID: commandID, Status: fieldgate.CommandStatusSucceeded, Duplicate: true})
		c.wait()
	}}
	socket := connectDevice(t, serve(t, server.ServeHTTP), fieldgate.DeviceSocketConfig{})
	result := fieldgate.ResultRequest{ClaimToken: claimToken, Status: fieldgate.ResultStatusSucceeded}
	_, err := socket.SubmitResult(t.Context(), commandID, result)
	require.ErrorIs(t, err, fieldgate.ErrInterrupted)
	require.ErrorContains(t, err, "the call may or may not have been executed: fieldgate: the connection broke")

	recorded, err := socket.SubmitResult(t.Context(), commandID, result)
	require.NoError(t, err, "a result can be repeated")
	require.True(t, recorded.Duplicate)
	require.Equal(t, stored.list()[0], stored.list()[1])
}

// TestDeviceSocket_TraceparentIsSentToAGatewayThatAcceptsIt sends none to an earlier gateway, which
// would refuse the frame.
func TestDeviceSocket_TraceparentIsSentToAGatewayThatAcceptsIt(t *testing.T) {
	t.Parallel()
	const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for name, c := range map[string]struct {
		accepts    []string
		sent, want string
	}{
		"accepted": {[]string{"traceparent", "later"}, traceparent, traceparent},
		"earlier":  {nil, traceparent, ""},
		"too long": {[]string{"traceparent"}, traceparent + strings.Repeat("-", 100), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen recorder[string]
			server := &socketServer{
				greet: func(_ int, conn *serverConn) {
					conn.push("welcome", map[string]any{"connectionId": "con_1", "accepts": c.accepts})
				},
				script: func(_ int, c *serverConn) {
					c.serve(func(m message) {
						seen.add(m.Traceparent)
						c.reply(m, fieldgate.HeartbeatReply{})
					})
				},
			}
			socket := connectDevice(t, serve(t, server.ServeHTTP), fieldgate.DeviceSocketConfig{})
			_, err := socket.Heartbeat(fieldgate.ContextWithTraceparent(t.Context(), c.sent), alive)
			require.NoError(t, err)
			require.Equal(t, []string{c.want}, seen.list())
		})
	}
}

func TestDeviceSocket_CallWaitsForAConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls recorder[string]
		server := &socketServer{
			handshake: func(n int, w http.ResponseWriter, _ *http.Request) bool {
				if n <= 3 {
					w.Header().Set("Retry-After", "3")
					writeProblem(w, http.StatusServiceUnavailable, fieldgate.CodeDraining)
				}
				return n <= 3
			},
			script: func(_ int, c *serverConn) {
				c.serve(func(m message) {
					calls.add(m.Type)
					c.reply(m, fieldgate.HeartbeatReply{})
				})
			},
		}
		socket := connectDevice(t, memoryGateway(t, server), fieldgate.DeviceSocketConfig{})
		start := time.Now()
		heartbeat(t, socket)
		require.GreaterOrEqual(t, time.Since(start), 9*time.Second)
		require.Equal(t, []string{"heartbeat"}, calls.list())
	})
}

func TestDeviceSocket_CallWithoutAConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &socketServer{handshake: func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			writeProblem(w, http.StatusServiceUnavailable, fieldgate.CodeStoreUnavailable)
			return true
		}}
		socket := connectDevice(t, memoryGateway(t, server), fieldgate.DeviceSocketConfig{})
		_, err := socket.Heartbeat(t.Context(), alive)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, fieldgate.ErrInterrupted)
		require.Equal(t, fieldgate.CodeStoreUnavailable, fieldgate.CodeOf(err))
	})
}

func TestDeviceSocket_ReleasesAnAbandonedClaim(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		options []fieldgate.CallOption
		want    []string
	}{
		"without a key": {nil, []string{"claim", "heartbeat", "release"}},
		"with a key":    {[]fieldgate.CallOption{fieldgate.WithIdempotencyKey("key-1")}, []string{"claim", "heartbeat"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var frames recorder[string]
				var released recorder[string]
				server := &socketServer{script: func(_ int, c *serverConn) {
					claim := c.read()
					frames.add(claim.Type)
					c.serve(func(m message) {
						if frames.add(m.Type); m.Type == "release" {
							released.add(string(m.Data))
						}
						c.reply(m, struct{}{})
						if m.Type == "heartbeat" {
							c.reply(claim, map[string]any{"commands": []fieldgate.ClaimedCommand{{ID: commandID, ClaimToken: claimToken}}})
						}
					})
				}}
				socket := connectDevice(t, memoryGateway(t, server), fieldgate.DeviceSocketConfig{})
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := socket.Claim(ctx, fieldgate.ClaimRequest{WaitMs: 20_000}, test.options...)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				heartbeat(t, socket) // the server sends the reply to the claim only after this heartbeat
				time.Sleep(time.Second)
				require.Equal(t, test.want, frames.list())
				for _, data := range released.list() {
					require.JSONEq(t, `{"commandId":"`+commandID+`","claimToken":"`+claimToken+`","reason":"the claim was abandoned"}`, data)
				}
			})
		})
	}
}

func TestDeviceSocket_Callbacks(t *testing.T) {
	t.Parallel()
	server := &socketServer{script: func(_ int, c *serverConn) {
		c.push("commands.available", map[string]int{"pending": 3})
		c.push("type.of_a_later_version", "any data")
		c.push("command.cancel", map[string]string{"commandId": commandID, "reason": "wrong device"})
		c.push("command.cancel", map[string]string{"commandId": commandID})
		c.wait()
	}}
	calls := make(chan string, 10)
	connectDevice(t, serve(t, server.ServeHTTP), fieldgate.DeviceSocketConfig{
		OnCommands: func(pending int) { calls <- fmt.Sprint("commands ", pending) },
		OnCancel:   func(id, reason string) { calls <- fmt.Sprint("cancel ", id, " ", reason) },
	})
	first := <-calls
	if first == "commands 0" { // OnCommands(0) is called for the new connection, unless the pushed frame is processed first
		first = <-calls
	}
	require.Equal(t, "commands 3", first)
	require.Equal(t, "cancel "+commandID+" wrong device", <-calls)
	require.Equal(t, "cancel "+commandID+" ", <-calls)
}

func TestDeviceSocket_OnCommandsAfterEachReconnect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &socketServer{script: func(n int, c *serverConn) {
			if n < 3 {
				c.close(fieldgate.CloseSilent, "no pong")
			}
			c.wait()
		}}
		var calls recorder[int]
		connectDevice(t, memoryGateway(t, server), fieldgate.DeviceSocketConfig{OnCommands: func(pending int) { calls.add(pending) }})
		time.Sleep(time.Minute)
		require.Equal(t, []int{0, 0, 0}, calls.list())
	})
}

func TestDeviceSocket_SlowCallbackMayCallTheSocket(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const commands = 500
		server := &socketServer{script: func(_ int, c *serverConn) {
			for i := range commands {
				c.push("commands.available", map[string]int{"pending": i + 1})
				c.push("command.cancel", map[string]string{"commandId": fmt.Sprint("cmd_", i)})
			}
			replyToHeartbeats(1, c)
		}}
		var socket *fieldgate.DeviceSocket
		var cancelled recorder[string]
		var available recorder[int]
		ready := make(chan struct{})
		socket = connectDevice(t, memoryGateway(t, server), fieldgate.DeviceSocketConfig{
			OnCancel: func(id, _ string) { cancelled.add(id) },
			OnCommands: func(pending int) {
				<-ready
				time.Sleep(time.Second)
				heartbeat(t, socket) // the reply to this heartbeat follows all pushed frames
				available.add(pending)
			},
		})
		close(ready)
		time.Sleep(time.Minute)
		require.Len(t, cancelled.list(), commands, "OnCancel is called for each command")
		require.Equal(t, "cmd_0", cancelled.list()[0])
		require.Less(t, len(available.list()), 10, "one call of OnCommands stands for all frames that arrived before it")
		require.Equal(t, 1, server.count())
	})
}

func TestDeviceSocket_CallsWithinTheLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const calls = 300
		checker := &limitChecker{}
		server := &socketServer{script: func(_ int, c *serverConn) {
			c.serve(func(m message) {
				checker.receive()
				checker.inFlight.Add(-1)
				c.reply(m, fieldgate.HeartbeatReply{})
			})
		}}
		socket := connectDevice(t, memoryGateway(t, server), fieldgate.DeviceSocketConfig{})
		heartbeat(t, socket)
		start := time.Now()
		for _, err := range concurrently(calls, func() error { _, err := socket.Heartbeat(t.Context(), alive); return err }) {
			require.NoError(t, err)
		}
		require.Less(t, time.Since(start), 7*time.Second)
		require.Equal(t, 1+calls, checker.messages)
		checker.check(t)
	})
}

func TestDeviceSocket_OnState(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &socketServer{script: func(n int, c *serverConn) {
			if n == 1 {
				c.push("going_away", map[string]int{"retryAfterMs": 1500})
				time.Sleep(time.Second)
				c.close(fieldgate.CloseGoingAway, "shutting down")
			}
			c.wait()
		}}
		var recorded recorder[fieldgate.SocketState]
		connectDevice(t, memoryGateway(t, server), fieldgate.DeviceSocketConfig{OnState: func(state fieldgate.SocketState) { recorded.add(state) }})
		time.Sleep(time.Minute)
		states := recorded.list()
		require.Len(t, states, 4)
		connected := fieldgate.SocketState{Connected: true, ConnectionID: "con_" + requestID}
		require.Equal(t, connected, states[0])
		require.Equal(t, fieldgate.SocketState{
			Connected: true, ConnectionID: "con_" + requestID, GoingAway: true, RetryIn: 1500 * time.Millisecond,
		}, states[1])
		require.Equal(t, &fieldgate.CloseError{Code: fieldgate.CloseGoingAway, Reason: "shutting down"}, states[2].Err)
		require.InDelta(t, 1.75, states[2].RetryIn.Seconds(), 0.25)
		require.False(t, states[2].Connected)
		require.Equal(t, connected, states[3])
	})
}

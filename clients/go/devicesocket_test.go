package fieldgate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// callOverSocket makes a call over a socket whose gateway replies with data. It returns the
// frame that the gateway received and the value that the call returned.
func callOverSocket(t *testing.T, data string, call func(context.Context, *fieldgate.DeviceSocket) (any, error)) (sent message, got any) {
	t.Helper()
	frames := make(chan message, 1)
	server := &socketServer{script: func(_ int, c *serverConn) {
		m := c.read()
		frames <- m
		c.reply(m, json.RawMessage(data))
		c.wait()
	}}
	got, err := call(t.Context(), connectDevice(t, serve(t, server.ServeHTTP), fieldgate.DeviceSocketConfig{}))
	require.NoError(t, err)
	return <-frames, got
}

func TestDeviceSocket_Calls(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		call         func(context.Context, *fieldgate.DeviceSocket) (any, error)
		kind, fields string
		answer       string
		want         any
	}{
		"Claim": {
			func(ctx context.Context, s *fieldgate.DeviceSocket) (any, error) {
				return s.Claim(ctx, fieldgate.ClaimRequest{Limit: 2, VisibilityTimeoutMs: 60_000, WaitMs: 20_000})
			},
			"claim", `{"limit":2,"visibilityTimeoutMs":60000,"waitMs":20000}`,
			`{"commands":[{"id":"` + commandID + `","claimToken":"` + claimToken + `","parameters":{"n":9007199254740993}}]}`,
			[]fieldgate.ClaimedCommand{{ID: commandID, ClaimToken: claimToken, Parameters: json.RawMessage(`{"n":9007199254740993}`)}},
		},
		"Claim with an idempotency key": {
			func(ctx context.Context, s *fieldgate.DeviceSocket) (any, error) {
				return s.Claim(ctx, fieldgate.ClaimRequest{Limit: 2}, fieldgate.WithIdempotencyKey("key-1"))
			},
			"claim", `{"limit":2,"idempotencyKey":"key-1"}`, `{"commands":[]}`, []fieldgate.ClaimedCommand{},
		},
		"Extend": {
			func(ctx context.Context, s *fieldgate.DeviceSocket) (any, error) {
				return s.Extend(ctx, commandID, fieldgate.ExtendRequest{ClaimToken: claimToken, ExtensionMs: 60_000})
			},
			"extend", `{"commandId":"` + commandID + `","claimToken":"` + claimToken + `","extensionMs":60000}`,
			`{"commandId":"` + commandID + `","leaseRemainingMs":60000,"cancelRequested":true}`,
			fieldgate.Lease{CommandID: commandID, LeaseRemainingMs: 60_000, CancelRequested: true},
		},
		"Release": {
			func(ctx context.Context, s *fieldgate.DeviceSocket) (any, error) {
				return s.Release(ctx, commandID, fieldgate.ReleaseRequest{ClaimToken: claimToken, Reason: "shutting down"})
			},
			"release", `{"commandId":"` + commandID + `","claimToken":"` + claimToken + `","reason":"shutting down"}`,
			`{"commandId":"` + commandID + `","status":"queued"}`,
			fieldgate.ReleasedCommand{CommandID: commandID, Status: fieldgate.CommandStatusQueued},
		},
		"SubmitResult": {
			func(ctx context.Context, s *fieldgate.DeviceSocket) (any, error) {
				return s.SubmitResult(ctx, commandID, fieldgate.ResultRequest{
					ClaimToken: claimToken, Status: fieldgate.ResultStatusFailed, Error: "no <route>", Data: json.RawMessage(`{"pid":4711}`),
				})
			},
			"result", `{"commandId":"` + commandID + `","claimToken":"` + claimToken + `","status":"failed","error":"no <route>","data":{"pid":4711}}`,
			`{"commandId":"` + commandID + `","status":"failed","late":true,"duplicate":true}`,
			fieldgate.RecordedResult{CommandID: commandID, Status: fieldgate.CommandStatusFailed, Late: true, Duplicate: true},
		},
		"Heartbeat": {
			func(ctx context.Context, s *fieldgate.DeviceSocket) (any, error) {
				return s.Heartbeat(ctx, fieldgate.HeartbeatRequest{Status: fieldgate.HeartbeatStatusBusy, Metrics: fieldgate.Metrics{"cpuPercent": 12.5}})
			},
			"heartbeat", `{"status":"busy","metrics":{"cpuPercent":12.5}}`,
			`{"nextHeartbeatMs":30000,"pendingCommands":2,"cancelRequested":["` + commandID + `"],"aFieldOfALaterVersion":1}`,
			fieldgate.HeartbeatReply{NextHeartbeatMs: 30_000, PendingCommands: 2, CancelRequested: []string{commandID}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent, got := callOverSocket(t, test.answer, test.call)
			require.Equal(t, test.kind, sent.Type)
			require.JSONEq(t, test.fields, string(sent.Data))
			require.Regexp(t, `^[A-Za-z0-9._-]{1,128}$`, sent.RequestID)
			require.Equal(t, test.want, got)
		})
	}
}

func TestDeviceSocket_ErrorFrame(t *testing.T) {
	t.Parallel()
	server := &socketServer{script: func(_ int, c *serverConn) {
		m := c.read()
		c.send("error", m.RequestID, json.RawMessage(`{
			"title": "The command has ended", "status": 409, "code": "command_finished", "requestId": "`+requestID+`",
			"detail": "The command has ended.", "command": {"id": "`+commandID+`", "status": "cancelled", "attempt": 2}}`))
		c.wait()
	}}
	socket := connectDevice(t, serve(t, server.ServeHTTP), fieldgate.DeviceSocketConfig{})
	_, err := socket.Extend(t.Context(), commandID, fieldgate.ExtendRequest{ClaimToken: claimToken})
	var refused *fieldgate.APIError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusConflict, refused.Status)
	require.Equal(t, fieldgate.CodeCommandFinished, refused.Code)
	require.Equal(t, fieldgate.CommandState{ID: commandID, Status: fieldgate.CommandStatusCancelled, Attempt: 2}, refused.Command)
	require.EqualError(t, err, "fieldgate: 409 command_finished: The command has ended. (request "+requestID+")")
}

func TestDeviceSocket_InvalidReplies(t *testing.T) {
	t.Parallel()
	server := &socketServer{script: func(_ int, c *serverConn) {
		m := c.read()
		c.send("error", m.RequestID, "not an object")
		m = c.read()
		c.reply(m, "not an object")
		c.wait()
	}}
	socket := connectDevice(t, serve(t, server.ServeHTTP), fieldgate.DeviceSocketConfig{})
	_, err := socket.Heartbeat(t.Context(), alive)
	require.ErrorContains(t, err, "the problem document is not valid JSON")
	require.Empty(t, fieldgate.CodeOf(err))
	_, err = socket.Heartbeat(t.Context(), alive)
	require.ErrorContains(t, err, "decoding the reply to heartbeat")
}

func TestDeviceSocket_RepliesInAnyOrder(t *testing.T) {
	t.Parallel()
	const calls = 20
	server := &socketServer{script: func(_ int, c *serverConn) {
		var requests []message
		c.serve(func(m message) {
			if requests = append(requests, m); len(requests) < calls {
				return
			}
			for i := range requests {
				var extend fieldgate.ExtendRequest
				m := requests[calls-1-i]
				_ = json.Unmarshal(m.Data, &extend)
				c.reply(m, fieldgate.Lease{LeaseRemainingMs: extend.ExtensionMs})
				c.reply(m, fieldgate.Lease{}) // a second reply to the same request must be ignored
			}
		})
	}}
	socket := connectDevice(t, serve(t, server.ServeHTTP), fieldgate.DeviceSocketConfig{})
	// Concurrent calls with the same request id still get their own replies.
	ctx := fieldgate.ContextWithRequestID(t.Context(), requestID)
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			lease, err := socket.Extend(ctx, commandID, fieldgate.ExtendRequest{ExtensionMs: 1000 + i})
			if err != nil || lease.LeaseRemainingMs != 1000+i {
				t.Errorf("call %d got %v, %v", i, lease, err)
			}
		})
	}
	wg.Wait()
}

func TestDeviceSocket_RequestID(t *testing.T) {
	t.Parallel()
	sent := func(id string) string {
		m, _ := callOverSocket(t, `{}`, func(ctx context.Context, s *fieldgate.DeviceSocket) (any, error) {
			return s.Heartbeat(fieldgate.ContextWithRequestID(ctx, id), alive)
		})
		return m.RequestID
	}
	require.Equal(t, requestID, sent(requestID))
	for _, id := range []string{"", "two words", strings.Repeat("a", 129)} {
		require.Regexp(t, `^[A-Z2-7]{16}$`, sent(id), "the client replaces %q", id)
	}
}

func TestDeviceSocket_CallTimesOut(t *testing.T) {
	t.Parallel()
	short := fieldgate.WithTimeout(2 * time.Second)
	claim := func(waitMs int) func(context.Context, *fieldgate.DeviceSocket) error {
		return func(ctx context.Context, s *fieldgate.DeviceSocket) error {
			_, err := s.Claim(ctx, fieldgate.ClaimRequest{WaitMs: waitMs})
			return err
		}
	}
	for name, test := range map[string]struct {
		call    func(context.Context, *fieldgate.DeviceSocket) error
		options []fieldgate.Option
		want    time.Duration
	}{
		"default":                      {claim(0), nil, 30 * time.Second},
		"WithTimeout":                  {claim(0), []fieldgate.Option{short}, 2 * time.Second},
		"a claim with WaitMs":          {claim(20_000), []fieldgate.Option{short}, 22 * time.Second},
		"a claim with negative WaitMs": {claim(-20_000), []fieldgate.Option{short}, 2 * time.Second},
		"context": {func(ctx context.Context, s *fieldgate.DeviceSocket) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			return claim(20_000)(ctx, s)
		}, nil, time.Second},
	} {
		for _, welcome := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", welcome ", welcome), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					server := &socketServer{script: func(_ int, c *serverConn) { c.wait() }}
					if !welcome {
						server.greet = func(int, *serverConn) {}
					}
					socket := connectDevice(t, memoryGateway(t, server, test.options...), fieldgate.DeviceSocketConfig{})
					start := time.Now()
					require.ErrorIs(t, test.call(t.Context(), socket), context.DeadlineExceeded)
					require.Equal(t, test.want, time.Since(start))
				})
			})
		}
	}
}

func TestDeviceSocket_LargeResultOverHTTP(t *testing.T) {
	t.Parallel()
	received := make(chan fieldgate.ResultRequest, 1)
	server := &socketServer{
		script: func(_ int, c *serverConn) { c.wait() },
		other: func(w http.ResponseWriter, r *http.Request) {
			var result fieldgate.ResultRequest
			_ = json.Unmarshal([]byte(readBody(r)), &result)
			received <- result
			writeJSON(w, http.StatusOK, fieldgate.RecordedResult{CommandID: commandID})
		},
	}
	socket := connectDevice(t, serve(t, server.ServeHTTP), fieldgate.DeviceSocketConfig{})
	recorded, err := socket.SubmitResult(t.Context(), commandID, fieldgate.ResultRequest{Output: strings.Repeat("x", fieldgate.MaxOutput+1)})
	require.NoError(t, err)
	require.Equal(t, commandID, recorded.CommandID)
	require.Contains(t, (<-received).Output, "[cut, 262145 characters in all]")
}

func TestDeviceSocket_ResultFrameSize(t *testing.T) {
	t.Parallel()
	sizes := make(chan int, 1)
	server := &socketServer{
		script: func(_ int, c *serverConn) {
			for {
				_, text, err := c.ws.ReadMessage()
				if err != nil {
					return
				}
				var m message
				_ = json.Unmarshal(text, &m)
				sizes <- len(text)
				c.reply(m, fieldgate.RecordedResult{})
			}
		},
		other: func(w http.ResponseWriter, _ *http.Request) {
			sizes <- 0
			writeJSON(w, http.StatusOK, fieldgate.RecordedResult{})
		},
	}
	socket := connectDevice(t, serve(t, server.ServeHTTP), fieldgate.DeviceSocketConfig{})
	submit := func(length int) int {
		id := strings.Repeat("i", 128)
		_, err := socket.SubmitResult(fieldgate.ContextWithRequestID(t.Context(), id), commandID, fieldgate.ResultRequest{
			ClaimToken: claimToken, Output: strings.Repeat("<", length/6),
		})
		require.NoError(t, err)
		return <-sizes
	}
	largest := 0
	for length := 15_500; length <= 16_700; length += 30 {
		largest = max(largest, submit(length))
	}
	require.LessOrEqual(t, largest, 16<<10+256, "a larger frame would delay the pongs")
	require.Greater(t, largest, 16_000)
}

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

// overSocket makes a call over a socket whose gateway answers with data, and gives the
// frame that it got.
func overSocket(t *testing.T, data string, call func(context.Context, *fieldgate.DeviceSocket) (any, error)) (sent message, got any) {
	t.Helper()
	frames := make(chan message, 1)
	station := &station{script: func(_ int, p *peer) {
		m := p.next()
		frames <- m
		p.reply(m, json.RawMessage(data))
		p.wait()
	}}
	got, err := call(t.Context(), device(t, serve(t, station.ServeHTTP), fieldgate.DeviceSocketConfig{}))
	require.NoError(t, err)
	return <-frames, got
}

func TestWhatADeviceDoesOverASocket(t *testing.T) {
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
				return s.Claim(ctx, fieldgate.ClaimRequest{Limit: 2}, fieldgate.WithIdempotencyKey("order 66"))
			},
			"claim", `{"limit":2,"idempotencyKey":"order 66"}`, `{"commands":[]}`, []fieldgate.ClaimedCommand{},
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
					ClaimToken: claimToken, Status: fieldgate.ResultStatusFailed, Error: "no <answer>", Data: json.RawMessage(`{"pid":4711}`),
				})
			},
			"result", `{"commandId":"` + commandID + `","claimToken":"` + claimToken + `","status":"failed","error":"no <answer>","data":{"pid":4711}}`,
			`{"commandId":"` + commandID + `","status":"failed","late":true,"duplicate":true}`,
			fieldgate.RecordedResult{CommandID: commandID, Status: fieldgate.CommandStatusFailed, Late: true, Duplicate: true},
		},
		"Heartbeat": {
			func(ctx context.Context, s *fieldgate.DeviceSocket) (any, error) {
				return s.Heartbeat(ctx, fieldgate.HeartbeatRequest{Status: fieldgate.HeartbeatStatusBusy, Metrics: fieldgate.Metrics{"cpuPercent": 12.5}})
			},
			"heartbeat", `{"status":"busy","metrics":{"cpuPercent":12.5}}`,
			`{"nextHeartbeatMs":30000,"pendingCommands":2,"cancelRequested":["` + commandID + `"],"a field of a later version":1}`,
			fieldgate.HeartbeatReply{NextHeartbeatMs: 30_000, PendingCommands: 2, CancelRequested: []string{commandID}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent, got := overSocket(t, test.answer, test.call)
			require.Equal(t, test.kind, sent.Type)
			require.JSONEq(t, test.fields, string(sent.Data))
			require.Regexp(t, `^[A-Za-z0-9._-]{1,128}$`, sent.RequestID)
			require.Equal(t, test.want, got)
		})
	}
}

func TestAnErrorFrameIsTheRefusalThatHTTPWouldGive(t *testing.T) {
	t.Parallel()
	station := &station{script: func(_ int, p *peer) {
		m := p.next()
		p.send("error", m.RequestID, json.RawMessage(`{
			"title": "Another result stands", "status": 409, "code": "command_finished", "requestId": "`+requestID+`",
			"detail": "The command has ended.", "command": {"id": "`+commandID+`", "status": "cancelled", "attempt": 2}}`))
		p.wait()
	}}
	socket := device(t, serve(t, station.ServeHTTP), fieldgate.DeviceSocketConfig{})
	_, err := socket.Extend(t.Context(), commandID, fieldgate.ExtendRequest{ClaimToken: claimToken})
	var refused *fieldgate.APIError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusConflict, refused.Status)
	require.Equal(t, fieldgate.CodeCommandFinished, refused.Code)
	require.Equal(t, fieldgate.CommandState{ID: commandID, Status: fieldgate.CommandStatusCancelled, Attempt: 2}, refused.Command)
	require.EqualError(t, err, "fieldgate: 409 command_finished: The command has ended. (request "+requestID+")")
}

func TestAnErrorFrameThatCannotBeReadIsAnErrorAllTheSame(t *testing.T) {
	t.Parallel()
	station := &station{script: func(_ int, p *peer) {
		m := p.next()
		p.send("error", m.RequestID, "no object")
		m = p.next()
		p.reply(m, "no object")
		p.wait()
	}}
	socket := device(t, serve(t, station.ServeHTTP), fieldgate.DeviceSocketConfig{})
	_, err := socket.Heartbeat(t.Context(), ok)
	require.ErrorContains(t, err, "the problem document is not valid JSON")
	require.Empty(t, fieldgate.CodeOf(err))
	_, err = socket.Heartbeat(t.Context(), ok)
	require.ErrorContains(t, err, "decoding the reply to heartbeat")
}

func TestAnswersFindTheirCallsInWhateverOrderTheyCome(t *testing.T) {
	t.Parallel()
	const calls = 20
	station := &station{script: func(_ int, p *peer) {
		var waiting []message
		p.serve(func(m message) {
			if waiting = append(waiting, m); len(waiting) < calls {
				return
			}
			for i := range waiting {
				var asked fieldgate.ExtendRequest
				m := waiting[calls-1-i]
				_ = json.Unmarshal(m.Data, &asked)
				p.reply(m, fieldgate.Lease{LeaseRemainingMs: asked.ExtensionMs})
				p.reply(m, fieldgate.Lease{}) // a second answer is nobody's
			}
		})
	}}
	socket := device(t, serve(t, station.ServeHTTP), fieldgate.DeviceSocketConfig{})
	// One id for all of them must not confuse their answers.
	ctx := fieldgate.ContextWithRequestID(t.Context(), requestID)
	var all sync.WaitGroup
	for i := range calls {
		all.Go(func() {
			lease, err := socket.Extend(ctx, commandID, fieldgate.ExtendRequest{ExtensionMs: 1000 + i})
			if err != nil || lease.LeaseRemainingMs != 1000+i {
				t.Errorf("call %d got %v, %v", i, lease, err)
			}
		})
	}
	all.Wait()
}

func TestTheRequestIDOfTheContextIsInTheFrame(t *testing.T) {
	t.Parallel()
	sent := func(id string) string {
		m, _ := overSocket(t, `{}`, func(ctx context.Context, s *fieldgate.DeviceSocket) (any, error) {
			return s.Heartbeat(fieldgate.ContextWithRequestID(ctx, id), ok)
		})
		return m.RequestID
	}
	require.Equal(t, requestID, sent(requestID))
	for _, id := range []string{"", "two words", strings.Repeat("a", 129)} {
		require.Regexp(t, `^[A-Z2-7]{26}$`, sent(id), "the gateway would not take %q", id)
	}
}

func TestACallOverASocketEndsAtItsTimeout(t *testing.T) {
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
		"by default":                     {claim(0), nil, 30 * time.Second},
		"as set":                         {claim(0), []fieldgate.Option{short}, 2 * time.Second},
		"a claim that waits":             {claim(20_000), []fieldgate.Option{short}, 22 * time.Second},
		"a claim with a nonsensical one": {claim(-20_000), []fieldgate.Option{short}, 2 * time.Second},
		"with the context": {func(ctx context.Context, s *fieldgate.DeviceSocket) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			return claim(20_000)(ctx, s)
		}, nil, time.Second},
	} {
		for _, mute := range []bool{true, false} {
			t.Run(fmt.Sprint(name, mute), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					station := &station{script: func(_ int, p *peer) { p.wait() }}
					if mute {
						station.greet = func(int, *peer) {}
					}
					socket := device(t, bubble(t, station, test.options...), fieldgate.DeviceSocketConfig{})
					start := time.Now()
					require.ErrorIs(t, test.call(t.Context(), socket), context.DeadlineExceeded)
					require.Equal(t, test.want, time.Since(start))
				})
			})
		}
	}
}

func TestAResultThatIsTooLargeForAFrameGoesOverHTTP(t *testing.T) {
	t.Parallel()
	arrived := make(chan fieldgate.ResultRequest, 1)
	station := &station{
		script: func(_ int, p *peer) { p.wait() },
		other: func(w http.ResponseWriter, r *http.Request) {
			var outcome fieldgate.ResultRequest
			_ = json.Unmarshal([]byte(bodyOf(r)), &outcome)
			arrived <- outcome
			answer(w, http.StatusOK, fieldgate.RecordedResult{CommandID: commandID})
		},
	}
	socket := device(t, serve(t, station.ServeHTTP), fieldgate.DeviceSocketConfig{})
	recorded, err := socket.SubmitResult(t.Context(), commandID, fieldgate.ResultRequest{Output: strings.Repeat("x", fieldgate.MaxOutput+1)})
	require.NoError(t, err)
	require.Equal(t, commandID, recorded.CommandID)
	require.Contains(t, (<-arrived).Output, "[cut, 262145 characters in all]")
}

func TestAResultThatFitsNeverExceedsTheFrame(t *testing.T) {
	t.Parallel()
	sizes := make(chan int, 1)
	station := &station{
		script: func(_ int, p *peer) {
			for {
				_, text, err := p.ws.ReadMessage()
				if err != nil {
					return
				}
				var m message
				_ = json.Unmarshal(text, &m)
				sizes <- len(text)
				p.reply(m, fieldgate.RecordedResult{})
			}
		},
		other: func(w http.ResponseWriter, _ *http.Request) {
			sizes <- 0
			answer(w, http.StatusOK, fieldgate.RecordedResult{})
		},
	}
	socket := device(t, serve(t, station.ServeHTTP), fieldgate.DeviceSocketConfig{})
	submit := func(length int) int {
		id := strings.Repeat("i", 128)
		_, err := socket.SubmitResult(fieldgate.ContextWithRequestID(t.Context(), id), commandID, fieldgate.ResultRequest{
			ClaimToken: claimToken, Output: strings.Repeat("<", length/6),
		})
		require.NoError(t, err)
		return <-sizes
	}
	largest := 0
	for length := 64_500; length <= 65_600; length += 30 {
		largest = max(largest, submit(length))
	}
	require.LessOrEqual(t, largest, 64<<10)
	require.Greater(t, largest, 65_000)
}

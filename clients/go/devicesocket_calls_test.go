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

func TestWhatWouldCostTheSocketIsNotSent(t *testing.T) {
	t.Parallel()
	sent, _ := overSocket(t, `{}`, func(ctx context.Context, s *fieldgate.DeviceSocket) (any, error) {
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

func TestACallWhoseConnectionBreaksMayOrMayNotHaveBeenDone(t *testing.T) {
	t.Parallel()
	var stored notes[string]
	station := &station{script: func(n int, p *peer) {
		m := p.next()
		stored.add(string(m.Data))
		if n == 1 {
			return // it is cut before the answer
		}
		p.reply(m, fieldgate.RecordedResult{CommandID: commandID, Status: fieldgate.CommandStatusSucceeded, Duplicate: true})
		p.wait()
	}}
	socket := device(t, serve(t, station.ServeHTTP), fieldgate.DeviceSocketConfig{})
	outcome := fieldgate.ResultRequest{ClaimToken: claimToken, Status: fieldgate.ResultStatusSucceeded}
	_, err := socket.SubmitResult(t.Context(), commandID, outcome)
	require.ErrorIs(t, err, fieldgate.ErrInterrupted)
	require.ErrorContains(t, err, "the call may or may not have been executed: fieldgate: the connection broke")

	recorded, err := socket.SubmitResult(t.Context(), commandID, outcome)
	require.NoError(t, err, "a result can be repeated")
	require.True(t, recorded.Duplicate)
	require.Equal(t, stored.list()[0], stored.list()[1])
}

func TestACallWaitsForAConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls notes[string]
		station := &station{
			handshake: func(n int, w http.ResponseWriter, _ *http.Request) bool {
				if n <= 3 {
					w.Header().Set("Retry-After", "3")
					refuse(w, http.StatusServiceUnavailable, fieldgate.CodeDraining)
				}
				return n <= 3
			},
			script: func(_ int, p *peer) {
				p.serve(func(m message) {
					calls.add(m.Type)
					p.reply(m, fieldgate.HeartbeatReply{})
				})
			},
		}
		socket := device(t, bubble(t, station), fieldgate.DeviceSocketConfig{})
		start := time.Now()
		beat(t, socket)
		require.GreaterOrEqual(t, time.Since(start), 9*time.Second)
		require.Equal(t, []string{"heartbeat"}, calls.list())
	})
}

func TestACallThatFindsNoConnectionTellsWhy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		station := &station{handshake: func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			refuse(w, http.StatusServiceUnavailable, fieldgate.CodeStoreUnavailable)
			return true
		}}
		socket := device(t, bubble(t, station), fieldgate.DeviceSocketConfig{})
		_, err := socket.Heartbeat(t.Context(), ok)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, fieldgate.ErrInterrupted)
		require.Equal(t, fieldgate.CodeStoreUnavailable, fieldgate.CodeOf(err))
	})
}

func TestCommandsThatNobodyWaitsForAreGivenBack(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		options []fieldgate.CallOption
		want    []string
	}{
		"without a key": {nil, []string{"claim", "heartbeat", "release"}},
		"with a key":    {[]fieldgate.CallOption{fieldgate.WithIdempotencyKey("order 66")}, []string{"claim", "heartbeat"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var frames notes[string]
				var released notes[string]
				station := &station{script: func(_ int, p *peer) {
					claim := p.next()
					frames.add(claim.Type)
					p.serve(func(m message) {
						if frames.add(m.Type); m.Type == "release" {
							released.add(string(m.Data))
						}
						p.reply(m, struct{}{})
						if m.Type == "heartbeat" {
							p.reply(claim, map[string]any{"commands": []fieldgate.ClaimedCommand{{ID: commandID, ClaimToken: claimToken}}})
						}
					})
				}}
				socket := device(t, bubble(t, station), fieldgate.DeviceSocketConfig{})
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := socket.Claim(ctx, fieldgate.ClaimRequest{WaitMs: 20_000}, test.options...)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				beat(t, socket) // the claim is answered after it, when nobody waits any more
				time.Sleep(time.Second)
				require.Equal(t, test.want, frames.list())
				for _, data := range released.list() {
					require.JSONEq(t, `{"commandId":"`+commandID+`","claimToken":"`+claimToken+`","reason":"the claim was abandoned"}`, data)
				}
			})
		})
	}
}

func TestADeviceIsToldOfWorkAndOfWhatToStop(t *testing.T) {
	t.Parallel()
	station := &station{script: func(_ int, p *peer) {
		p.push("commands.available", map[string]int{"pending": 3})
		p.push("a kind of a later version", "whatever it says")
		p.push("command.cancel", map[string]string{"commandId": commandID, "reason": "wrong device"})
		p.push("command.cancel", map[string]string{"commandId": commandID})
		p.wait()
	}}
	told := make(chan string, 10)
	device(t, serve(t, station.ServeHTTP), fieldgate.DeviceSocketConfig{
		OnCommands:   func(pending int) { told <- fmt.Sprint("work ", pending) },
		OnCancel: func(id, reason string) { told <- fmt.Sprint("cancel ", id, " ", reason) },
	})
	work := <-told
	if work == "work 0" {
		work = <-told // unless both came before the first could be told
	}
	require.Equal(t, "work 3", work)
	require.Equal(t, "cancel "+commandID+" wrong device", <-told)
	require.Equal(t, "cancel "+commandID+" ", <-told)
}

func TestADeviceLooksForWorkWheneverItIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		station := &station{script: func(n int, p *peer) {
			if n < 3 {
				p.close(fieldgate.CloseSilent, "no pong")
			}
			p.wait()
		}}
		var told notes[int]
		device(t, bubble(t, station), fieldgate.DeviceSocketConfig{OnCommands: func(pending int) { told.add(pending) }})
		time.Sleep(time.Minute)
		require.Equal(t, []int{0, 0, 0}, told.list())
	})
}

func TestACallbackMayTakeItsTimeAndUseTheSocket(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const commands = 500
		station := &station{script: func(_ int, p *peer) {
			for i := range commands {
				p.push("commands.available", map[string]int{"pending": i + 1})
				p.push("command.cancel", map[string]string{"commandId": fmt.Sprint("cmd_", i)})
			}
			answering(1, p)
		}}
		var socket *fieldgate.DeviceSocket
		var cancelled notes[string]
		var worked notes[int]
		ready := make(chan struct{})
		socket = device(t, bubble(t, station), fieldgate.DeviceSocketConfig{
			OnCancel: func(id, _ string) { cancelled.add(id) },
			OnCommands: func(pending int) {
				<-ready
				time.Sleep(time.Second)
				beat(t, socket) // its answer comes after all that is waiting
				worked.add(pending)
			},
		})
		close(ready)
		time.Sleep(time.Minute)
		require.Len(t, cancelled.list(), commands, "nothing is left out")
		require.Equal(t, "cmd_0", cancelled.list()[0])
		require.Less(t, len(worked.list()), 10, "work is told once for all that came meanwhile")
		require.Equal(t, 1, station.count())
	})
}

func TestManyCallsAreSpreadOutAsTheGatewayWantsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const calls = 300
		gauge := &gauge{}
		station := &station{script: func(_ int, p *peer) {
			p.serve(func(m message) {
				gauge.note()
				gauge.answering.Add(-1)
				p.reply(m, fieldgate.HeartbeatReply{})
			})
		}}
		socket := device(t, bubble(t, station), fieldgate.DeviceSocketConfig{})
		beat(t, socket)
		start := time.Now()
		for _, err := range together(calls, func() error { _, err := socket.Heartbeat(t.Context(), ok); return err }) {
			require.NoError(t, err)
		}
		require.Less(t, time.Since(start), 7*time.Second)
		require.Equal(t, 1+calls, gauge.messages)
		gauge.check(t)
	})
}

func TestTheStateOfTheConnectionIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		station := &station{script: func(n int, p *peer) {
			if n == 1 {
				p.push("going_away", map[string]int{"retryAfterMs": 1500})
				time.Sleep(time.Second)
				p.close(fieldgate.CloseGoingAway, "this instance goes away")
			}
			p.wait()
		}}
		var told notes[fieldgate.SocketState]
		device(t, bubble(t, station), fieldgate.DeviceSocketConfig{OnState: func(state fieldgate.SocketState) { told.add(state) }})
		time.Sleep(time.Minute)
		states := told.list()
		require.Len(t, states, 4)
		connected := fieldgate.SocketState{Connected: true, ConnectionID: "con_" + requestID}
		require.Equal(t, connected, states[0])
		require.Equal(t, fieldgate.SocketState{
			Connected: true, ConnectionID: "con_" + requestID, GoingAway: true, RetryIn: 1500 * time.Millisecond,
		}, states[1])
		require.Equal(t, &fieldgate.CloseError{Code: fieldgate.CloseGoingAway, Reason: "this instance goes away"}, states[2].Err)
		require.InDelta(t, 1.75, states[2].RetryIn.Seconds(), 0.25)
		require.False(t, states[2].Connected)
		require.Equal(t, connected, states[3])
	})
}

package fieldgate_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// happened is the data of an event frame.
func happened(room, offset string) map[string]any {
	return map[string]any{"room": room, "offset": offset, "type": "command.proposed", "time": "2025-11-22T20:15:04.120Z", "data": map[string]any{}}
}

// A wish is what subscribe and unsubscribe carry.
type wish struct{ Room, Since string }

func wishIn(m message) (w wish) {
	_ = json.Unmarshal(m.Data, &w)
	return w
}

// admit answers a subscribe that can be resumed, or begins at 1000-0.
func (p *peer) admit(m message) wish {
	w := wishIn(m)
	if w.Since == "" {
		p.reply(m, fieldgate.Subscription{Room: w.Room, Offset: "1000-0"})
	} else {
		p.reply(m, fieldgate.Subscription{Room: w.Room, Offset: w.Since, Resumed: true})
	}
	return w
}

func subscribe(t *testing.T, socket *fieldgate.CustomerSocket, room, since string) fieldgate.Subscription {
	t.Helper()
	subscribed, err := socket.Subscribe(t.Context(), room, since)
	require.NoError(t, err)
	return subscribed
}

// take reads a number of events.
func take(t *testing.T, socket *fieldgate.CustomerSocket, count int) (events []fieldgate.RoomEvent) {
	t.Helper()
	if count == 0 {
		return nil
	}
	for event, err := range socket.Events(t.Context()) {
		require.NoError(t, err)
		if events = append(events, event); len(events) == count {
			return events
		}
	}
	require.Fail(t, "the events ended")
	return nil
}

func offsets(events []fieldgate.RoomEvent) (offsets []string) {
	for _, event := range events {
		offsets = append(offsets, event.Offset)
	}
	return offsets
}

func TestACustomerIsToldWhatHappensInARoom(t *testing.T) {
	t.Parallel()
	room := fieldgate.DeviceRoom(deviceID)
	asked := make(chan message, 1)
	station := &station{script: func(_ int, p *peer) {
		m := p.next()
		asked <- m
		p.admit(m)
		p.push("event", json.RawMessage(`{"room":"`+room+`","offset":"1000-1","type":"command.succeeded","time":"2025-11-22T20:15:04.120Z",
			"requestId":"`+requestID+`","actor":{"kind":"device","id":"`+deviceID+`"},"data":{"commandId":"`+commandID+`"},"later":1}`))
		p.push("a kind of a later version", 1)
		p.wait()
	}}
	socket := customer(t, serve(t, station.ServeHTTP), fieldgate.CustomerSocketConfig{})
	require.Equal(t, fieldgate.Subscription{Room: room, Offset: "1000-0"}, subscribe(t, socket, room, ""))

	require.Equal(t, "/api/v1/customer/ws", station.handshakes[0].RequestURI, "no credentials in the address")
	require.Equal(t, []string{"Bearer a JWT"}, station.tokens())
	m := <-asked
	require.Equal(t, "subscribe", m.Type)
	require.JSONEq(t, `{"room":"device:`+deviceID+`"}`, string(m.Data))
	require.Equal(t, fieldgate.RoomEvent{
		Room: room, Offset: "1000-1", Type: "command.succeeded", Time: time.Date(2025, 11, 22, 20, 15, 4, 120e6, time.UTC),
		RequestID: requestID, Actor: fieldgate.Actor{Kind: fieldgate.ActorKindDevice, ID: deviceID},
		Data: json.RawMessage(`{"commandId":"` + commandID + `"}`),
	}, take(t, socket, 1)[0])
}

func TestTheRoomsAreNamedAsInTheContract(t *testing.T) {
	t.Parallel()
	require.Equal(t, "tenant", fieldgate.TenantRoom)
	require.Equal(t, "device:"+deviceID, fieldgate.DeviceRoom(deviceID))
	require.Equal(t, "session:"+sessionID, fieldgate.SessionRoom(sessionID))
}

func TestASubscriptionMayBeginBehindAnEarlierEvent(t *testing.T) {
	t.Parallel()
	station := &station{script: func(_ int, p *peer) {
		p.admit(p.next())
		p.push("event", happened("tenant", "901-0"))
		m := p.next()
		p.reply(m, fieldgate.Subscription{Room: wishIn(m).Room, Offset: "1000-0", Reason: "trimmed"})
		p.wait()
	}}
	socket := customer(t, serve(t, station.ServeHTTP), fieldgate.CustomerSocketConfig{})
	require.Equal(t, fieldgate.Subscription{Room: "tenant", Offset: "900-0", Resumed: true}, subscribe(t, socket, fieldgate.TenantRoom, "900-0"))
	require.Equal(t, []string{"901-0"}, offsets(take(t, socket, 1)))
	require.Equal(t, fieldgate.Subscription{Room: "session:x", Offset: "1000-0", Reason: "trimmed"}, subscribe(t, socket, "session:x", "1-0"))
}

func TestAfterAReconnectEachRoomGoesOnBehindItsLastEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var resumed notes[wish]
		station := &station{script: func(n int, p *peer) {
			if n == 1 {
				p.admit(p.next())
				p.admit(p.next())
				p.push("event", happened("tenant", "1000-9"))
				p.push("event", happened("tenant", "1000-10"))
				p.close(fieldgate.CloseTooSlow, "")
				return
			}
			for range 2 {
				resumed.add(p.admit(p.next()))
			}
			p.push("event", happened("tenant", "1001-0"))
			p.push("event", happened("session:x", "1002-0"))
			p.wait()
		}}
		socket := customer(t, bubble(t, station), fieldgate.CustomerSocketConfig{})
		subscribe(t, socket, fieldgate.TenantRoom, "")
		subscribe(t, socket, "session:x", "")
		require.Equal(t, []string{"1000-9", "1000-10", "1001-0", "1002-0"}, offsets(take(t, socket, 4)))
		require.ElementsMatch(t, []wish{{"tenant", "1000-10"}, {"session:x", "1000-0"}}, resumed.list())
	})
}

func TestAnEventIsToldOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ sent, want []string }{
		"the same again":         {[]string{"1000-1", "1000-1", "1000-2"}, []string{"1000-1", "1000-2"}},
		"older ones":             {[]string{"999-99", "1000-0", "1000-1"}, []string{"1000-1"}},
		"numbers, not texts":     {[]string{"1000-9", "1000-10", "1000-9", "9999-0", "10000-0"}, []string{"1000-9", "1000-10", "9999-0", "10000-0"}},
		"offsets of other kinds": {[]string{"a", "a", "b", "1000-1"}, []string{"a", "b", "1000-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			station := &station{script: func(_ int, p *peer) {
				p.admit(p.next())
				for _, offset := range test.sent {
					p.push("event", happened("device:nobody asked", offset))
					p.push("event", happened("tenant", offset))
				}
				p.push("event", happened("tenant", "99999-0"))
				p.wait()
			}}
			socket := customer(t, serve(t, station.ServeHTTP), fieldgate.CustomerSocketConfig{})
			subscribe(t, socket, fieldgate.TenantRoom, "")
			require.Equal(t, append(test.want, "99999-0"), offsets(take(t, socket, len(test.want)+1)))
		})
	}
}

func TestLostHistoryIsSaidInItsPlace(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{"trimmed": "trimmed", "": "unknown"} {
		synctest.Test(t, func(t *testing.T) {
			station := &station{script: func(n int, p *peer) {
				m := p.next()
				if n == 1 {
					p.admit(m)
					p.push("event", happened("tenant", "1000-1"))
					return
				}
				// The store began anew: its offsets are lower than those before.
				p.reply(m, fieldgate.Subscription{Room: "tenant", Offset: "500-0", Reason: given})
				p.push("event", happened("tenant", "500-1"))
				p.wait()
			}}
			socket := customer(t, bubble(t, station), fieldgate.CustomerSocketConfig{})
			subscribe(t, socket, fieldgate.TenantRoom, "")
			events := take(t, socket, 3)
			require.Equal(t, []string{"1000-1", "500-0", "500-1"}, offsets(events))
			require.Equal(t, fieldgate.RoomEvent{Room: "tenant", Offset: "500-0", Gap: want}, events[1])
			require.Empty(t, events[2].Gap)
		})
	}
}

func TestARoomThatIsRefusedAfterAReconnectIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked notes[int]
		station := &station{script: func(n int, p *peer) {
			m := p.next()
			if m.Type != "" {
				asked.add(n)
			}
			switch n {
			case 1:
				p.admit(m)
			case 2:
				p.refuse(m, http.StatusServiceUnavailable, fieldgate.CodeStoreUnavailable)
				p.wait()
			case 3:
				p.refuse(m, http.StatusNotFound, fieldgate.CodeDeviceNotFound)
				time.Sleep(time.Second)
			}
		}}
		socket := customer(t, bubble(t, station), fieldgate.CustomerSocketConfig{})
		room := fieldgate.DeviceRoom(deviceID)
		subscribe(t, socket, room, "")
		left := take(t, socket, 1)[0]
		require.Equal(t, room, left.Room)
		require.Equal(t, fieldgate.CodeDeviceNotFound, fieldgate.CodeOf(left.Err))
		time.Sleep(10 * time.Second)
		require.Equal(t, []int{1, 2, 3}, asked.list())
		require.Equal(t, 4, station.count())
	})
}

func TestASubscribeSurvivesABrokenConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked notes[string]
		station := &station{script: func(n int, p *peer) {
			m := p.next()
			asked.add(wishIn(m).Since)
			if n < 3 {
				return
			}
			p.admit(m)
			p.wait()
		}}
		socket := customer(t, bubble(t, station), fieldgate.CustomerSocketConfig{})
		subscribe(t, socket, fieldgate.TenantRoom, "7-0")
		require.Equal(t, []string{"7-0", "7-0", "7-0"}, asked.list())
	})
}

func TestARefusedSubscribeIsReturnedAndForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked notes[int]
		station := &station{script: func(n int, p *peer) {
			p.serve(func(m message) {
				asked.add(n)
				p.refuse(m, http.StatusNotFound, fieldgate.CodeSessionNotFound)
				time.Sleep(time.Second)
				_ = p.ws.Close()
			})
		}}
		socket := customer(t, bubble(t, station), fieldgate.CustomerSocketConfig{})
		_, err := socket.Subscribe(t.Context(), fieldgate.SessionRoom(sessionID), "")
		require.Equal(t, fieldgate.CodeSessionNotFound, fieldgate.CodeOf(err))
		time.Sleep(10 * time.Second)
		require.Equal(t, []int{1}, asked.list())
	})
}

func TestARoomThatWasLeftStaysLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked notes[string]
		station := &station{script: func(n int, p *peer) {
			p.serve(func(m message) {
				asked.add(fmt.Sprint(n, " ", m.Type, " ", wishIn(m).Room))
				p.admit(m)
				if m.Type != "unsubscribe" {
					return
				}
				p.push("event", happened("session:x", "1000-1"))
				p.push("event", happened("tenant", "1000-2"))
				time.Sleep(time.Second)
				_ = p.ws.Close()
			})
		}}
		socket := customer(t, bubble(t, station), fieldgate.CustomerSocketConfig{})
		subscribe(t, socket, fieldgate.TenantRoom, "")
		subscribe(t, socket, "session:x", "")
		require.NoError(t, socket.Unsubscribe(t.Context(), "session:x"))
		require.Equal(t, []string{"1000-2"}, offsets(take(t, socket, 1)))
		time.Sleep(10 * time.Second)
		require.Equal(t, []string{"1 subscribe tenant", "1 subscribe session:x", "1 unsubscribe session:x", "2 subscribe tenant"}, asked.list())
	})
}

func TestLeavingARoomNeedsNoConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked notes[string]
		station := &station{
			handshake: func(n int, w http.ResponseWriter, _ *http.Request) bool {
				if n == 2 {
					w.Header().Set("Retry-After", "60")
					refuse(w, http.StatusServiceUnavailable, fieldgate.CodeDraining)
				}
				return n == 2
			},
			script: func(n int, p *peer) {
				p.serve(func(m message) {
					asked.add(m.Type)
					p.admit(m)
					time.Sleep(time.Second)
					_ = p.ws.Close()
				})
			},
		}
		socket := customer(t, bubble(t, station), fieldgate.CustomerSocketConfig{})
		subscribe(t, socket, fieldgate.TenantRoom, "")
		time.Sleep(10 * time.Second)
		require.Equal(t, 2, station.count())
		require.NoError(t, socket.Unsubscribe(t.Context(), fieldgate.TenantRoom))
		time.Sleep(2 * time.Minute)
		require.Equal(t, []string{"subscribe"}, asked.list())
		socket.Close()
		require.ErrorIs(t, socket.Unsubscribe(t.Context(), fieldgate.TenantRoom), fieldgate.ErrSocketClosed)
	})
}

func TestManyRoomsAreTakenUpWithinTheLimitsOfTheGateway(t *testing.T) {
	t.Parallel()
	for _, delay := range []time.Duration{0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			const rooms = 100
			gauges := []*gauge{{}, {}}
			station := &station{}
			station.script = func(n int, p *peer) {
				gauge := gauges[n-1]
				var writing sync.Mutex
				p.serve(func(m message) {
					gauge.note()
					station.playing.Go(func() {
						time.Sleep(delay)
						writing.Lock()
						defer writing.Unlock()
						p.admit(m)
						gauge.answering.Add(-1)
						if n == 1 && wishIn(m).Room == fmt.Sprint("device:", rooms) {
							_ = p.ws.Close()
						}
					})
				})
			}
			var states notes[bool]
			socket := customer(t, bubble(t, station), fieldgate.CustomerSocketConfig{
				OnState: func(state fieldgate.SocketState) { states.add(state.Connected) },
			})
			var all sync.WaitGroup
			for i := range rooms - 1 {
				all.Go(func() { subscribe(t, socket, fmt.Sprint("device:", i), "") })
			}
			all.Wait()
			subscribe(t, socket, fmt.Sprint("device:", rooms), "")
			time.Sleep(20 * time.Second)
			synctest.Wait()
			require.Equal(t, []bool{true, false, true}, states.list())
			for _, gauge := range gauges {
				require.Equal(t, rooms, gauge.messages)
				gauge.check(t)
			}
			require.Zero(t, gauges[1].answering.Load())
		})
	}
}

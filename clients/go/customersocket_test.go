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

// pushEvent sends an event frame.
func (c *serverConn) pushEvent(room, offset string) {
	c.push("event", map[string]any{
		"room": room, "offset": offset, "type": "command.proposed", "time": "2025-11-22T20:15:04.120Z", "data": map[string]any{},
	})
}

// subscribeData is the data of subscribe and unsubscribe frames.
type subscribeData struct{ Room, Since string }

func parseSubscribe(m message) (data subscribeData) {
	_ = json.Unmarshal(m.Data, &data)
	return data
}

// acceptSubscribe replies to a subscribe frame. The subscription starts at the offset Since, or
// at the offset "1000-0" if Since is empty.
func (c *serverConn) acceptSubscribe(m message) subscribeData {
	data := parseSubscribe(m)
	if data.Since == "" {
		c.reply(m, fieldgate.Subscription{Room: data.Room, Offset: "1000-0"})
	} else {
		c.reply(m, fieldgate.Subscription{Room: data.Room, Offset: data.Since, Resumed: true})
	}
	return data
}

func subscribe(t *testing.T, socket *fieldgate.CustomerSocket, room, since string) fieldgate.Subscription {
	t.Helper()
	subscribed, err := socket.Subscribe(t.Context(), room, since)
	require.NoError(t, err)
	return subscribed
}

// takeEvents returns the next events of a socket. count is the number of events.
func takeEvents(t *testing.T, socket *fieldgate.CustomerSocket, count int) (events []fieldgate.RoomEvent) {
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
	require.Fail(t, "the events ended early")
	return nil
}

func offsets(events []fieldgate.RoomEvent) (offsets []string) {
	for _, event := range events {
		offsets = append(offsets, event.Offset)
	}
	return offsets
}

func TestSubscribe_ReceivesEvents(t *testing.T) {
	t.Parallel()
	room := fieldgate.DeviceRoom(deviceID)
	requests := make(chan message, 1)
	server := &socketServer{script: func(_ int, c *serverConn) {
		m := c.read()
		requests <- m
		c.acceptSubscribe(m)
		c.push("event", json.RawMessage(`{"room":"`+room+`","offset":"1000-1","type":"command.succeeded","time":"2025-11-22T20:15:04.120Z",
			"requestId":"`+requestID+`","actor":{"kind":"device","id":"`+deviceID+`"},"data":{"commandId":"`+commandID+`"},"later":1}`))
		c.push("type.of_a_later_version", 1)
		c.wait()
	}}
	socket := connectCustomer(t, serve(t, server.ServeHTTP), fieldgate.CustomerSocketConfig{})
	require.Equal(t, fieldgate.Subscription{Room: room, Offset: "1000-0"}, subscribe(t, socket, room, ""))

	require.Equal(t, "/api/v1/customer/ws", server.handshakes[0].RequestURI, "the URL has no credentials")
	require.Equal(t, []string{"Bearer a JWT"}, server.tokens())
	m := <-requests
	require.Equal(t, "subscribe", m.Type)
	require.JSONEq(t, `{"room":"device:`+deviceID+`"}`, string(m.Data))
	require.Equal(t, fieldgate.RoomEvent{
		Room: room, Offset: "1000-1", Type: "command.succeeded", Time: time.Date(2025, 11, 22, 20, 15, 4, 120e6, time.UTC),
		RequestID: requestID, Actor: fieldgate.Actor{Kind: fieldgate.ActorKindDevice, ID: deviceID},
		Data: json.RawMessage(`{"commandId":"` + commandID + `"}`),
	}, takeEvents(t, socket, 1)[0])
}

func TestRooms_Names(t *testing.T) {
	t.Parallel()
	require.Equal(t, "tenant", fieldgate.TenantRoom)
	require.Equal(t, "device:"+deviceID, fieldgate.DeviceRoom(deviceID))
	require.Equal(t, "session:"+sessionID, fieldgate.SessionRoom(sessionID))
}

func TestSubscribe_SinceAnEarlierEvent(t *testing.T) {
	t.Parallel()
	server := &socketServer{script: func(_ int, c *serverConn) {
		c.acceptSubscribe(c.read())
		c.pushEvent("tenant", "901-0")
		m := c.read()
		c.reply(m, fieldgate.Subscription{Room: parseSubscribe(m).Room, Offset: "1000-0", Reason: "trimmed"})
		c.wait()
	}}
	socket := connectCustomer(t, serve(t, server.ServeHTTP), fieldgate.CustomerSocketConfig{})
	require.Equal(t, fieldgate.Subscription{Room: "tenant", Offset: "900-0", Resumed: true}, subscribe(t, socket, fieldgate.TenantRoom, "900-0"))
	require.Equal(t, []string{"901-0"}, offsets(takeEvents(t, socket, 1)))
	require.Equal(t, fieldgate.Subscription{Room: "session:x", Offset: "1000-0", Reason: "trimmed"}, subscribe(t, socket, "session:x", "1-0"))
}

func TestReconnect_ResumesEachRoomAfterItsLastEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var resumed recorder[subscribeData]
		server := &socketServer{script: func(n int, c *serverConn) {
			if n == 1 {
				c.acceptSubscribe(c.read())
				c.acceptSubscribe(c.read())
				c.pushEvent("tenant", "1000-9")
				c.pushEvent("tenant", "1000-10")
				c.close(fieldgate.CloseTooSlow, "")
				return
			}
			for range 2 {
				resumed.add(c.acceptSubscribe(c.read()))
			}
			c.pushEvent("tenant", "1001-0")
			c.pushEvent("session:x", "1002-0")
			c.wait()
		}}
		socket := connectCustomer(t, memoryGateway(t, server), fieldgate.CustomerSocketConfig{})
		subscribe(t, socket, fieldgate.TenantRoom, "")
		subscribe(t, socket, "session:x", "")
		require.Equal(t, []string{"1000-9", "1000-10", "1001-0", "1002-0"}, offsets(takeEvents(t, socket, 4)))
		require.ElementsMatch(t, []subscribeData{{"tenant", "1000-10"}, {"session:x", "1000-0"}}, resumed.list())
	})
}

func TestEvents_NoDuplicates(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ sent, want []string }{
		"duplicates":              {[]string{"1000-1", "1000-1", "1000-2"}, []string{"1000-1", "1000-2"}},
		"older events":            {[]string{"999-99", "1000-0", "1000-1"}, []string{"1000-1"}},
		"numeric order":           {[]string{"1000-9", "1000-10", "1000-9", "9999-0", "10000-0"}, []string{"1000-9", "1000-10", "9999-0", "10000-0"}},
		"offsets of another form": {[]string{"a", "a", "b", "1000-1"}, []string{"a", "b", "1000-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := &socketServer{script: func(_ int, c *serverConn) {
				c.acceptSubscribe(c.read())
				for _, offset := range test.sent {
					c.pushEvent("device:unsubscribed", offset)
					c.pushEvent("tenant", offset)
				}
				c.pushEvent("tenant", "99999-0")
				c.wait()
			}}
			socket := connectCustomer(t, serve(t, server.ServeHTTP), fieldgate.CustomerSocketConfig{})
			subscribe(t, socket, fieldgate.TenantRoom, "")
			require.Equal(t, append(test.want, "99999-0"), offsets(takeEvents(t, socket, len(test.want)+1)))
		})
	}
}

func TestEvents_Gap(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]string{"trimmed": "trimmed", "": "unknown"} {
		synctest.Test(t, func(t *testing.T) {
			server := &socketServer{script: func(n int, c *serverConn) {
				m := c.read()
				if n == 1 {
					c.acceptSubscribe(m)
					c.pushEvent("tenant", "1000-1")
					return
				}
				// The store was emptied, so its offsets are lower than before.
				c.reply(m, fieldgate.Subscription{Room: "tenant", Offset: "500-0", Reason: reason})
				c.pushEvent("tenant", "500-1")
				c.wait()
			}}
			socket := connectCustomer(t, memoryGateway(t, server), fieldgate.CustomerSocketConfig{})
			subscribe(t, socket, fieldgate.TenantRoom, "")
			events := takeEvents(t, socket, 3)
			require.Equal(t, []string{"1000-1", "500-0", "500-1"}, offsets(events))
			require.Equal(t, fieldgate.RoomEvent{Room: "tenant", Offset: "500-0", Gap: want}, events[1])
			require.Empty(t, events[2].Gap)
		})
	}
}

func TestReconnect_DropsARefusedRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var requests recorder[int]
		server := &socketServer{script: func(n int, c *serverConn) {
			m := c.read()
			if m.Type != "" {
				requests.add(n)
			}
			switch n {
			case 1:
				c.acceptSubscribe(m)
			case 2:
				c.refuse(m, http.StatusServiceUnavailable, fieldgate.CodeStoreUnavailable)
				c.wait()
			case 3:
				c.refuse(m, http.StatusNotFound, fieldgate.CodeDeviceNotFound)
				time.Sleep(time.Second)
			}
		}}
		socket := connectCustomer(t, memoryGateway(t, server), fieldgate.CustomerSocketConfig{})
		room := fieldgate.DeviceRoom(deviceID)
		subscribe(t, socket, room, "")
		dropped := takeEvents(t, socket, 1)[0]
		require.Equal(t, room, dropped.Room)
		require.Equal(t, fieldgate.CodeDeviceNotFound, fieldgate.CodeOf(dropped.Err))
		time.Sleep(10 * time.Second)
		require.Equal(t, []int{1, 2, 3}, requests.list())
		require.Equal(t, 4, server.count())
	})
}

func TestSubscribe_RetriedAfterABrokenConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var requests recorder[string]
		server := &socketServer{script: func(n int, c *serverConn) {
			m := c.read()
			requests.add(parseSubscribe(m).Since)
			if n < 3 {
				return
			}
			c.acceptSubscribe(m)
			c.wait()
		}}
		socket := connectCustomer(t, memoryGateway(t, server), fieldgate.CustomerSocketConfig{})
		subscribe(t, socket, fieldgate.TenantRoom, "7-0")
		require.Equal(t, []string{"7-0", "7-0", "7-0"}, requests.list())
	})
}

func TestSubscribe_RefusalIsReturnedAndNotRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var requests recorder[int]
		server := &socketServer{script: func(n int, c *serverConn) {
			c.serve(func(m message) {
				requests.add(n)
				c.refuse(m, http.StatusNotFound, fieldgate.CodeSessionNotFound)
				time.Sleep(time.Second)
				_ = c.ws.Close()
			})
		}}
		socket := connectCustomer(t, memoryGateway(t, server), fieldgate.CustomerSocketConfig{})
		_, err := socket.Subscribe(t.Context(), fieldgate.SessionRoom(sessionID), "")
		require.Equal(t, fieldgate.CodeSessionNotFound, fieldgate.CodeOf(err))
		time.Sleep(10 * time.Second)
		require.Equal(t, []int{1}, requests.list())
	})
}

func TestUnsubscribe_LastsOverAReconnect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var requests recorder[string]
		server := &socketServer{script: func(n int, c *serverConn) {
			c.serve(func(m message) {
				requests.add(fmt.Sprint(n, " ", m.Type, " ", parseSubscribe(m).Room))
				c.acceptSubscribe(m)
				if m.Type != "unsubscribe" {
					return
				}
				c.pushEvent("session:x", "1000-1")
				c.pushEvent("tenant", "1000-2")
				time.Sleep(time.Second)
				_ = c.ws.Close()
			})
		}}
		socket := connectCustomer(t, memoryGateway(t, server), fieldgate.CustomerSocketConfig{})
		subscribe(t, socket, fieldgate.TenantRoom, "")
		subscribe(t, socket, "session:x", "")
		require.NoError(t, socket.Unsubscribe(t.Context(), "session:x"))
		require.Equal(t, []string{"1000-2"}, offsets(takeEvents(t, socket, 1)))
		time.Sleep(10 * time.Second)
		require.Equal(t, []string{"1 subscribe tenant", "1 subscribe session:x", "1 unsubscribe session:x", "2 subscribe tenant"}, requests.list())
	})
}

func TestUnsubscribe_WithoutAConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var requests recorder[string]
		server := &socketServer{
			handshake: func(n int, w http.ResponseWriter, _ *http.Request) bool {
				if n == 2 {
					w.Header().Set("Retry-After", "60")
					writeProblem(w, http.StatusServiceUnavailable, fieldgate.CodeDraining)
				}
				return n == 2
			},
			script: func(n int, c *serverConn) {
				c.serve(func(m message) {
					requests.add(m.Type)
					c.acceptSubscribe(m)
					time.Sleep(time.Second)
					_ = c.ws.Close()
				})
			},
		}
		socket := connectCustomer(t, memoryGateway(t, server), fieldgate.CustomerSocketConfig{})
		subscribe(t, socket, fieldgate.TenantRoom, "")
		time.Sleep(10 * time.Second)
		require.Equal(t, 2, server.count())
		require.NoError(t, socket.Unsubscribe(t.Context(), fieldgate.TenantRoom))
		time.Sleep(2 * time.Minute)
		require.Equal(t, []string{"subscribe"}, requests.list())
		socket.Close()
		require.ErrorIs(t, socket.Unsubscribe(t.Context(), fieldgate.TenantRoom), fieldgate.ErrSocketClosed)
	})
}

func TestReconnect_ResubscribesWithinTheLimits(t *testing.T) {
	t.Parallel()
	for _, delay := range []time.Duration{0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			const rooms = 100
			checkers := []*limitChecker{{}, {}}
			server := &socketServer{}
			server.script = func(n int, c *serverConn) {
				checker := checkers[n-1]
				var writes sync.Mutex
				c.serve(func(m message) {
					checker.receive()
					server.conns.Go(func() {
						time.Sleep(delay)
						writes.Lock()
						defer writes.Unlock()
						c.acceptSubscribe(m)
						checker.inFlight.Add(-1)
						if n == 1 && parseSubscribe(m).Room == fmt.Sprint("device:", rooms) {
							_ = c.ws.Close()
						}
					})
				})
			}
			var states recorder[bool]
			socket := connectCustomer(t, memoryGateway(t, server), fieldgate.CustomerSocketConfig{
				OnState: func(state fieldgate.SocketState) { states.add(state.Connected) },
			})
			var wg sync.WaitGroup
			for i := range rooms - 1 {
				wg.Go(func() { subscribe(t, socket, fmt.Sprint("device:", i), "") })
			}
			wg.Wait()
			subscribe(t, socket, fmt.Sprint("device:", rooms), "")
			time.Sleep(20 * time.Second)
			synctest.Wait()
			require.Equal(t, []bool{true, false, true}, states.list())
			for _, checker := range checkers {
				require.Equal(t, rooms, checker.messages)
				checker.check(t)
			}
			require.Zero(t, checkers[1].inFlight.Load())
		})
	}
}

package fieldgate_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

func TestReconnect_CloseCodes(t *testing.T) {
	t.Parallel()
	const reconnects, ends = "reconnects", "ends"
	for code, want := range map[fieldgate.CloseCode]string{
		fieldgate.CloseNormal:     reconnects, // the client did not request the close
		1001:                      reconnects,
		fieldgate.CloseBinary:     ends,
		fieldgate.CloseNotUTF8:    ends,
		fieldgate.CloseFlood:      reconnects,
		fieldgate.CloseTooLarge:   ends,
		fieldgate.CloseInternal:   reconnects,
		fieldgate.CloseGoingAway:  reconnects,
		fieldgate.CloseOverloaded: reconnects,
		fieldgate.CloseExpired:    reconnects,
		fieldgate.CloseWithdrawn:  ends,
		fieldgate.CloseSilent:     reconnects,
		fieldgate.CloseSuperseded: ends,
		fieldgate.CloseTooSlow:    reconnects,
		4999:                      reconnects, // a code of a later version of the contract
	} {
		t.Run(fmt.Sprint(int(code)), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := &socketServer{script: func(n int, c *serverConn) {
					if n == 1 {
						c.close(code, "because")
						return
					}
					replyToHeartbeats(n, c)
				}}
				socket := connectDevice(t, memoryGateway(t, server), fieldgate.DeviceSocketConfig{})
				time.Sleep(30 * time.Second)
				if want == reconnects {
					heartbeat(t, socket)
					require.Equal(t, 2, server.count())
					require.NoError(t, socket.Err())
					return
				}
				<-socket.Done()
				time.Sleep(time.Hour)
				require.Equal(t, 1, server.count())
				require.Equal(t, &fieldgate.CloseError{Code: code, Reason: "because"}, socket.Err())
				require.EqualError(t, socket.Err(), fmt.Sprintf("fieldgate: the gateway closed the socket with %d: because", code))
				_, err := socket.Heartbeat(t.Context(), alive)
				require.Equal(t, socket.Err(), err)
			})
		})
	}
}

func TestReconnect_RefusedHandshake(t *testing.T) {
	t.Parallel()
	problem := func(status int, code string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { writeProblem(w, status, code) }
	}
	page := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
		}
	}
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		dials   int // expected number of handshakes; zero means any number, because the socket must keep reconnecting
	}{
		"401":                     {problem(401, fieldgate.CodeUnauthorized), 1},
		"403":                     {problem(403, fieldgate.CodeOriginNotAllowed), 1},
		"404":                     {problem(404, fieldgate.CodeNotFound), 1},
		"400":                     {problem(400, fieldgate.CodeValidationFailed), 1},
		"429":                     {problem(429, fieldgate.CodeRateLimited), 0},
		"500":                     {problem(500, fieldgate.CodeInternal), 0},
		"503":                     {problem(503, fieldgate.CodeStoreUnavailable), 0},
		"404 of a balancer":       {page(404), 0},
		"403 of a firewall":       {page(403), 0},
		"401 of a proxy":          {page(401), 0},
		"page of a portal":        {page(200), 0},
		"redirect":                {http.RedirectHandler("https://elsewhere.example.com/", http.StatusTemporaryRedirect).ServeHTTP, 0},
		"another subprotocol":     {func(w http.ResponseWriter, r *http.Request) { upgradeWith(w, r, "chat.v1", nil) }, 0},
		"unrequested compression": {func(w http.ResponseWriter, r *http.Request) { upgradeWith(w, r, "fieldgate.v1", http.Header{}) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := &socketServer{handshake: func(_ int, w http.ResponseWriter, r *http.Request) bool {
					test.handler(w, r)
					return true
				}}
				socket := connectDevice(t, memoryGateway(t, server), fieldgate.DeviceSocketConfig{})
				time.Sleep(time.Hour)
				if test.dials == 0 {
					require.NoError(t, socket.Err())
					require.Greater(t, server.count(), 60)
					return
				}
				<-socket.Done()
				require.Equal(t, test.dials, server.count())
				require.NotEmpty(t, fieldgate.CodeOf(socket.Err()))
			})
		})
	}
}

// upgradeWith accepts a WebSocket handshake in a way that the gateway never does: with another
// subprotocol, or, if header is not nil, with compression that the client has not offered.
func upgradeWith(w http.ResponseWriter, r *http.Request, subprotocol string, header http.Header) {
	upgrader := websocket.Upgrader{Subprotocols: []string{subprotocol}}
	if header != nil {
		upgrader.EnableCompression = true
		r.Header.Set("Sec-WebSocket-Extensions", "permessage-deflate")
	}
	ws, err := upgrader.Upgrade(w, r, header)
	if err != nil {
		return
	}
	c := &serverConn{ws: ws}
	c.welcome(25_000)
	c.wait()
	_ = ws.Close()
}

func TestBackoff_GrowsToAMinuteWithFullJitter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &socketServer{handshake: func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			writeProblem(w, http.StatusInternalServerError, fieldgate.CodeInternal)
			return true
		}}
		socket := connectDevice(t, memoryGateway(t, server), fieldgate.DeviceSocketConfig{})
		time.Sleep(24 * time.Hour)
		require.NoError(t, socket.Err(), "the socket reconnects without end")

		bound, delays := 500*time.Millisecond, server.delays()
		for _, delay := range delays[:8] {
			require.Less(t, delay, bound)
			bound = min(2*bound, time.Minute)
		}
		var sum, least, most time.Duration = 0, time.Hour, 0
		for _, delay := range delays[8:] {
			sum, least, most = sum+delay, min(least, delay), max(most, delay)
		}
		require.InDelta(t, 30, (sum / time.Duration(len(delays)-8)).Seconds(), 3)
		require.Less(t, least, time.Second)
		require.Greater(t, most, 59*time.Second)
		require.Less(t, most, time.Minute)
	})
}

// cutAfter returns a server that calls cut on each connection after the given delay.
func cutAfter(delay time.Duration, cut func(*serverConn)) *socketServer {
	return &socketServer{script: func(_ int, c *serverConn) {
		time.Sleep(delay)
		cut(c)
	}}
}

func TestBackoff_ResetByAStableConnection(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lasting time.Duration
		cut     func(*serverConn)
		short   bool
	}{
		"59 s":             {59 * time.Second, func(*serverConn) {}, false},
		"61 s":             {61 * time.Second, func(*serverConn) {}, true},
		"1012, at once":    {0, func(c *serverConn) { c.close(fieldgate.CloseGoingAway, "") }, false},
		"1012, after 61 s": {61 * time.Second, func(c *serverConn) { c.close(fieldgate.CloseGoingAway, "") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := cutAfter(test.lasting, test.cut)
				server.greet = func(_ int, c *serverConn) { c.welcome(600_000) }
				socket := connectDevice(t, memoryGateway(t, server), fieldgate.DeviceSocketConfig{})
				time.Sleep(3 * time.Hour)
				socket.Close()
				<-socket.Done()
				var longest time.Duration
				for _, delay := range server.delays() {
					longest = max(longest, delay-test.lasting)
				}
				if test.short {
					require.Less(t, longest, 500*time.Millisecond)
				} else {
					require.Greater(t, longest, 30*time.Second)
				}
			})
		})
	}
}

func TestBackoff_LongerWhenOverloaded(t *testing.T) {
	t.Parallel()
	for _, code := range []fieldgate.CloseCode{fieldgate.CloseFlood, fieldgate.CloseInternal, fieldgate.CloseOverloaded} {
		synctest.Test(t, func(t *testing.T) {
			server := cutAfter(61*time.Second, func(c *serverConn) { c.close(code, "") })
			server.greet = func(_ int, c *serverConn) { c.welcome(600_000) }
			socket := connectDevice(t, memoryGateway(t, server), fieldgate.DeviceSocketConfig{})
			time.Sleep(3 * time.Hour)
			socket.Close()
			<-socket.Done()
			var sum time.Duration
			for _, delay := range server.delays() {
				sum += delay - 61*time.Second
			}
			require.InDelta(t, 2, (sum / time.Duration(server.count()-1)).Seconds(), 0.6)
		})
	}
}

func TestBackoff_RetryAfter(t *testing.T) {
	t.Parallel()
	goingAway := func(code fieldgate.CloseCode, retryAfterMs any) func(int, *serverConn) {
		return func(n int, c *serverConn) {
			if n == 1 {
				c.push("going_away", map[string]any{"retryAfterMs": retryAfterMs})
				c.close(code, "")
			}
			c.wait()
		}
	}
	refusing := func(status int, retryAfter string) func(int, http.ResponseWriter, *http.Request) bool {
		return func(n int, w http.ResponseWriter, _ *http.Request) bool {
			if n == 1 {
				w.Header().Set("Retry-After", retryAfter)
				writeProblem(w, status, "any_code")
			}
			return n == 1
		}
	}
	for name, test := range map[string]struct {
		server      *socketServer
		least, most time.Duration
	}{
		"1012":         {&socketServer{script: goingAway(fieldgate.CloseGoingAway, 7000)}, 7 * time.Second, 7500 * time.Millisecond},
		"1013":         {&socketServer{script: goingAway(fieldgate.CloseOverloaded, 7000)}, 7 * time.Second, 11 * time.Second},
		"1012, zero":   {&socketServer{script: goingAway(fieldgate.CloseGoingAway, 0)}, 0, 500 * time.Millisecond},
		"negative":     {&socketServer{script: goingAway(fieldgate.CloseGoingAway, -5)}, 0, 500 * time.Millisecond},
		"huge":         {&socketServer{script: goingAway(fieldgate.CloseGoingAway, int64(1)<<62)}, time.Hour, time.Hour + 500*time.Millisecond},
		"429":          {&socketServer{handshake: refusing(429, "20")}, 20 * time.Second, 20500 * time.Millisecond},
		"503":          {&socketServer{handshake: refusing(503, "20")}, 20 * time.Second, 20500 * time.Millisecond},
		"503, huge":    {&socketServer{handshake: refusing(503, "2147483647")}, time.Hour, time.Hour + 500*time.Millisecond},
		"503, none":    {&socketServer{handshake: refusing(503, "")}, 0, 500 * time.Millisecond},
		"not a number": {&socketServer{script: goingAway(fieldgate.CloseGoingAway, "soon")}, 0, 500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if test.server.script == nil {
					test.server.script = func(_ int, c *serverConn) { c.wait() }
				}
				connectDevice(t, memoryGateway(t, test.server), fieldgate.DeviceSocketConfig{})
				time.Sleep(2 * time.Hour)
				require.GreaterOrEqual(t, test.server.delays()[0], test.least)
				require.Less(t, test.server.delays()[0], test.most)
			})
		})
	}
}

// newLoginSocketServer returns a device, and a gateway that requires a login before it opens a
// socket.
func newLoginSocketServer(t *testing.T, script func(n int, c *serverConn)) (*fieldgate.DeviceClient, *loginServer, *socketServer) {
	t.Helper()
	logins := &loginServer{}
	server := &socketServer{script: script, other: logins.ServeHTTP}
	server.handshake = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") == "Bearer "+logins.token() {
			return false
		}
		writeProblem(w, http.StatusUnauthorized, fieldgate.CodeUnauthorized)
		return true
	}
	return memoryGateway(t, server).Device(deviceID, deviceSecret), logins, server
}

func TestDeviceSocket_SharesTheLogin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, logins, server := newLoginSocketServer(t, replyToHeartbeats)
		socket := client.Connect(t.Context(), fieldgate.DeviceSocketConfig{})
		heartbeat(t, socket)
		_, err := client.Heartbeat(t.Context(), alive)
		require.NoError(t, err)
		require.Equal(t, 1, logins.count())

		handshake := server.handshakes[0]
		require.Equal(t, "/api/v1/device/ws", handshake.RequestURI, "the URL has no credentials")
		require.Equal(t, "Bearer token-1", handshake.Header.Get("Authorization"))
		require.Equal(t, "fieldgate.v1", handshake.Header.Get("Sec-WebSocket-Protocol"))
		require.Equal(t, fieldgate.DefaultUserAgent, handshake.Header.Get("User-Agent"))
		socket.Close()
		<-socket.Done()
	})
}

func TestDeviceSocket_LogsInOnceAfter401(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, logins, server := newLoginSocketServer(t, replyToHeartbeats)
		_, err := client.Heartbeat(t.Context(), alive)
		require.NoError(t, err)
		logins.revoke()

		socket := client.Connect(t.Context(), fieldgate.DeviceSocketConfig{})
		heartbeat(t, socket)
		require.Equal(t, 2, logins.count())
		require.Equal(t, []string{"Bearer token-1", "Bearer token-2"}, server.tokens())
		socket.Close()
		<-socket.Done()
	})
}

func TestDeviceSocket_Second401EndsTheSocket(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, logins, server := newLoginSocketServer(t, replyToHeartbeats)
		server.handshake = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			writeProblem(w, http.StatusUnauthorized, fieldgate.CodeUnauthorized)
			return true
		}
		socket := client.Connect(t.Context(), fieldgate.DeviceSocketConfig{})
		<-socket.Done()
		require.Equal(t, fieldgate.CodeUnauthorized, fieldgate.CodeOf(socket.Err()))
		require.Equal(t, 2, logins.count())
		require.Equal(t, 2, server.count())
	})
}

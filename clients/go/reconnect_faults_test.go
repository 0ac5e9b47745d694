package fieldgate_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

func TestReconnect_ExpiredTokenAndFailedLogin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, logins, server := newLoginSocketServer(t, func(n int, c *serverConn) {
			if n == 1 {
				c.close(fieldgate.CloseExpired, "token expired")
			}
			replyToHeartbeats(n, c)
		})
		var requests recorder[string]
		server.other = func(w http.ResponseWriter, r *http.Request) {
			if requests.add(r.URL.Path) == 2 {
				writeProblem(w, http.StatusServiceUnavailable, fieldgate.CodeStoreUnavailable)
				return
			}
			logins.ServeHTTP(w, r)
		}
		socket := client.Connect(t.Context(), fieldgate.DeviceSocketConfig{})
		time.Sleep(time.Minute)
		heartbeat(t, socket)
		require.Equal(t, []string{"Bearer token-1", "Bearer token-2"}, server.tokens(), "the expired token is not sent again")
		require.Len(t, requests.list(), 3)
		socket.Close()
		<-socket.Done()
	})
}

func TestReconnect_RefusedLogin(t *testing.T) {
	t.Parallel()
	for code, test := range map[string]struct {
		status int
		ends   bool
	}{
		fieldgate.CodeInvalidCredentials: {http.StatusUnauthorized, true},
		fieldgate.CodeDeviceSuspended:    {http.StatusForbidden, true},
		fieldgate.CodeRateLimited:        {http.StatusTooManyRequests, false},
		fieldgate.CodeStoreUnavailable:   {http.StatusServiceUnavailable, false},
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, logins, _ := newLoginSocketServer(t, replyToHeartbeats)
				logins.refuseLogins(test.status, code)
				socket := client.Connect(t.Context(), fieldgate.DeviceSocketConfig{})
				time.Sleep(time.Hour)
				if test.ends {
					<-socket.Done()
					require.Equal(t, code, fieldgate.CodeOf(socket.Err()))
					require.Equal(t, 1, logins.count())
					return
				}
				require.NoError(t, socket.Err())
				require.Greater(t, logins.count(), 60)
				logins.acceptLogins()
				time.Sleep(time.Minute)
				heartbeat(t, socket)
				socket.Close()
				<-socket.Done()
			})
		})
	}
}

func TestReconnect_UnreachableGateway(t *testing.T) {
	t.Parallel()
	for name, transport := range map[string]*http.Transport{
		"refused": {},
		"no route": {DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("no route to host")
		}},
		"proxy": {Proxy: func(*http.Request) (*url.URL, error) { return nil, errors.New("no proxy") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			states := make(chan fieldgate.SocketState, 100)
			gateway := newGateway(t, "http://127.0.0.1:1", fieldgate.WithTransport(transport))
			connectDevice(t, gateway, fieldgate.DeviceSocketConfig{OnState: func(state fieldgate.SocketState) { states <- state }})
			for range 2 {
				state := <-states
				require.ErrorContains(t, state.Err, "fieldgate: opening the socket: ")
				require.False(t, state.Connected)
			}
		})
	}
}

func TestReconnect_SilentGateway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var states recorder[fieldgate.SocketState]
		server := &socketServer{
			greet: func(_ int, c *serverConn) { c.welcome(10_000) },
			script: func(n int, c *serverConn) {
				if n == 1 {
					c.wait()
					return
				}
				for c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)) == nil {
					time.Sleep(10 * time.Second)
				}
			},
		}
		connectDevice(t, memoryGateway(t, server), fieldgate.DeviceSocketConfig{OnState: func(state fieldgate.SocketState) { states.add(state) }})
		time.Sleep(24 * time.Second)
		require.Equal(t, 1, server.count(), "the connection survives two lost pings")
		time.Sleep(2 * time.Second)
		require.ErrorContains(t, states.list()[1].Err, "sent nothing for too long")

		time.Sleep(time.Hour)
		require.Equal(t, 2, server.count(), "a connection with pings lasts")
	})
}

func TestReconnect_BlockedWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &socketServer{script: func(n int, c *serverConn) {
			if n == 2 {
				replyToHeartbeats(n, c)
			}
			time.Sleep(time.Minute) // read nothing, so that all buffers fill up
		}}
		socket := connectDevice(t, memoryGateway(t, server), fieldgate.DeviceSocketConfig{})
		large := fieldgate.ResultRequest{Output: strings.Repeat("x", 15_000)} // just small enough for a frame
		start := time.Now()
		for _, err := range concurrently(16, func() error { _, err := socket.SubmitResult(t.Context(), commandID, large); return err }) {
			require.ErrorIs(t, err, fieldgate.ErrInterrupted)
			require.ErrorContains(t, err, "writing a frame")
		}
		require.Equal(t, 10*time.Second, time.Since(start))
		heartbeat(t, socket)
	})
}

func TestReconnect_InvalidPingInterval(t *testing.T) {
	t.Parallel()
	for interval, want := range map[int]time.Duration{
		-1: 62500 * time.Millisecond, 0: 62500 * time.Millisecond, 1: 2500 * time.Millisecond, math.MaxInt: 25 * time.Minute,
	} {
		synctest.Test(t, func(t *testing.T) {
			server := &socketServer{script: replyToHeartbeats, greet: func(_ int, c *serverConn) { c.welcome(interval) }}
			connectDevice(t, memoryGateway(t, server), fieldgate.DeviceSocketConfig{})
			time.Sleep(want - time.Millisecond)
			require.Equal(t, 1, server.count())
			time.Sleep(time.Second)
			require.Equal(t, 2, server.count())
		})
	}
}

func TestDeviceSocket_RepliesToPings(t *testing.T) {
	t.Parallel()
	pongs := make(chan string, 1)
	server := &socketServer{script: func(_ int, c *serverConn) {
		c.ws.SetPongHandler(func(payload string) error { pongs <- payload; return nil })
		_ = c.ws.WriteControl(websocket.PingMessage, []byte("still there?"), time.Now().Add(time.Second))
		c.wait()
	}}
	connectDevice(t, serve(t, server.ServeHTTP), fieldgate.DeviceSocketConfig{})
	require.Equal(t, "still there?", <-pongs)
}

func TestReconnect_InvalidFrames(t *testing.T) {
	t.Parallel()
	write := func(kind int, text string) func(int, *serverConn) {
		return func(n int, c *serverConn) {
			if n == 1 {
				_ = c.ws.WriteMessage(kind, []byte(text))
			}
			replyToHeartbeats(n, c)
		}
	}
	for name, server := range map[string]*socketServer{
		"a binary frame":      {script: write(websocket.BinaryMessage, `{"type":"ping"}`)},
		"invalid JSON":        {script: write(websocket.TextMessage, `{`)},
		"JSON array":          {script: write(websocket.TextMessage, `["event"]`)},
		"available, a string": {script: write(websocket.TextMessage, `{"type":"commands.available","data":"much"}`)},
		"cancel, a string":    {script: write(websocket.TextMessage, `{"type":"command.cancel","data":"it"}`)},
		"more than 1 MiB":     {script: write(websocket.TextMessage, fmt.Sprintf(`{"type":"%01048576d"}`, 0))},
		"no welcome": {script: replyToHeartbeats, greet: func(n int, c *serverConn) {
			if n == 1 {
				c.push("hello", map[string]any{})
			} else {
				c.welcome(25_000)
			}
		}},
		"invalid welcome": {script: replyToHeartbeats, greet: func(n int, c *serverConn) {
			if n == 1 {
				c.push("welcome", "you")
			} else {
				c.welcome(25_000)
			}
		}},
		"no frame": {script: replyToHeartbeats, greet: func(n int, c *serverConn) {
			if n > 1 {
				c.welcome(25_000)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				socket := connectDevice(t, memoryGateway(t, server), fieldgate.DeviceSocketConfig{})
				time.Sleep(40 * time.Second)
				heartbeat(t, socket)
				require.Equal(t, 2, server.count())
			})
		})
	}
}

func TestClose_SendsACloseFrame(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*fieldgate.DeviceSocket, context.CancelFunc){
		"Close":       func(s *fieldgate.DeviceSocket, _ context.CancelFunc) { s.Close() },
		"the context": func(_ *fieldgate.DeviceSocket, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			codes := make(chan int, 1)
			server := &socketServer{script: func(_ int, c *serverConn) {
				c.reply(c.read(), fieldgate.HeartbeatReply{})
				codes <- c.wait()
			}}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			gateway := serve(t, server.ServeHTTP)
			socket := gateway.DeviceWithToken(fieldgate.Bearer("token")).Connect(ctx, fieldgate.DeviceSocketConfig{})
			heartbeat(t, socket)
			end(socket, cancel)
			<-socket.Done()
			require.Equal(t, int(fieldgate.CloseNormal), <-codes)
			require.Equal(t, 1, server.count())
			require.True(t, errors.Is(socket.Err(), fieldgate.ErrSocketClosed) || errors.Is(socket.Err(), context.Canceled))
			_, err := socket.Heartbeat(t.Context(), alive)
			require.Equal(t, socket.Err(), err)
		})
	}
}

func TestClose_InterruptsCalls(t *testing.T) {
	t.Parallel()
	server := &socketServer{script: func(_ int, c *serverConn) { c.wait() }}
	received := make(chan struct{})
	server.script = func(_ int, c *serverConn) {
		c.read()
		close(received)
		c.wait()
	}
	socket := connectDevice(t, serve(t, server.ServeHTTP), fieldgate.DeviceSocketConfig{})
	go func() {
		<-received
		socket.Close()
	}()
	_, err := socket.Claim(t.Context(), fieldgate.ClaimRequest{WaitMs: 20_000})
	require.ErrorIs(t, err, fieldgate.ErrInterrupted)
	require.ErrorIs(t, err, fieldgate.ErrSocketClosed)
}

func TestClose_UnresponsiveGateway(t *testing.T) {
	t.Parallel()
	release := make(chan struct{}) // one per subtest, because it belongs to a synctest bubble
	for name, server := range map[string]*socketServer{
		"refuses":        {handshake: func(_ int, w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(503); return true }},
		"no response":    {handshake: func(int, http.ResponseWriter, *http.Request) bool { <-release; return true }},
		"no welcome":     {greet: func(int, *serverConn) {}, script: func(int, *serverConn) { <-release }},
		"no close frame": {script: func(int, *serverConn) { <-release }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release = make(chan struct{})
				socket := connectDevice(t, memoryGateway(t, server), fieldgate.DeviceSocketConfig{})
				time.Sleep(5 * time.Second)
				start := time.Now()
				socket.Close()
				<-socket.Done()
				require.LessOrEqual(t, time.Since(start), time.Second)
				require.ErrorIs(t, socket.Err(), fieldgate.ErrSocketClosed)
				close(release)
			})
		})
	}
}

// TestClose_LeavesNoGoroutine is not parallel, because it counts goroutines.
func TestClose_LeavesNoGoroutine(t *testing.T) {
	server := &socketServer{script: replyToHeartbeats}
	gateway := serve(t, server.ServeHTTP)
	for range 20 {
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		device := gateway.DeviceWithToken(fieldgate.Bearer("token")).Connect(ctx, fieldgate.DeviceSocketConfig{OnCommands: func(int) {}})
		customer := gateway.Customer(fieldgate.Bearer("a JWT")).Connect(ctx, fieldgate.CustomerSocketConfig{})
		wg.Go(func() { _, _ = device.Heartbeat(ctx, alive) })
		wg.Go(func() { _, _ = customer.Subscribe(ctx, fieldgate.TenantRoom, "") })
		wg.Wait()
		require.NotZero(t, countGoroutines())
		device.Close()
		cancel()
		<-device.Done()
		<-customer.Done()
	}
	require.Eventually(t, func() bool { return countGoroutines() == 0 }, 5*time.Second, time.Millisecond)
}

// countGoroutines returns the number of goroutines that run methods of the package.
func countGoroutines() (count int) {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, "clients/go.(*") {
			count++
		}
	}
	return count
}

func TestDialer_NeedsAnHTTPTransport(t *testing.T) {
	t.Parallel()
	gateway := newGateway(t, "http://gateway", fieldgate.WithTransport(unresponsive))
	socket := gateway.DeviceWithToken(fieldgate.Bearer("token")).Connect(t.Context(), fieldgate.DeviceSocketConfig{})
	<-socket.Done()
	require.ErrorContains(t, socket.Err(), "needs an *http.Transport")

	gateway = serve(t, (&socketServer{script: replyToHeartbeats}).ServeHTTP, fieldgate.WithTransport(unresponsive))
	heartbeat(t, connectDevice(t, gateway, fieldgate.DeviceSocketConfig{Transport: &http.Transport{}}))
}

func TestDialer_TransportForHTTP2(t *testing.T) {
	t.Parallel()
	handler := &socketServer{script: replyToHeartbeats, other: func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, fieldgate.Version{Version: r.Proto})
	}}
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	gateway := newGateway(t, server.URL, fieldgate.WithTransport(server.Client().Transport))
	version, err := gateway.Version(t.Context())
	require.NoError(t, err)
	require.Equal(t, "HTTP/2.0", version.Version)
	heartbeat(t, connectDevice(t, gateway, fieldgate.DeviceSocketConfig{}))
}

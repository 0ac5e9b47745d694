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

func TestAnExpiredTokenLeadsToOneLoginEvenIfTheFirstTryFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, fleet, station := fleetStation(t, func(n int, p *peer) {
			if n == 1 {
				p.close(fieldgate.CloseExpired, "token expired")
			}
			answering(n, p)
		})
		var tries notes[string]
		station.other = func(w http.ResponseWriter, r *http.Request) {
			if tries.add(r.URL.Path) == 2 {
				refuse(w, http.StatusServiceUnavailable, fieldgate.CodeStoreUnavailable)
				return
			}
			fleet.ServeHTTP(w, r)
		}
		socket := client.Connect(t.Context(), fieldgate.DeviceSocketConfig{})
		time.Sleep(time.Minute)
		beat(t, socket)
		require.Equal(t, []string{"Bearer token-1", "Bearer token-2"}, station.tokens(), "the expired one is not shown again")
		require.Len(t, tries.list(), 3)
		socket.Close()
		<-socket.Done()
	})
}

func TestARefusedLoginEndsTheSocketUnlessItIsPassing(t *testing.T) {
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
				client, fleet, _ := fleetStation(t, answering)
				fleet.shut(test.status, code)
				socket := client.Connect(t.Context(), fieldgate.DeviceSocketConfig{})
				time.Sleep(time.Hour)
				if test.ends {
					<-socket.Done()
					require.Equal(t, code, fieldgate.CodeOf(socket.Err()))
					require.Equal(t, 1, fleet.loginCount())
					return
				}
				require.NoError(t, socket.Err())
				require.Greater(t, fleet.loginCount(), 60)
				fleet.mu.Lock()
				fleet.login = nil
				fleet.mu.Unlock()
				time.Sleep(time.Minute)
				beat(t, socket)
				socket.Close()
				<-socket.Done()
			})
		})
	}
}

func TestAGatewayThatCannotBeReachedIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, transport := range map[string]*http.Transport{
		"nobody there": {},
		"no route": {DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("no route to host")
		}},
		"no proxy": {Proxy: func(*http.Request) (*url.URL, error) { return nil, errors.New("no proxy") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			states := make(chan fieldgate.SocketState, 100)
			gateway := connect(t, "http://127.0.0.1:1", fieldgate.WithTransport(transport))
			device(t, gateway, fieldgate.DeviceSocketConfig{OnState: func(state fieldgate.SocketState) { states <- state }})
			for range 2 {
				state := <-states
				require.ErrorContains(t, state.Err, "fieldgate: opening the socket: ")
				require.False(t, state.Connected)
			}
		})
	}
}

func TestAGatewayThatFellSilentIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var states notes[fieldgate.SocketState]
		station := &station{
			greet: func(_ int, p *peer) { p.welcome(10_000) },
			script: func(n int, p *peer) {
				if n == 1 {
					p.wait()
					return
				}
				for p.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)) == nil {
					time.Sleep(10 * time.Second)
				}
			},
		}
		device(t, bubble(t, station), fieldgate.DeviceSocketConfig{OnState: func(state fieldgate.SocketState) { states.add(state) }})
		time.Sleep(24 * time.Second)
		require.Equal(t, 1, station.count(), "two signs of life may be lost")
		time.Sleep(2 * time.Second)
		require.ErrorContains(t, states.list()[1].Err, "sent nothing for too long")

		time.Sleep(time.Hour)
		require.Equal(t, 2, station.count(), "a gateway that gives signs of life stays")
	})
}

func TestAGatewayThatReadsNothingIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		station := &station{script: func(n int, p *peer) {
			if n == 2 {
				answering(n, p)
			}
			time.Sleep(time.Minute) // with all buffers full
		}}
		socket := device(t, bubble(t, station), fieldgate.DeviceSocketConfig{})
		large := fieldgate.ResultRequest{Output: strings.Repeat("x", 60_000)}
		start := time.Now()
		for _, err := range together(4, func() error { _, err := socket.SubmitResult(t.Context(), commandID, large); return err }) {
			require.ErrorIs(t, err, fieldgate.ErrInterrupted)
			require.ErrorContains(t, err, "writing a frame")
		}
		require.Equal(t, 10*time.Second, time.Since(start))
		beat(t, socket)
	})
}

func TestAPingIntervalThatCannotBeMeantIsNotBelieved(t *testing.T) {
	t.Parallel()
	for interval, want := range map[int]time.Duration{
		-1: 62500 * time.Millisecond, 0: 62500 * time.Millisecond, 1: 2500 * time.Millisecond, math.MaxInt: 25 * time.Minute,
	} {
		synctest.Test(t, func(t *testing.T) {
			station := &station{script: answering, greet: func(_ int, p *peer) { p.welcome(interval) }}
			device(t, bubble(t, station), fieldgate.DeviceSocketConfig{})
			time.Sleep(want - time.Millisecond)
			require.Equal(t, 1, station.count())
			time.Sleep(time.Second)
			require.Equal(t, 2, station.count())
		})
	}
}

func TestPingsAreAnswered(t *testing.T) {
	t.Parallel()
	pongs := make(chan string, 1)
	station := &station{script: func(_ int, p *peer) {
		p.ws.SetPongHandler(func(payload string) error { pongs <- payload; return nil })
		_ = p.ws.WriteControl(websocket.PingMessage, []byte("still there?"), time.Now().Add(time.Second))
		p.wait()
	}}
	device(t, serve(t, station.ServeHTTP), fieldgate.DeviceSocketConfig{})
	require.Equal(t, "still there?", <-pongs)
}

func TestAGatewayThatCannotBeMeantIsLeft(t *testing.T) {
	t.Parallel()
	write := func(kind int, text string) func(int, *peer) {
		return func(n int, p *peer) {
			if n == 1 {
				_ = p.ws.WriteMessage(kind, []byte(text))
			}
			answering(n, p)
		}
	}
	for name, station := range map[string]*station{
		"a binary frame":      {script: write(websocket.BinaryMessage, `{"type":"ping"}`)},
		"no JSON":             {script: write(websocket.TextMessage, `{`)},
		"another type of it":  {script: write(websocket.TextMessage, `["event"]`)},
		"work as a word":      {script: write(websocket.TextMessage, `{"type":"commands.available","data":"much"}`)},
		"a command as a word": {script: write(websocket.TextMessage, `{"type":"command.cancel","data":"it"}`)},
		"a mebibyte and more": {script: write(websocket.TextMessage, fmt.Sprintf(`{"type":"%01048576d"}`, 0))},
		"no welcome": {script: answering, greet: func(n int, p *peer) {
			if n == 1 {
				p.push("hello", map[string]any{})
			} else {
				p.welcome(25_000)
			}
		}},
		"a broken welcome": {script: answering, greet: func(n int, p *peer) {
			if n == 1 {
				p.push("welcome", "you")
			} else {
				p.welcome(25_000)
			}
		}},
		"no word at all": {script: answering, greet: func(n int, p *peer) {
			if n > 1 {
				p.welcome(25_000)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				socket := device(t, bubble(t, station), fieldgate.DeviceSocketConfig{})
				time.Sleep(40 * time.Second)
				beat(t, socket)
				require.Equal(t, 2, station.count())
			})
		})
	}
}

func TestClosingSaysGoodbye(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*fieldgate.DeviceSocket, context.CancelFunc){
		"Close":       func(s *fieldgate.DeviceSocket, _ context.CancelFunc) { s.Close() },
		"the context": func(_ *fieldgate.DeviceSocket, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			codes := make(chan int, 1)
			station := &station{script: func(_ int, p *peer) {
				p.reply(p.next(), fieldgate.HeartbeatReply{})
				codes <- p.wait()
			}}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			gateway := serve(t, station.ServeHTTP)
			socket := gateway.DeviceWithToken(fieldgate.Bearer("token")).Connect(ctx, fieldgate.DeviceSocketConfig{})
			beat(t, socket)
			end(socket, cancel)
			<-socket.Done()
			require.Equal(t, int(fieldgate.CloseNormal), <-codes)
			require.Equal(t, 1, station.count())
			require.True(t, errors.Is(socket.Err(), fieldgate.ErrSocketClosed) || errors.Is(socket.Err(), context.Canceled))
			_, err := socket.Heartbeat(t.Context(), ok)
			require.Equal(t, socket.Err(), err)
		})
	}
}

func TestClosingEndsACallThatWaits(t *testing.T) {
	t.Parallel()
	station := &station{script: func(_ int, p *peer) { p.wait() }}
	asked := make(chan struct{})
	station.script = func(_ int, p *peer) {
		p.next()
		close(asked)
		p.wait()
	}
	socket := device(t, serve(t, station.ServeHTTP), fieldgate.DeviceSocketConfig{})
	go func() {
		<-asked
		socket.Close()
	}()
	_, err := socket.Claim(t.Context(), fieldgate.ClaimRequest{WaitMs: 20_000})
	require.ErrorIs(t, err, fieldgate.ErrInterrupted)
	require.ErrorIs(t, err, fieldgate.ErrSocketClosed)
}

func TestASocketEndsWhateverTheOtherSideDoes(t *testing.T) {
	t.Parallel()
	stay := make(chan struct{})
	for name, station := range map[string]*station{
		"refuses":            {handshake: func(_ int, w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(503); return true }},
		"says nothing":       {handshake: func(int, http.ResponseWriter, *http.Request) bool { <-stay; return true }},
		"does not welcome":   {greet: func(int, *peer) {}, script: func(int, *peer) { <-stay }},
		"does not say a bye": {script: func(int, *peer) { <-stay }},
	} {
		synctestUntil := func(t *testing.T) {
			socket := device(t, bubble(t, station), fieldgate.DeviceSocketConfig{})
			time.Sleep(5 * time.Second)
			start := time.Now()
			socket.Close()
			<-socket.Done()
			require.LessOrEqual(t, time.Since(start), time.Second)
			require.ErrorIs(t, socket.Err(), fieldgate.ErrSocketClosed)
			close(stay)
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stay = make(chan struct{})
				synctestUntil(t)
			})
		})
	}
}

// Not parallel: it counts goroutines.
func TestNoGoroutineIsLeft(t *testing.T) {
	station := &station{script: answering}
	gateway := serve(t, station.ServeHTTP)
	for range 20 {
		var all sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		device := gateway.DeviceWithToken(fieldgate.Bearer("token")).Connect(ctx, fieldgate.DeviceSocketConfig{OnCommands: func(int) {}})
		customer := gateway.Customer(fieldgate.Bearer("a JWT")).Connect(ctx, fieldgate.CustomerSocketConfig{})
		all.Go(func() { _, _ = device.Heartbeat(ctx, ok) })
		all.Go(func() { _, _ = customer.Subscribe(ctx, fieldgate.TenantRoom, "") })
		all.Wait()
		require.NotZero(t, goroutinesOfSockets())
		device.Close()
		cancel()
		<-device.Done()
		<-customer.Done()
	}
	require.Eventually(t, func() bool { return goroutinesOfSockets() == 0 }, 5*time.Second, time.Millisecond)
}

// goroutinesOfSockets counts those that run code of the package.
func goroutinesOfSockets() (count int) {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, "clients/go.(*") {
			count++
		}
	}
	return count
}

func TestASocketNeedsATransportThatItKnows(t *testing.T) {
	t.Parallel()
	gateway := connect(t, "http://gateway", fieldgate.WithTransport(deaf))
	socket := gateway.DeviceWithToken(fieldgate.Bearer("token")).Connect(t.Context(), fieldgate.DeviceSocketConfig{})
	<-socket.Done()
	require.ErrorContains(t, socket.Err(), "needs an *http.Transport")

	gateway = serve(t, (&station{script: answering}).ServeHTTP, fieldgate.WithTransport(deaf))
	beat(t, device(t, gateway, fieldgate.DeviceSocketConfig{Transport: &http.Transport{}}))
}

func TestASocketUsesTheCertificatesOfATransportThatSpeaksHTTP2(t *testing.T) {
	t.Parallel()
	station := &station{script: answering, other: func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, fieldgate.Version{Version: r.Proto})
	}}
	server := httptest.NewUnstartedServer(station)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	gateway := connect(t, server.URL, fieldgate.WithTransport(server.Client().Transport))
	version, err := gateway.Version(t.Context())
	require.NoError(t, err)
	require.Equal(t, "HTTP/2.0", version.Version)
	beat(t, device(t, gateway, fieldgate.DeviceSocketConfig{}))
}

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

func TestWhatEachCloseCodeLeadsTo(t *testing.T) {
	t.Parallel()
	const back, end = "it comes back", "it ends"
	for code, want := range map[fieldgate.CloseCode]string{
		fieldgate.CloseNormal:     back, // nobody here asked for it
		1001:                      back,
		fieldgate.CloseBinary:     end,
		fieldgate.CloseNotUTF8:    end,
		fieldgate.CloseFlood:      back,
		fieldgate.CloseTooLarge:   end,
		fieldgate.CloseInternal:   back,
		fieldgate.CloseGoingAway:  back,
		fieldgate.CloseOverloaded: back,
		fieldgate.CloseExpired:    back,
		fieldgate.CloseWithdrawn:  end,
		fieldgate.CloseSilent:     back,
		fieldgate.CloseSuperseded: end,
		fieldgate.CloseTooSlow:    back,
		4999:                      back, // a code of a later version
	} {
		t.Run(fmt.Sprint(int(code)), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				station := &station{script: func(n int, p *peer) {
					if n == 1 {
						p.close(code, "because")
						return
					}
					answering(n, p)
				}}
				socket := device(t, bubble(t, station), fieldgate.DeviceSocketConfig{})
				time.Sleep(30 * time.Second)
				if want == back {
					beat(t, socket)
					require.Equal(t, 2, station.count())
					require.NoError(t, socket.Err())
					return
				}
				<-socket.Done()
				time.Sleep(time.Hour)
				require.Equal(t, 1, station.count())
				require.Equal(t, &fieldgate.CloseError{Code: code, Reason: "because"}, socket.Err())
				require.EqualError(t, socket.Err(), fmt.Sprintf("fieldgate: the gateway closed the socket with %d: because", code))
				_, err := socket.Heartbeat(t.Context(), ok)
				require.Equal(t, socket.Err(), err)
			})
		})
	}
}

func TestARefusedHandshakeEndsTheSocketUnlessItIsPassing(t *testing.T) {
	t.Parallel()
	problem := func(status int, code string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { refuse(w, status, code) }
	}
	page := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
		}
	}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		tries  int // in all; 0 for ever
	}{
		"401":                    {problem(401, fieldgate.CodeUnauthorized), 1},
		"403":                    {problem(403, fieldgate.CodeOriginNotAllowed), 1},
		"404":                    {problem(404, fieldgate.CodeNotFound), 1},
		"400":                    {problem(400, fieldgate.CodeValidationFailed), 1},
		"429":                    {problem(429, fieldgate.CodeRateLimited), 0},
		"500":                    {problem(500, fieldgate.CodeInternal), 0},
		"503":                    {problem(503, fieldgate.CodeStoreUnavailable), 0},
		"a balancer's 404":       {page(404), 0},
		"a firewall's 403":       {page(403), 0},
		"a proxy's 401":          {page(401), 0},
		"a portal's page":        {page(200), 0},
		"a redirect":             {http.RedirectHandler("https://elsewhere.example.com/", http.StatusTemporaryRedirect).ServeHTTP, 0},
		"a service of another":   {func(w http.ResponseWriter, r *http.Request) { upgradeWith(w, r, "chat.v1", nil) }, 0},
		"an unasked compression": {func(w http.ResponseWriter, r *http.Request) { upgradeWith(w, r, "fieldgate.v1", http.Header{}) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				station := &station{handshake: func(_ int, w http.ResponseWriter, r *http.Request) bool {
					test.answer(w, r)
					return true
				}}
				socket := device(t, bubble(t, station), fieldgate.DeviceSocketConfig{})
				time.Sleep(time.Hour)
				if test.tries == 0 {
					require.NoError(t, socket.Err())
					require.Greater(t, station.count(), 60)
					return
				}
				<-socket.Done()
				require.Equal(t, test.tries, station.count())
				require.NotEmpty(t, fieldgate.CodeOf(socket.Err()))
			})
		})
	}
}

// upgradeWith opens a WebSocket that is not the gateway's; with a header, it announces
// compression.
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
	p := &peer{ws: ws}
	p.welcome(25_000)
	p.wait()
	_ = ws.Close()
}

func TestWaitsGrowUpToAMinuteAndAreRandomFromZero(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		station := &station{handshake: func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			refuse(w, http.StatusInternalServerError, fieldgate.CodeInternal)
			return true
		}}
		socket := device(t, bubble(t, station), fieldgate.DeviceSocketConfig{})
		time.Sleep(24 * time.Hour)
		require.NoError(t, socket.Err(), "it never gives up")

		bound, waits := 500*time.Millisecond, station.waits()
		for _, wait := range waits[:8] {
			require.Less(t, wait, bound)
			bound = min(2*bound, time.Minute)
		}
		var sum, least, most time.Duration = 0, time.Hour, 0
		for _, wait := range waits[8:] {
			sum, least, most = sum+wait, min(least, wait), max(most, wait)
		}
		require.InDelta(t, 30, (sum / time.Duration(len(waits)-8)).Seconds(), 3)
		require.Less(t, least, time.Second)
		require.Greater(t, most, 59*time.Second)
		require.Less(t, most, time.Minute)
	})
}

// cutting cuts connections after they lasted for some time, and lets one through at last.
func cutting(lasting time.Duration, cut func(*peer)) *station {
	return &station{script: func(_ int, p *peer) {
		time.Sleep(lasting)
		cut(p)
	}}
}

func TestOnlyAConnectionThatLastedMakesTheWaitsShortAgain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lasting time.Duration
		cut     func(*peer)
		short   bool
	}{
		"59 s":                   {59 * time.Second, func(*peer) {}, false},
		"61 s":                   {61 * time.Second, func(*peer) {}, true},
		"1012 at once":           {0, func(p *peer) { p.close(fieldgate.CloseGoingAway, "") }, false},
		"1012 after a long time": {61 * time.Second, func(p *peer) { p.close(fieldgate.CloseGoingAway, "") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				station := cutting(test.lasting, test.cut)
				station.greet = func(_ int, p *peer) { p.welcome(600_000) }
				socket := device(t, bubble(t, station), fieldgate.DeviceSocketConfig{})
				time.Sleep(3 * time.Hour)
				socket.Close()
				<-socket.Done()
				var longest time.Duration
				for _, wait := range station.waits() {
					longest = max(longest, wait-test.lasting)
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

func TestAGatewayWithTooMuchToDoIsLeftAloneForLonger(t *testing.T) {
	t.Parallel()
	for _, code := range []fieldgate.CloseCode{fieldgate.CloseFlood, fieldgate.CloseInternal, fieldgate.CloseOverloaded} {
		synctest.Test(t, func(t *testing.T) {
			station := cutting(61*time.Second, func(p *peer) { p.close(code, "") })
			station.greet = func(_ int, p *peer) { p.welcome(600_000) }
			socket := device(t, bubble(t, station), fieldgate.DeviceSocketConfig{})
			time.Sleep(3 * time.Hour)
			socket.Close()
			<-socket.Done()
			var sum time.Duration
			for _, wait := range station.waits() {
				sum += wait - 61*time.Second
			}
			require.InDelta(t, 2, (sum / time.Duration(station.count()-1)).Seconds(), 0.6)
		})
	}
}

func TestTheHintOfTheGatewayIsObeyed(t *testing.T) {
	t.Parallel()
	leaving := func(code fieldgate.CloseCode, hint any) func(int, *peer) {
		return func(n int, p *peer) {
			if n == 1 {
				p.push("going_away", map[string]any{"retryAfterMs": hint})
				p.close(code, "")
			}
			p.wait()
		}
	}
	refusing := func(status int, hint string) func(int, http.ResponseWriter, *http.Request) bool {
		return func(n int, w http.ResponseWriter, _ *http.Request) bool {
			if n == 1 {
				w.Header().Set("Retry-After", hint)
				refuse(w, status, "any_code")
			}
			return n == 1
		}
	}
	for name, test := range map[string]struct {
		station     *station
		least, most time.Duration
	}{
		"1012":         {&station{script: leaving(fieldgate.CloseGoingAway, 7000)}, 7 * time.Second, 7500 * time.Millisecond},
		"1013":         {&station{script: leaving(fieldgate.CloseOverloaded, 7000)}, 7 * time.Second, 11 * time.Second},
		"no hint":      {&station{script: leaving(fieldgate.CloseGoingAway, 0)}, 0, 500 * time.Millisecond},
		"a wrong one":  {&station{script: leaving(fieldgate.CloseGoingAway, -5)}, 0, 500 * time.Millisecond},
		"an absurd":    {&station{script: leaving(fieldgate.CloseGoingAway, int64(1)<<62)}, time.Hour, time.Hour + 500*time.Millisecond},
		"429":          {&station{handshake: refusing(429, "20")}, 20 * time.Second, 20500 * time.Millisecond},
		"503":          {&station{handshake: refusing(503, "20")}, 20 * time.Second, 20500 * time.Millisecond},
		"a proxy's":    {&station{handshake: refusing(503, "2147483647")}, time.Hour, time.Hour + 500*time.Millisecond},
		"none at all":  {&station{handshake: refusing(503, "")}, 0, 500 * time.Millisecond},
		"not a number": {&station{script: leaving(fieldgate.CloseGoingAway, "soon")}, 0, 500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if test.station.script == nil {
					test.station.script = func(_ int, p *peer) { p.wait() }
				}
				device(t, bubble(t, test.station), fieldgate.DeviceSocketConfig{})
				time.Sleep(2 * time.Hour)
				require.GreaterOrEqual(t, test.station.waits()[0], test.least)
				require.Less(t, test.station.waits()[0], test.most)
			})
		})
	}
}

// fleetStation plays a gateway that devices log in to before they open sockets.
func fleetStation(t *testing.T, script func(n int, p *peer)) (*fieldgate.DeviceClient, *fleet, *station) {
	t.Helper()
	fleet := &fleet{}
	station := &station{script: script, other: fleet.ServeHTTP}
	station.handshake = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") == "Bearer "+fleet.token() {
			return false
		}
		refuse(w, http.StatusUnauthorized, fieldgate.CodeUnauthorized)
		return true
	}
	return bubble(t, station).Device(deviceID, deviceSecret), fleet, station
}

func TestADeviceLogsInForItsSocketAndSharesTheLogin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, fleet, station := fleetStation(t, answering)
		socket := client.Connect(t.Context(), fieldgate.DeviceSocketConfig{})
		beat(t, socket)
		_, err := client.Heartbeat(t.Context(), ok)
		require.NoError(t, err)
		require.Equal(t, 1, fleet.loginCount())

		handshake := station.handshakes[0]
		require.Equal(t, "/api/v1/device/ws", handshake.RequestURI, "no credentials in the address")
		require.Equal(t, "Bearer token-1", handshake.Header.Get("Authorization"))
		require.Equal(t, "fieldgate.v1", handshake.Header.Get("Sec-WebSocket-Protocol"))
		require.Equal(t, fieldgate.DefaultUserAgent, handshake.Header.Get("User-Agent"))
		socket.Close()
		<-socket.Done()
	})
}

func TestA401OfTheHandshakeLeadsToOneLogin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, fleet, station := fleetStation(t, answering)
		_, err := client.Heartbeat(t.Context(), ok)
		require.NoError(t, err)
		fleet.revoke()

		socket := client.Connect(t.Context(), fieldgate.DeviceSocketConfig{})
		beat(t, socket)
		require.Equal(t, 2, fleet.loginCount())
		require.Equal(t, []string{"Bearer token-1", "Bearer token-2"}, station.tokens())
		socket.Close()
		<-socket.Done()
	})
}

func TestA401AfterANewLoginIsTheRefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, fleet, station := fleetStation(t, answering)
		station.handshake = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			refuse(w, http.StatusUnauthorized, fieldgate.CodeUnauthorized)
			return true
		}
		socket := client.Connect(t.Context(), fieldgate.DeviceSocketConfig{})
		<-socket.Done()
		require.Equal(t, fieldgate.CodeUnauthorized, fieldgate.CodeOf(socket.Err()))
		require.Equal(t, 2, fleet.loginCount())
		require.Equal(t, 2, station.count())
	})
}

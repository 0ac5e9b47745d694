package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/problem"
	"github.com/fieldgate/fieldgate/api/request"
)

const (
	deviceSocket = "/socket"
	pageSocket   = "/page-socket" // which takes tickets
	aJWT         = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"
	protocolLine = "Sec-WebSocket-Protocol: fieldgate.v1, bearer." + goodToken
	originLine   = "Origin: " + app
)

// handshake is what the handler of a socket was given.
type handshake struct {
	Principal string
	Origin    string
	Header    http.Header
	Query     string
}

// door is an edge whose sockets pages of two origins may open.
type door struct{ *things }

func newDoor(t testing.TB) door {
	t.Helper()
	tell := func(w http.ResponseWriter, r *http.Request) {
		principal, _ := r.Context().Value(principalKey{}).(string)
		admitted := request.HTTP(r.Context())
		w.WriteHeader(http.StatusSwitchingProtocols)
		_ = json.NewEncoder(w).Encode(handshake{principal, request.Origin(r.Context()), admitted.Header, admitted.URL.RawQuery})
	}
	return door{newThings(t, tell, unlogged, func(c *Config) { c.AllowedOrigins = []string{app, "http://localhost:3000"} })}
}

// shake sends a handshake without a connection.
func (d door) shake(target string, header ...string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	setHeaders(r, header)
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return w.Result()
}

func (d door) requireShaken(t testing.TB, target string, header ...string) handshake {
	t.Helper()
	response := d.shake(target, header...)
	require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	reached := decode[handshake](t, response)
	require.Equal(t, "dev_1", reached.Principal)
	return reached
}

func (d door) requireNotShaken(t testing.TB, code fieldgate.Code, target string, header ...string) problem.Document {
	t.Helper()
	return requireProblem(t, d.shake(target, header...), code)
}

func TestABrowserAndAProgramCanOpenASocket(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		query     string
		header    http.Header
		protocols []string
	}{
		"with a header":                {"", http.Header{"Authorization": {"Bearer " + goodToken}}, []string{"fieldgate.v1"}},
		"with a subprotocol":           {"", nil, []string{"fieldgate.v1", "bearer." + goodToken}},
		"with the subprotocol first":   {"", nil, []string{"bearer." + goodToken, "fieldgate.v1"}},
		"with a ticket":                {"?ticket=" + goodToken, nil, []string{"fieldgate.v1"}},
		"with a ticket and an origin":  {"?ticket=" + goodToken, http.Header{"Origin": {app}}, []string{"fieldgate.v1"}},
		"with a header and an origin":  {"", http.Header{"Origin": {app}, "Authorization": {"Bearer " + goodToken}}, []string{"fieldgate.v1"}},
		"with several it may speak":    {"", nil, []string{"fieldgate.v2", "fieldgate.v1", "bearer." + goodToken}},
		"with a subprotocol of no use": {"", http.Header{"Authorization": {"Bearer " + goodToken}}, []string{"other", "fieldgate.v1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			it := newThings(t, upgrade(t), func(c *Config) { c.AllowedOrigins = []string{app} })
			logged := &closing{Handler: it.handler, done: make(chan struct{})}
			server := httptest.NewServer(logged)
			t.Cleanup(server.Close)
			header := c.header.Clone()
			if header == nil {
				header = http.Header{}
			}
			header.Set("X-Request-Id", "socket-1")
			dialer := websocket.Dialer{Subprotocols: c.protocols}

			conn, response, err := dialer.Dial("ws"+strings.TrimPrefix(server.URL, "http")+pageSocket+c.query, header)
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte("hello")))
			_, message, err := conn.ReadMessage()

			require.NoError(t, err)
			require.Equal(t, "hello", string(message))
			require.Equal(t, []string{"fieldgate.v1"}, response.Header["Sec-Websocket-Protocol"])
			require.Equal(t, []string{"socket-1"}, response.Header["X-Request-Id"])
			<-logged.done
			require.Contains(t, it.log.String(), `"status":101`)
			require.NotContains(t, it.log.String(), goodToken)
		})
	}
}

func TestWhereverTheCredentialWasItsHandlerFindsItInOnePlace(t *testing.T) {
	t.Parallel()
	d := newDoor(t)

	for name, c := range map[string]struct {
		target    string
		header    []string
		protocols []string
	}{
		"a header":               {deviceSocket, []string{authLine, "Sec-WebSocket-Protocol: fieldgate.v1"}, []string{"fieldgate.v1"}},
		"a subprotocol":          {deviceSocket, []string{protocolLine}, []string{"fieldgate.v1"}},
		"a subprotocol alone":    {deviceSocket, []string{"Sec-WebSocket-Protocol: bearer." + goodToken}, nil},
		"a line of its own":      {deviceSocket, []string{"Sec-WebSocket-Protocol: fieldgate.v1", "Sec-WebSocket-Protocol: bearer." + goodToken}, []string{"fieldgate.v1"}},
		"between others":         {deviceSocket, []string{"Sec-WebSocket-Protocol: a,bearer." + goodToken + " ,,b"}, []string{"a, b"}},
		"a name in another case": {deviceSocket, []string{"Sec-WebSocket-Protocol: a, BeaRer." + goodToken}, []string{"a"}},
		"a ticket":               {pageSocket + "?ticket=" + goodToken, []string{"Sec-WebSocket-Protocol: fieldgate.v1"}, []string{"fieldgate.v1"}},
		"an encoded ticket":      {pageSocket + "?%74icket=good%2dtoken", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			reached := d.requireShaken(t, c.target, c.header...)

			require.Equal(t, []string{"Bearer " + goodToken}, reached.Header["Authorization"])
			require.Equal(t, c.protocols, reached.Header["Sec-Websocket-Protocol"])
			require.Empty(t, reached.Query)
		})
	}
}

func TestAHandshakeWithSeveralCredentialsIsRefused(t *testing.T) {
	t.Parallel()
	d := newDoor(t)

	const inHeader, inProtocol, inQuery = "/header/Authorization", "/header/Sec-WebSocket-Protocol", "/query/ticket"
	for name, c := range map[string]struct {
		target string
		header []string
		places []string
	}{
		"header and subprotocol":          {pageSocket, []string{authLine, protocolLine}, []string{inHeader, inProtocol}},
		"header and ticket":               {pageSocket + "?ticket=x", []string{authLine}, []string{inHeader, inQuery}},
		"subprotocol and ticket":          {pageSocket + "?ticket=x", []string{protocolLine}, []string{inProtocol, inQuery}},
		"all of them":                     {pageSocket + "?ticket=x", []string{authLine, protocolLine}, []string{inHeader, inProtocol, inQuery}},
		"two subprotocols":                {deviceSocket, []string{protocolLine + ", bearer.x"}, []string{inProtocol}},
		"two lines of subprotocols":       {deviceSocket, []string{protocolLine, protocolLine}, []string{inProtocol}},
		"two tickets":                     {pageSocket + "?ticket=" + goodToken + "&ticket=" + goodToken, nil, []string{inQuery}},
		"another scheme and subprotocol":  {deviceSocket, []string{"Authorization: Basic YTpi", protocolLine}, []string{inHeader, inProtocol}},
		"header and an empty subprotocol": {deviceSocket, []string{authLine, "Sec-WebSocket-Protocol: bearer."}, []string{inHeader, inProtocol}},
		"header and an empty ticket":      {pageSocket + "?ticket=", []string{authLine}, []string{inHeader, inQuery}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			document := d.requireNotShaken(t, fieldgate.CodeValidationFailed, c.target, c.header...)

			var places []string
			for _, f := range faultsOf(document) {
				require.Equal(t, "must be the only credential", f.reason)
				places = append(places, f.pointer)
			}
			require.Equal(t, c.places, places)
		})
	}
}

func TestAHandshakeWithoutAGoodCredentialIs401(t *testing.T) {
	t.Parallel()
	d := newDoor(t)

	const (
		noToken = `Bearer realm="fieldgate"`
		invalid = `Bearer realm="fieldgate", error="invalid_token"`
	)
	for name, c := range map[string]struct {
		target    string
		header    []string
		challenge string
	}{
		"none":                      {pageSocket, nil, noToken},
		"a wrong header":            {pageSocket, []string{"Authorization: Bearer wrong"}, invalid},
		"two headers":               {pageSocket, []string{authLine, authLine}, invalid},
		"a wrong subprotocol":       {pageSocket, []string{"Sec-WebSocket-Protocol: fieldgate.v1, bearer.wrong"}, invalid},
		"an empty subprotocol":      {pageSocket, []string{"Sec-WebSocket-Protocol: fieldgate.v1, bearer."}, noToken},
		"a bare token":              {pageSocket, []string{"Sec-WebSocket-Protocol: fieldgate.v1, " + goodToken}, noToken},
		"bearer as a word":          {pageSocket, []string{"Sec-WebSocket-Protocol: fieldgate.v1, bearer, " + goodToken}, noToken},
		"a wrong ticket":            {pageSocket + "?ticket=wrong", nil, invalid},
		"an empty ticket":           {pageSocket + "?ticket=", nil, noToken},
		"a ticket that is none":     {pageSocket + "?ticket=" + strings.Repeat("x", 4096), nil, invalid},
		"a name in another case":    {pageSocket + "?Ticket=" + goodToken, nil, noToken},
		"where no ticket is taken":  {deviceSocket + "?ticket=" + goodToken, nil, noToken},
		"in a cookie":               {pageSocket, []string{"Cookie: token=" + goodToken}, noToken},
		"wrong, from an origin":     {pageSocket, []string{"Authorization: Bearer wrong", originLine}, invalid},
		"of an operation like this": {pageSocket, []string{"Sec-WebSocket-Protocol: bearer" + goodToken}, noToken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			response := d.shake(c.target, c.header...)

			requireProblem(t, response, fieldgate.CodeUnauthorized)
			require.Equal(t, c.challenge, response.Header.Get("WWW-Authenticate"))
		})
	}
}

func TestOnlyHandshakesTakeCredentialsFromElsewhere(t *testing.T) {
	t.Parallel()
	it := newThings(t, nothing)

	for _, c := range [][]string{{"", protocolLine}, {"?ticket=" + goodToken}} {
		response := it.ask(t, http.MethodPut, "/things/abc"+c[0], `{"name":"abc"}`, append(c[1:], isJSONLine, neededLine)...)

		requireProblem(t, response, fieldgate.CodeUnauthorized)
	}
}

func TestATokenInTheAddressOfASocketIsRefusedWithAHint(t *testing.T) {
	t.Parallel()

	for _, query := range []string{
		"access_token=" + goodToken, "token=" + goodToken, "jwt=" + goodToken, "apikey=" + goodToken, "api_key=" + goodToken,
		"authorization=" + goodToken, "bearer=" + goodToken,
		"ACCESS_TOKEN=" + goodToken, "Token=" + goodToken, "%74oken=" + goodToken, "token=", "token",
		"ticket=" + aJWT, "ticket=Bearer+" + aJWT, "ticket=" + goodToken + "&ticket=" + aJWT,
		"anything=" + aJWT, "anything=" + strings.TrimSuffix(aJWT, "c2lnbmF0dXJl"), "anything=%22" + aJWT + "%22",
		aJWT, aJWT + "=", "ticket=" + strings.ReplaceAll(aJWT, ".", "%2e"),
		"anything=ewogICJhbGciOiAiRVMyNTYiCn0." + "eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl", // a header on lines of its own
		"anything=eyJlbmMiOiJBMjU2R0NNIn0..aXY.dGV4dA.dGFn",                           // encrypted, with a key that is shared
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			it := newThings(t, nothing) // with a log of its own
			for target, hint := range map[string]string{deviceSocket: noTokenHere, pageSocket: noTokenButATicket} {
				response := it.ask(t, http.MethodGet, target+"?"+query, "", authLine) // it is refused beside a good one, too

				text := read(t, response)
				require.Equal(t, http.StatusBadRequest, response.StatusCode)
				require.NotContains(t, text, goodToken)
				require.NotContains(t, text, "c2lnbmF0dXJl")
				for _, way := range strings.Split(hint, `"`) {
					require.Contains(t, text, way)
				}
				require.NotContains(t, it.log.String(), goodToken)
				require.NotContains(t, it.log.String(), "eyJ")
			}
		})
	}
}

func TestAnAddressThatIsNotWellFormedOpensNoSocket(t *testing.T) {
	t.Parallel()
	d := newDoor(t)

	for _, query := range []string{"ticket=%zz", "ticket=" + goodToken + ";x=1", "%zz=1&ticket=" + goodToken} {
		document := d.requireNotShaken(t, fieldgate.CodeValidationFailed, pageSocket+"?"+query)

		require.Equal(t, []fault{{"/query", "syntax", "is not well-formed"}}, faultsOf(document))
	}
}

func TestAnAddressWithMoreThanATicketOpensNoSocket(t *testing.T) {
	t.Parallel()
	d := newDoor(t)

	document := d.requireNotShaken(t, fieldgate.CodeValidationFailed, pageSocket+"?ticket="+goodToken+"&tocken=x")

	require.Equal(t, []fault{{"/query", "unknown", "has a parameter that this operation does not take; it takes ticket"}}, faultsOf(document))
}

func TestOnlyPagesOfAllowedOriginsMayOpenSockets(t *testing.T) {
	t.Parallel()
	d := newDoor(t)

	for origin, may := range map[string]bool{
		app:                                 true,
		"http://localhost:3000":             true,
		"null":                              false,
		"":                                  false,
		"*":                                 false,
		"https://app.example.com.evil.net":  false, // suffix
		"https://evil-app.example.com":      false, // prefix
		"https://sub.app.example.com":       false,
		"https://example.com":               false,
		"https://app.example.com:8443":      false,
		"https://app.example.com:443":       false, // no browser writes the default port
		"http://app.example.com":            false, // scheme
		"wss://app.example.com":             false,
		"https://app.example.com@evil.net":  false, // userinfo
		"https://evil.net@app.example.com":  false,
		"https://APP.example.com":           false, // no browser writes upper case
		"HTTPS://app.example.com":           false,
		"https://app.example.com.":          false, // another origin, though the same host
		"https://app.example.com/":          false,
		"https://app.example.com#x":         false,
		"https://app.exаmple.com":           false, // a Cyrillic letter
		"https://xn--app.exmple.com-8ch":    false,
		"https://app。example.com":           false, // an ideographic full stop
		"https://app.example.com, " + app:   false,
		app + " http://localhost:3000":      false,
		"http://localhost":                  false,
		"https://app.example.com%00.evil.x": false,
	} {
		t.Run(origin, func(t *testing.T) {
			t.Parallel()
			for target, header := range map[string][]string{
				deviceSocket:                        {authLine, "Origin: " + origin},
				pageSocket:                          {protocolLine, "Origin: " + origin},
				pageSocket + "?ticket=" + goodToken: {"Origin: " + origin},
			} {
				target = "http://10.0.0.7" + target
				if may {
					require.Equal(t, origin, d.requireShaken(t, target, header...).Origin)
					continue
				}
				document := d.requireNotShaken(t, fieldgate.CodeOriginNotAllowed, target, header...)
				require.Equal(t, "Pages of this origin may not open sockets here.", document.Detail)
			}
		})
	}
}

func TestSeveralOriginsAreNoneThatMayOpenASocket(t *testing.T) {
	t.Parallel()
	d := newDoor(t)

	for _, second := range []string{app, "https://evil.net", ""} {
		d.requireNotShaken(t, fieldgate.CodeOriginNotAllowed, deviceSocket, authLine, originLine, "Origin: "+second)
	}
}

// A page of the gateway's own, such as the console, needs no list.
func TestAPageMayOpenASocketToItsOwnHost(t *testing.T) {
	t.Parallel()
	d := door{newThings(t, nothing)}

	for _, c := range []struct {
		host, origin string
		may          bool
	}{
		{"gateway.example.com", "https://gateway.example.com", true}, // a balancer ends TLS
		{"gateway.example.com", "http://gateway.example.com", true},
		{"GATEWAY.example.com", "https://gateway.example.com", true},
		{"gateway.example.com:443", "https://gateway.example.com", true},
		{"gateway.example.com:80", "http://gateway.example.com", true},
		{"localhost:8080", "http://localhost:8080", true},
		{"[::1]:8080", "http://[::1]:8080", true},
		{"gateway.example.com", "https://gateway.example.com:8443", false},
		{"gateway.example.com:8443", "https://gateway.example.com", false},
		{"gateway.example.com:443", "http://gateway.example.com", false},
		{"gateway.example.com", "https://GATEWAY.example.com", false}, // no browser writes upper case
		{"gateway.example.com", "https://gateway.example.com:443", false},
		{"gateway.example.com", "https://gateway.example.com/", false},
		{"gateway.example.com", "ftp://gateway.example.com", false},
		{"gateway.example.com", "//gateway.example.com", false},
		{"gateway.example.com", "https://evil.net@gateway.example.com", false},
		{"gateway.example.com", "https://sub.gateway.example.com", false},
		{"gateway.example.com", "https://gateway.example.com.evil.net", false},
		{"gateway.example.com", app, false},
		{"gateway.example.com", "null", false},
		{"null", "null", false},
		{"gateway.example.com", "", false},
		{"", "", false},
		{"", "https://", false},
	} {
		response := d.shake("http://"+c.host+pageSocket, protocolLine, "Origin: "+c.origin)
		if !c.may {
			requireProblem(t, response, fieldgate.CodeOriginNotAllowed)
			continue
		}
		require.Equal(t, http.StatusNoContent, response.StatusCode, c)
	}
}

func TestOnlyTheHostThatIsAskedIsAPagesOwn(t *testing.T) {
	t.Parallel()
	d := door{newThings(t, nothing)}

	for _, line := range []string{
		"X-Forwarded-Host: app.example.com", "Forwarded: host=app.example.com", "X-Host: app.example.com",
		"X-Original-Host: app.example.com", "X-Forwarded-Server: app.example.com",
	} {
		d.requireNotShaken(t, fieldgate.CodeOriginNotAllowed, pageSocket, protocolLine, originLine, line)
	}
	d.requireNotShaken(t, fieldgate.CodeOriginNotAllowed, "http://app.example.com"+pageSocket, protocolLine, originLine, originLine)
}

// Nothing that a browser sends by itself is a credential, so whoever shows one
// without an origin is no page.
func TestWhoIsNoBrowserNeedsNoOrigin(t *testing.T) {
	t.Parallel()
	d := newDoor(t)

	for target, header := range map[string][]string{
		deviceSocket: {authLine}, pageSocket: {protocolLine}, pageSocket + "?ticket=" + goodToken: nil,
	} {
		require.Empty(t, d.requireShaken(t, target, header...).Origin)
	}
}

func TestAnOriginIsCheckedBeforeTheCredential(t *testing.T) {
	t.Parallel()
	it := newThings(t, nothing, func(c *Config) {
		c.Authenticators["customerJWT"] = func(context.Context, string) (context.Context, error) {
			t.Error("the ticket would be used up")
			return nil, nil
		}
	})

	response := it.ask(t, http.MethodGet, pageSocket+"?ticket="+goodToken, "", "Origin: https://evil.net")

	requireProblem(t, response, fieldgate.CodeOriginNotAllowed)
}

func TestAuthenticatorsKnowTheOrigin(t *testing.T) {
	t.Parallel()

	for target, header := range map[string][]string{
		pageSocket + "?ticket=x": {originLine},
		"/things/abc":            {originLine, authLine, isJSONLine, neededLine}, // where tickets are issued, it is an operation like others
	} {
		var origin string
		it := newThings(t, nothing, func(c *Config) {
			c.AllowedOrigins = []string{app}
			for scheme := range c.Authenticators {
				c.Authenticators[scheme] = func(ctx context.Context, _ string) (context.Context, error) {
					origin = request.Origin(ctx)
					return nil, fieldgate.Refuse(fieldgate.CodeUnauthorized, "")
				}
			}
		})
		method := http.MethodGet
		if !strings.HasPrefix(target, pageSocket) {
			method = http.MethodPut
		}

		requireProblem(t, it.ask(t, method, target, "", header...), fieldgate.CodeUnauthorized)
		require.Equal(t, app, origin)
	}
}

// FuzzHandshake looks for handshakes that leave a credential where it does not
// belong, or that open a socket with a token in the address.
func FuzzHandshake(f *testing.F) {
	for _, seed := range [][2]string{
		{"", "fieldgate.v1, bearer." + goodToken}, {"ticket=" + goodToken, "fieldgate.v1"}, {"ticket=" + aJWT, ""},
		{"token=x", "a,,b"}, {"ticket=%zz", "bearer."}, {"ticket=good%2dtoken", " Bearer.x ,bearer.y"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, query, protocols string) {
		c := &contract{}
		op := &operation{parameters: parameters{query: map[string]bool{ticketQuery: false}}}
		r := &http.Request{URL: &url.URL{RawQuery: query}, Header: http.Header{}}
		r.Header.Set("Sec-WebSocket-Protocol", protocols)
		offered, _ := url.ParseQuery(query)

		if err := c.shakeHands(r, op); err != nil {
			require.Equal(t, fieldgate.CodeValidationFailed, fieldgate.CodeOf(err))
			return
		}

		require.False(t, holdsToken(offered))
		require.False(t, r.URL.Query().Has("ticket"))
		for _, left := range websocket.Subprotocols(r) {
			require.False(t, strings.HasPrefix(strings.ToLower(left), "bearer."))
			require.True(t, slices.ContainsFunc(strings.Split(protocols, ","), func(sent string) bool {
				return strings.TrimSpace(sent) == left
			}))
		}
		require.LessOrEqual(t, len(r.Header["Authorization"]), 1)
	})
}

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
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/problem"
	"github.com/fieldgate/fieldgate/api/request"
)

const (
	deviceSocket = "/socket"
	pageSocket   = "/page-socket" // path of a socket that accepts tickets
	aJWT         = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"
	protocolLine = "Sec-WebSocket-Protocol: fieldgate.v1, bearer." + goodToken
	originLine   = "Origin: " + app
)

// openedSocket describes the request that the handler of a socket received.
type openedSocket struct {
	Principal string
	Origin    string
	Header    http.Header
	Query     string
}

// socketEdge is an edge whose sockets may be opened by pages of two origins.
type socketEdge struct{ *testEdge }

func newSocketEdge(t testing.TB) socketEdge {
	t.Helper()
	serve := func(w http.ResponseWriter, r *http.Request) {
		principal, _ := r.Context().Value(principalKey{}).(string)
		admitted := request.HTTP(r.Context())
		w.WriteHeader(http.StatusSwitchingProtocols)
		_ = json.NewEncoder(w).Encode(openedSocket{principal, request.Origin(r.Context()), admitted.Header, admitted.URL.RawQuery})
	}
	return socketEdge{newTestEdge(t, serve, withoutLog, func(c *Config) { c.AllowedOrigins = []string{app, "http://localhost:3000"} })}
}

// handshake serves a handshake without a network connection.
func (d socketEdge) handshake(target string, header ...string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	setHeaders(r, header)
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return w.Result()
}

func (d socketEdge) requireOpened(t testing.TB, target string, header ...string) openedSocket {
	t.Helper()
	response := d.handshake(target, header...)
	require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	got := decode[openedSocket](t, response)
	require.Equal(t, "dev_1", got.Principal)
	return got
}

func (d socketEdge) requireRefused(t testing.TB, code fieldgate.Code, target string, header ...string) problem.Document {
	t.Helper()
	return requireProblem(t, d.handshake(target, header...), code)
}

func TestHandshake_OpensSocketForBrowsersAndPrograms(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		query     string
		header    http.Header
		protocols []string
	}{
		"with a header":               {"", http.Header{"Authorization": {"Bearer " + goodToken}}, []string{"fieldgate.v1"}},
		"with a subprotocol":          {"", nil, []string{"fieldgate.v1", "bearer." + goodToken}},
		"with the subprotocol first":  {"", nil, []string{"bearer." + goodToken, "fieldgate.v1"}},
		"with a ticket":               {"?ticket=" + goodToken, nil, []string{"fieldgate.v1"}},
		"with a ticket and an origin": {"?ticket=" + goodToken, http.Header{"Origin": {app}}, []string{"fieldgate.v1"}},
		"with a header and an origin": {"", http.Header{"Origin": {app}, "Authorization": {"Bearer " + goodToken}}, []string{"fieldgate.v1"}},
		"with several versions":       {"", nil, []string{"fieldgate.v2", "fieldgate.v1", "bearer." + goodToken}},
		"with an unknown subprotocol": {"", http.Header{"Authorization": {"Bearer " + goodToken}}, []string{"other", "fieldgate.v1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			te := newTestEdge(t, echoSocket(t), func(c *Config) { c.AllowedOrigins = []string{app} })
			served := &doneHandler{Handler: te.handler, done: make(chan struct{})}
			server := httptest.NewServer(served)
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
			<-served.done
			require.Contains(t, te.log.String(), `"status":101`)
			require.NotContains(t, te.log.String(), goodToken)
		})
	}
}

func TestHandshake_MovesCredentialToAuthorizationHeader(t *testing.T) {
	t.Parallel()
	d := newSocketEdge(t)

	for name, c := range map[string]struct {
		target    string
		header    []string
		protocols []string
	}{
		"a header":               {deviceSocket, []string{authLine, "Sec-WebSocket-Protocol: fieldgate.v1"}, []string{"fieldgate.v1"}},
		"a subprotocol":          {deviceSocket, []string{protocolLine}, []string{"fieldgate.v1"}},
		"a line of its own":      {deviceSocket, []string{"Sec-WebSocket-Protocol: fieldgate.v1", "Sec-WebSocket-Protocol: bearer." + goodToken}, []string{"fieldgate.v1"}},
		"between others":         {deviceSocket, []string{"Sec-WebSocket-Protocol: a,bearer." + goodToken + " ,,b"}, []string{"a, b"}},
		"a name in another case": {deviceSocket, []string{"Sec-WebSocket-Protocol: a, BeaRer." + goodToken}, []string{"a"}},
		"a ticket":               {pageSocket + "?ticket=" + goodToken, []string{"Sec-WebSocket-Protocol: fieldgate.v1"}, []string{"fieldgate.v1"}},
		"an encoded ticket":      {pageSocket + "?%74icket=good%2dtoken", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got := d.requireOpened(t, c.target, c.header...)

			require.Equal(t, []string{"Bearer " + goodToken}, got.Header["Authorization"])
			require.Equal(t, c.protocols, got.Header["Sec-Websocket-Protocol"])
			require.Empty(t, got.Query)
		})
	}
}

func TestHandshake_SeveralCredentialsAreRefused(t *testing.T) {
	t.Parallel()
	d := newSocketEdge(t)

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

			document := d.requireRefused(t, fieldgate.CodeValidationFailed, c.target, c.header...)

			var places []string
			for _, f := range fieldErrorsOf(document) {
				require.Equal(t, "must be the only credential", f.reason)
				places = append(places, f.pointer)
			}
			require.Equal(t, c.places, places)
		})
	}
}

func TestHandshake_WithoutValidCredentialIs401(t *testing.T) {
	t.Parallel()
	d := newSocketEdge(t)

	const (
		noToken = `Bearer realm="fieldgate"`
		invalid = `Bearer realm="fieldgate", error="invalid_token"`
	)
	for name, c := range map[string]struct {
		target    string
		header    []string
		challenge string
	}{
		"none":                     {pageSocket, nil, noToken},
		"a wrong header":           {pageSocket, []string{"Authorization: Bearer wrong"}, invalid},
		"two headers":              {pageSocket, []string{authLine, authLine}, invalid},
		"a wrong subprotocol":      {pageSocket, []string{"Sec-WebSocket-Protocol: fieldgate.v1, bearer.wrong"}, invalid},
		"an empty subprotocol":     {pageSocket, []string{"Sec-WebSocket-Protocol: fieldgate.v1, bearer."}, noToken},
		"a bare token":             {pageSocket, []string{"Sec-WebSocket-Protocol: fieldgate.v1, " + goodToken}, noToken},
		"bearer as a word":         {pageSocket, []string{"Sec-WebSocket-Protocol: fieldgate.v1, bearer, " + goodToken}, noToken},
		"a wrong ticket":           {pageSocket + "?ticket=wrong", nil, invalid},
		"an empty ticket":          {pageSocket + "?ticket=", nil, noToken},
		"a long ticket":            {pageSocket + "?ticket=" + strings.Repeat("x", 4096), nil, invalid},
		"a name in another case":   {pageSocket + "?Ticket=" + goodToken, nil, noToken},
		"where no ticket is taken": {deviceSocket + "?ticket=" + goodToken, nil, noToken},
		"in a cookie":              {pageSocket, []string{"Cookie: token=" + goodToken}, noToken},
		"wrong, from an origin":    {pageSocket, []string{"Authorization: Bearer wrong", originLine}, invalid},
		"a prefix without its dot": {pageSocket, []string{"Sec-WebSocket-Protocol: bearer" + goodToken}, noToken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			response := d.handshake(c.target, c.header...)

			requireProblem(t, response, fieldgate.CodeUnauthorized)
			require.Equal(t, c.challenge, response.Header.Get("WWW-Authenticate"))
		})
	}
}

func TestHandshake_OtherRequestsNeedAuthorizationHeader(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, noContent)

	for _, c := range [][]string{{"", protocolLine}, {"?ticket=" + goodToken}} {
		response := te.ask(t, http.MethodPut, "/things/abc"+c[0], `{"name":"abc"}`, append(c[1:], jsonLine, requiredLine)...)

		requireProblem(t, response, fieldgate.CodeUnauthorized)
	}
}

func TestHandshake_TokenInQueryIsRefused(t *testing.T) {
	t.Parallel()

	for _, query := range []string{
		"access_token=" + goodToken, "token=" + goodToken, "jwt=" + goodToken, "apikey=" + goodToken, "api_key=" + goodToken,
		"authorization=" + goodToken, "bearer=" + goodToken,
		"ACCESS_TOKEN=" + goodToken, "Token=" + goodToken, "%74oken=" + goodToken, "token=", "token",
		"ticket=" + aJWT, "ticket=Bearer+" + aJWT, "ticket=" + goodToken + "&ticket=" + aJWT,
		"anything=" + aJWT, "anything=" + strings.TrimSuffix(aJWT, "c2lnbmF0dXJl"), "anything=%22" + aJWT + "%22",
		aJWT, aJWT + "=", "ticket=" + strings.ReplaceAll(aJWT, ".", "%2e"),
		"anything=ewogICJhbGciOiAiRVMyNTYiCn0." + "eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl", // a JWT header with line breaks
		"anything=eyJlbmMiOiJBMjU2R0NNIn0..aXY.dGV4dA.dGFn",                           // encrypted (JWE) with a shared key
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			te := newTestEdge(t, noContent) // each edge has its own log
			for target, hint := range map[string]string{deviceSocket: tokenInQueryReason, pageSocket: tokenInQueryReasonWithTicket} {
				response := te.ask(t, http.MethodGet, target+"?"+query, "", authLine) // the header contains a valid token

				text := read(t, response)
				require.Equal(t, http.StatusBadRequest, response.StatusCode)
				require.NotContains(t, text, goodToken)
				require.NotContains(t, text, "c2lnbmF0dXJl")
				for _, way := range strings.Split(hint, `"`) {
					require.Contains(t, text, way)
				}
				require.NotContains(t, te.log.String(), goodToken)
				require.NotContains(t, te.log.String(), "eyJ")
			}
		})
	}
}

func TestHandshake_MalformedQueryIsRefused(t *testing.T) {
	t.Parallel()
	d := newSocketEdge(t)

	for _, query := range []string{"ticket=%zz", "ticket=" + goodToken + ";x=1", "%zz=1&ticket=" + goodToken} {
		document := d.requireRefused(t, fieldgate.CodeValidationFailed, pageSocket+"?"+query)

		require.Equal(t, []fieldError{{"/query", "syntax", "is not well-formed"}}, fieldErrorsOf(document))
	}
}

func TestHandshake_UnknownParameterIsRefused(t *testing.T) {
	t.Parallel()
	d := newSocketEdge(t)

	document := d.requireRefused(t, fieldgate.CodeValidationFailed, pageSocket+"?ticket="+goodToken+"&tocken=x")

	require.Equal(t, []fieldError{{"/query", "unknown", "has an unknown parameter; this operation accepts ticket"}}, fieldErrorsOf(document))
}

// FuzzHandshake requires that checkHandshake refuses every query that contains a token. From
// each request that it accepts, it must remove the ticket and the bearer subprotocols.
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

		if err := c.checkHandshake(r, op); err != nil {
			require.Equal(t, fieldgate.CodeValidationFailed, fieldgate.CodeOf(err))
			return
		}

		require.False(t, containsToken(offered))
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

// TestAdmitHandshake_ComesBeforeAuthentication opens sockets while handshakes may be served, and while
// not. Other requests do not wait.
func TestAdmitHandshake_ComesBeforeAuthentication(t *testing.T) {
	t.Parallel()
	waiting, authenticated, full := 0, 0, false
	d := socketEdge{newTestEdge(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusSwitchingProtocols) }, withoutLog, func(c *Config) {
		c.AdmitHandshake = func(context.Context) (func(), error) {
			if full {
				return nil, &fieldgate.Error{Code: fieldgate.CodeOverloaded, RetryAfter: time.Second}
			}
			waiting++
			return func() { waiting-- }, nil
		}
		for scheme, authenticate := range c.Authenticators {
			c.Authenticators[scheme] = func(ctx context.Context, token string) (context.Context, error) {
				authenticated++
				return authenticate(ctx, token)
			}
		}
	})}
	require.Equal(t, http.StatusSwitchingProtocols, d.handshake(deviceSocket, authLine).StatusCode)
	require.Equal(t, 1, authenticated)
	require.Zero(t, waiting, "a turn is kept after the handshake")
	require.Equal(t, http.StatusUnauthorized, d.handshake(deviceSocket, "Authorization: Bearer wrong").StatusCode)
	require.Zero(t, waiting, "a turn is kept after a refusal")
	authenticated, full = 0, true
	refused := d.handshake(deviceSocket, authLine)
	requireProblem(t, refused, fieldgate.CodeOverloaded)
	require.Equal(t, "close", refused.Header.Get("Connection"))
	require.Equal(t, "1", refused.Header.Get("Retry-After"))
	require.Zero(t, authenticated, "a handshake that is refused costs an authentication")
	r, other := httptest.NewRequest(http.MethodPut, "/things/abc", strings.NewReader(`{"name":"abc"}`)), httptest.NewRecorder()
	setHeaders(r, []string{jsonLine, authLine, requiredLine})
	d.handler.ServeHTTP(other, r)
	require.NotEqual(t, http.StatusServiceUnavailable, other.Code, "another request waits")
}

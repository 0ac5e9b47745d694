package realtime_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/realtime"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// The key and its hash are those of the example in RFC 6455, section 1.3.
const (
	sampleKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// handshake is a test case: a valid handshake with changes, and the expected response.
type handshake struct {
	section, name string
	request       string            // method and version; empty means GET and HTTP/1.1
	change        map[string]string // headers to replace; an empty value removes the header
	more          []string          // header lines to add
	status        int
	protocol      string // expected subprotocol in the response
}

// lines returns the lines of the request.
func (s handshake) lines(path, token string) []string {
	request := "GET " + path + " HTTP/1.1"
	if method, version, ok := strings.Cut(s.request, " "); ok {
		request = method + " " + path + " " + version
	}
	lines := []string{request}
	for _, line := range []string{
		"Host: test", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + sampleKey,
		"Authorization: Bearer " + token,
	} {
		name, _, _ := strings.Cut(line, ":")
		value, changed := s.change[name]
		switch {
		case !changed:
			lines = append(lines, line)
		case value != "":
			lines = append(lines, name+": "+value)
		}
	}
	return slices.Concat(lines, s.more)
}

func without(header string) map[string]string { return map[string]string{header: ""} }

func with(header, value string) map[string]string { return map[string]string{header: value} }

const (
	offered = "Sec-WebSocket-Protocol"
	version = "Sec-WebSocket-Version"
	key     = "Sec-WebSocket-Key"
)

var validHandshakes = []handshake{
	{section: "4.2.1", name: "required headers only"},
	{section: "4.2.1", name: "Connection with several values", change: with("Connection", "keep-alive, Upgrade")},
	{section: "4.2.1", name: "Connection on several lines", change: with("Connection", "keep-alive"), more: []string{"Connection: upgrade"}},
	{section: "4.2.1", name: "Connection in lower case", change: with("Connection", "upgrade")},
	{section: "4.2.1", name: "Upgrade in mixed case", change: with("Upgrade", "WebSocket")},
	{section: "4.2.1", name: "Upgrade with several values", change: with("Upgrade", "h2c, websocket")},
	{section: "4.2.1", name: "header names in lower case", change: without(key),
		more: []string{"sec-websocket-key: " + sampleKey}},
	{section: "4.2.1", name: "header names in upper case", change: without(version), more: []string{"SEC-WEBSOCKET-VERSION: 13"}},
	{section: "4.2.1", name: "spaces around a key", change: with(key, "  "+sampleKey+"\t ")},
	{section: "4.2.1", name: "unrelated headers", more: []string{"X-Something: else", "Accept-Language: de"}},
	{section: "11.3.4", name: "the subprotocol", more: []string{offered + ": fieldgate.v1"}, protocol: "fieldgate.v1"},
	{section: "11.3.4", name: "the subprotocol among others", more: []string{offered + ": mqtt, fieldgate.v1, stomp"}, protocol: "fieldgate.v1"},
	{section: "11.3.4", name: "the subprotocol on a second line", more: []string{offered + ": mqtt", offered + ": fieldgate.v1"}, protocol: "fieldgate.v1"},
	{section: "11.3.4", name: "the subprotocol without spaces", more: []string{offered + ":mqtt,fieldgate.v1"}, protocol: "fieldgate.v1"},
	{section: "9.1", name: "permessage-deflate", more: []string{"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"}},
	{section: "9.1", name: "unknown extensions", more: []string{"Sec-WebSocket-Extensions: x-unknown; a=1, x-other"}},
}

var invalidHandshakes = []handshake{
	{section: "4.2.1", name: "POST", request: "POST HTTP/1.1", status: http.StatusMethodNotAllowed},
	{section: "4.2.1", name: "PUT", request: "PUT HTTP/1.1", status: http.StatusMethodNotAllowed},
	{section: "4.2.1", name: "OPTIONS", request: "OPTIONS HTTP/1.1", status: http.StatusMethodNotAllowed},
	{section: "4.2.1", name: "HTTP/1.0", request: "GET HTTP/1.0", status: http.StatusBadRequest},
	{section: "4.2.1", name: "no Host", change: without("Host"), status: http.StatusBadRequest},
	{section: "4.2.1", name: "no Connection", change: without("Connection"), status: http.StatusBadRequest},
	{section: "4.2.1", name: "Connection without Upgrade", change: with("Connection", "keep-alive"), status: http.StatusBadRequest},
	{section: "4.2.1", name: "Connection with a similar token", change: with("Connection", "Upgrades"), status: http.StatusBadRequest},
	{section: "4.2.1", name: "no Upgrade", change: without("Upgrade"), status: http.StatusBadRequest},
	{section: "4.2.1", name: "Upgrade to another protocol", change: with("Upgrade", "h2c"), status: http.StatusBadRequest},
	{section: "4.2.1", name: "Upgrade to a similar token", change: with("Upgrade", "websockets"), status: http.StatusBadRequest},
	{section: "4.2.1", name: "no key", change: without(key), status: http.StatusBadRequest},
	{section: "4.2.1", name: "a key of 15 bytes", change: with(key, "AAECAwQFBgcICQoLDA0O"), status: http.StatusBadRequest},
	{section: "4.2.1", name: "a key of 17 bytes", change: with(key, "AAECAwQFBgcICQoLDA0ODxA="), status: http.StatusBadRequest},
	{section: "4.2.1", name: "a key without padding", change: with(key, strings.TrimRight(sampleKey, "=")), status: http.StatusBadRequest},
	{section: "4.2.1", name: "a key that is not base64", change: with(key, "not base64 at all!!!!!=="), status: http.StatusBadRequest},
	{section: "4.2.1", name: "a key in URL-safe base64", change: with(key, "____________________-w=="), status: http.StatusBadRequest},
	{section: "11.3.1", name: "two keys", more: []string{key + ": " + sampleKey}, status: http.StatusBadRequest},
	{section: "4.2.2", name: "no version", change: without(version), status: http.StatusBadRequest},
	{section: "4.2.2", name: "version 8", change: with(version, "8"), status: http.StatusBadRequest},
	{section: "4.2.2", name: "version 14", change: with(version, "14"), status: http.StatusBadRequest},
	{section: "4.2.2", name: "version 013", change: with(version, "013"), status: http.StatusBadRequest},
	{section: "4.2.2", name: "a version that is not a number", change: with(version, "thirteen"), status: http.StatusBadRequest},
	{section: "11.3.5", name: "two versions", more: []string{version + ": 8"}, status: http.StatusBadRequest},
	{section: "11.3.5", name: "two versions on one line", change: with(version, "8, 13"), status: http.StatusBadRequest},
	{section: "4.2.2", name: "another subprotocol", more: []string{offered + ": mqtt"}, status: http.StatusBadRequest},
	{section: "4.2.2", name: "the subprotocol in upper case", more: []string{offered + ": Fieldgate.V1"}, status: http.StatusBadRequest},
	{section: "4.2.2", name: "a later version of the subprotocol", more: []string{offered + ": fieldgate.v2"}, status: http.StatusBadRequest},
}

func TestHandshake_ValidOpensASocket(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	token := g.Token(gatewaytest.NewTenantID(), "alice", "viewer")
	hub := newEcho(t, realtime.Limits{}) // tests the hub without the gateway's HTTP edge
	for _, c := range validHandshakes {
		for way, url := range map[string]string{"gateway": g.URL, "hub": hub.URL} {
			t.Run(c.section+" "+c.name+", "+way, func(t *testing.T) {
				t.Parallel()
				w := dialRaw(t, strings.TrimPrefix(url, "http://"))
				c.requireOpened(t, w, w.ask(c.lines("/api/v1/customer/ws", token)...))
			})
		}
	}
}

func (s handshake) requireOpened(t *testing.T, w *rawClient, answer *http.Response) {
	t.Helper()
	require.Equal(t, "101 Switching Protocols", answer.Status)
	require.Equal(t, "websocket", answer.Header.Get("Upgrade"))
	require.Equal(t, "Upgrade", answer.Header.Get("Connection"))
	require.Equal(t, []string{sampleAccept}, answer.Header.Values("Sec-WebSocket-Accept"))
	require.Equal(t, s.protocol, strings.Join(answer.Header.Values(offered), ","))
	require.Empty(t, answer.Header.Values("Sec-WebSocket-Extensions"))
	require.Equal(t, "welcome", w.next())
	w.expect()
	w.write(frame(fin|rsv1|opText, "compressed"))
	w.expect(closed(protocolError))
}

func TestHandshake_InvalidIsRefused(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	token := g.Token(gatewaytest.NewTenantID(), "alice", "viewer")
	for _, c := range invalidHandshakes {
		t.Run(c.section+" "+c.name, func(t *testing.T) {
			t.Parallel()
			w := dialRaw(t, strings.TrimPrefix(g.URL, "http://"))
			answer := w.ask(c.lines("/api/v1/customer/ws", token)...)
			require.Equal(t, c.status, answer.StatusCode)
			require.Empty(t, answer.Header.Values("Sec-WebSocket-Accept"))
			if c.status == http.StatusBadRequest && c.name != "no Host" {
				require.Equal(t, []string{"13"}, answer.Header.Values(version), "section 4.4: the supported versions")
				require.Equal(t, "application/problem+json", answer.Header.Get("Content-Type"))
			}
		})
	}
}

func TestHandshake_FrameBeforeTheResponseOpensNoSocket(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	opened := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		opened <- e.hub.Open(w, r, realtime.OpenRequest{Tenant: storetest.Tenant(), User: "alice", Serve: e.serve, Verify: keepOpen})
	}))
	t.Cleanup(server.Close)
	w := dialRaw(t, server.Listener.Addr().String())
	head := strings.Join(handshake{}.lines("/", "token"), "\r\n") + "\r\n\r\n"
	w.write(append([]byte(head), message("early")...)) // breaks section 4.1: a client must await the response first
	_, err := w.r.ReadByte()
	require.Error(t, err)
	require.NoError(t, <-opened, "Open must not ask the caller for a response")
	requireNoSockets(t, e.hub)
}

func TestHandshake_InvalidClosesNoOtherSocket(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	device := []string{"X-Device: dev_00" + strings.Repeat("0", 26), "X-Tenant: " + storetest.Tenant()}
	w := e.dial(t, device...)
	for _, c := range invalidHandshakes {
		if c.status == http.StatusBadRequest && c.name != "no Host" {
			c.more = append(c.more, device...)
			answer := dialRaw(t, e.Listener.Addr().String()).ask(c.lines("/", "token")...)
			require.Equal(t, http.StatusBadRequest, answer.StatusCode, c.name)
		}
	}
	w.write(message("open"))
	w.expect(reply("open"))
}

// TestHandshake_SuspendedDeviceIsClosed covers a device that is suspended or
// decommissioned after its token was verified, while its socket opens.
func TestHandshake_SuspendedDeviceIsClosed(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	device := store.Device{Tenant: storetest.Tenant(), ID: "dev_00" + strings.Repeat("0", 26)}
	for status, first := range map[string]string{
		"active": "welcome", "suspended": closed(realtime.CloseWithdrawn), "decommissioned": closed(realtime.CloseWithdrawn),
	} {
		require.NoError(t, e.store.Do(t.Context(), "set_status", func(ctx context.Context, c store.Client) error {
			return c.HSet(ctx, device.RecordKey(), "status", status).Err()
		}))
		lines := append(handshake{}.lines("/", "token"), "X-Device: "+device.ID, "X-Tenant: "+device.Tenant)
		w := dialRaw(t, e.Listener.Addr().String())
		require.Equal(t, http.StatusSwitchingProtocols, w.ask(lines...).StatusCode, status)
		require.Equal(t, first, w.next(), status)
		require.NoError(t, w.Close())
		require.Eventually(t, func() bool {
			open, _, err := e.hub.Connections(t.Context(), device.Tenant, store.Page{Limit: 1})
			return err == nil && len(open) == 0
		}, timeout, 10*time.Millisecond, status)
	}
}

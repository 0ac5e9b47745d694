package gateway_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

const adminToken = "a-token-of-an-operator-with-40-characters"

// served is a gateway whose listeners differ from those of gatewaytest.
type served struct {
	*gateway.Gateway
	tokens *customertest.Issuer
	level  *slog.LevelVar
	log    gatewaytest.Log
}

func serveWith(t *testing.T, changes ...func(*gateway.Config)) *served {
	t.Helper()
	s := &served{tokens: customertest.NewIssuer(t), level: new(slog.LevelVar)}
	s.level.Set(slog.LevelDebug)
	cfg := gateway.Config{
		Addr: "127.0.0.1:0", Embedded: true, SupabaseURL: s.tokens.URL(), LogLevel: s.level,
		Logger: slog.New(slog.NewJSONHandler(&s.log, &slog.HandlerOptions{Level: s.level})),
	}
	for _, change := range changes {
		change(&cfg)
	}
	g, err := gateway.New(t.Context(), cfg)
	require.NoError(t, err)
	s.Gateway = g
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	return s
}

// get sends a GET with the headers, over the transport.
func get(t *testing.T, transport *http.Transport, url string, headers ...string) (*http.Response, string) {
	t.Helper()
	t.Cleanup(transport.CloseIdleConnections)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	response, err := transport.RoundTrip(r)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(body)
}

// withTLS serves the API with a new certificate for 127.0.0.1. It returns the configuration of a client
// that trusts it.
func withTLS(t *testing.T) (change func(*gateway.Config), client *tls.Config) {
	t.Helper()
	authority, err := storetest.NewAuthority()
	require.NoError(t, err)
	dir := t.TempDir()
	cert, key := authority.Issue(t)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(authority.PEM()))
	return func(cfg *gateway.Config) {
		cfg.TLSCertFile, cfg.TLSKeyFile = storetest.WriteFile(t, dir, "cert.pem", cert), storetest.WriteFile(t, dir, "key.pem", key)
	}, &tls.Config{RootCAs: roots}
}

func TestTLS_ServesHTTP2AndSockets(t *testing.T) {
	t.Parallel()
	change, trusting := withTLS(t)
	g := serveWith(t, change)
	response, _ := get(t, &http.Transport{TLSClientConfig: trusting, ForceAttemptHTTP2: true}, "https://"+g.Addr()+"/healthz")
	require.Equal(t, 2, response.ProtoMajor)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "max-age=31536000", response.Header.Get("Strict-Transport-Security"))

	dialer := websocket.Dialer{TLSClientConfig: &tls.Config{RootCAs: trusting.RootCAs}, Subprotocols: []string{"fieldgate.v1"}}
	token := g.tokens.Token(issuer.Claims{TenantID: "acme", Role: "viewer"})
	socket, handshake, err := dialer.DialContext(t.Context(), "wss://"+g.Addr()+"/api/v1/customer/ws",
		http.Header{"Authorization": {"Bearer " + token}})
	require.NoError(t, err)
	defer handshake.Body.Close()
	defer socket.Close()
	_, welcome, err := socket.ReadMessage()
	require.NoError(t, err)
	require.Contains(t, string(welcome), "welcome")
}

// TestTLS_HandshakeHasDeadline opens connections that do not finish their handshake, and one that
// sends no handshake at all. The gateway closes them, and serves others meanwhile.
func TestTLS_HandshakeHasDeadline(t *testing.T) {
	t.Parallel()
	change, trusting := withTLS(t)
	g := serveWith(t, change)
	var slow []net.Conn
	for _, sent := range []string{"", "\x16", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"} {
		conn, err := net.Dial("tcp", g.Addr())
		require.NoError(t, err)
		defer conn.Close()
		_, err = conn.Write([]byte(sent))
		require.NoError(t, err)
		slow = append(slow, conn)
	}
	get(t, &http.Transport{TLSClientConfig: trusting}, "https://"+g.Addr()+"/healthz")
	for _, conn := range slow {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
		_, err := io.ReadAll(conn)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
	}
}

func TestHSTS_FollowsSetting(t *testing.T) {
	t.Parallel()
	secure, trusting := withTLS(t)
	for _, c := range []struct {
		setting string
		tls     bool
		want    bool
	}{
		{"", false, false}, {"", true, true}, {gateway.HSTSAuto, true, true},
		{gateway.HSTSOn, false, true}, {gateway.HSTSOff, true, false},
	} {
		t.Run(fmt.Sprint(c.setting, " ", c.tls), func(t *testing.T) {
			t.Parallel()
			g, scheme := (*served)(nil), "http://"
			setHSTS := func(cfg *gateway.Config) { cfg.HSTS = c.setting }
			if c.tls {
				g, scheme = serveWith(t, setHSTS, secure), "https://"
			} else {
				g = serveWith(t, setHSTS)
			}
			response, _ := get(t, &http.Transport{TLSClientConfig: trusting}, scheme+g.Addr()+"/healthz")
			require.Equal(t, c.want, response.Header.Get("Strict-Transport-Security") != "")
		})
	}
}

func TestUnixSocket_ServesAPI(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "api")
	g := serveWith(t, func(cfg *gateway.Config) { cfg.Addr = "unix:" + path })
	require.Equal(t, "unix:"+path, g.Addr())
	response, _ := get(t, &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}, "http://gateway/healthz")
	require.Equal(t, http.StatusOK, response.StatusCode)
}

// TestProxyProtocol_AddressIsThatOfClient sends requests. Their log lines have
// the address in the header, or that in X-Forwarded-For if the former is a trusted proxy too.
func TestProxyProtocol_AddressIsThatOfClient(t *testing.T) {
	t.Parallel()
	g := serveWith(t, func(cfg *gateway.Config) {
		cfg.ProxyProtocol = true
		cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	})
	for header, want := range map[string]string{
		"PROXY TCP4 192.0.2.1 127.0.0.1 40000 443\r\n": "192.0.2.1",
		"PROXY TCP4 10.0.0.1 127.0.0.1 40000 443\r\n":  "198.51.100.7",
		"PROXY UNKNOWN\r\n":                            "198.51.100.7",
	} {
		response, _ := get(t, &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err == nil {
				_, err = conn.Write([]byte(header))
			}
			return conn, err
		}}, "http://"+g.Addr()+"/readyz", "X-Forwarded-For: 198.51.100.7")
		line := g.log.AccessLine(t, response.Header.Get("X-Request-Id"))
		require.Equal(t, want, line["client"], header)
	}
	conn, err := net.Dial("tcp", g.Addr())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"))
	require.NoError(t, err)
	content, err := io.ReadAll(conn)
	if err == nil {
		require.Empty(t, content, "a request without a header is served")
	}
	require.Eventually(t, func() bool {
		return len(g.log.Lines("closed a connection of a trusted proxy: check that the proxy sends the header, or set FIELDGATE_PROXY_PROTOCOL to off", "")) == 1
	},
		10*time.Second, 5*time.Millisecond)
}

// TestForwarded_IgnoredOneIsLoggedOnce sends X-Forwarded-For from an address that is not a trusted
// proxy, and to another gateway from one that is.
func TestForwarded_IgnoredOneIsLoggedOnce(t *testing.T) {
	t.Parallel()
	for trusted, want := range map[string]int{"10.0.0.0/8": 1, "127.0.0.0/8": 0} {
		g := serveWith(t, func(cfg *gateway.Config) { cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix(trusted)} })
		for range 3 {
			get(t, new(http.Transport), "http://"+g.Addr()+"/healthz", "X-Forwarded-For: 198.51.100.7")
		}
		require.Equal(t, want, strings.Count(g.log.String(), "ignoring X-Forwarded-For"), trusted)
	}
}

// TestListeners_WarnOfStrangers starts gateways at an address that other machines reach.
func TestListeners_WarnOfStrangers(t *testing.T) {
	t.Parallel()
	const plain, operator = "serving http without TLS to other machines", "serving the admin listener without TLS to other machines"
	secure, _ := withTLS(t)
	everywhere := func(cfg *gateway.Config) {
		cfg.Addr, cfg.AdminAddr, cfg.AdminToken = "0.0.0.0:0", "0.0.0.0:0", adminToken
	}
	for name, c := range map[string]struct {
		changes []func(*gateway.Config)
		want    []string
	}{
		"everywhere":       {[]func(*gateway.Config){everywhere}, []string{plain, operator}},
		"with TLS":         {[]func(*gateway.Config){everywhere, secure}, nil},
		"behind a proxy":   {[]func(*gateway.Config){everywhere, func(cfg *gateway.Config) { cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }}, []string{operator}},
		"on this machine":  {nil, nil},
		"for a developer":  {[]func(*gateway.Config){everywhere, func(cfg *gateway.Config) { cfg.Development = true }}, nil},
		"at a Unix socket": {[]func(*gateway.Config){func(cfg *gateway.Config) { cfg.Addr = "unix:" + filepath.Join(t.TempDir(), "api") }}, nil},
	} {
		g := serveWith(t, c.changes...)
		for _, warning := range []string{plain, operator} {
			require.Equal(t, slices.Contains(c.want, warning), strings.Contains(g.log.String(), warning), "%s: %s", name, warning)
		}
	}
}

// TestListeners_AdminHasTLSForOtherMachines serves the operator on all addresses with the certificate
// of the API.
func TestListeners_AdminHasTLSForOtherMachines(t *testing.T) {
	t.Parallel()
	secure, trusting := withTLS(t)
	g := serveWith(t, secure, func(cfg *gateway.Config) { cfg.AdminAddr, cfg.AdminToken = "0.0.0.0:0", adminToken })
	_, port, err := net.SplitHostPort(g.AdminAddr())
	require.NoError(t, err)
	url := "https://127.0.0.1:" + port + "/readyz"
	response, _ := get(t, &http.Transport{TLSClientConfig: trusting}, url)
	require.Equal(t, http.StatusUnauthorized, response.StatusCode)
	require.Eventually(t, func() bool {
		response, body := get(t, &http.Transport{TLSClientConfig: trusting}, url, "Authorization: Bearer "+adminToken)
		return response.StatusCode == http.StatusOK && strings.Contains(body, `"certificateExpiresAt"`)
	}, 10*time.Second, 10*time.Millisecond)
}

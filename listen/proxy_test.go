package listen_test

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/listen"
)

// headerV2 returns a header of version 2, with the given bytes after the length.
func headerV2(command, family byte, rest string) string {
	length := binary.BigEndian.AppendUint16(nil, uint16(len(rest)))
	return "\r\n\r\n\x00\r\nQUIT\n" + string([]byte{command, family}) + string(length) + rest
}

const (
	v4 = "\xc0\x00\x02\x01" + "\xc0\x00\x02\x02" + "\x9c\x40\x01\xbb"                                                                                                 // 192.0.2.1:40000 to 192.0.2.2:443
	v6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" + "\x9c\x40\x01\xbb" // [2001:db8::1]:40000
)

// proxied is a listener behind a proxy.
type proxied struct {
	net.Listener
	refused chan error
}

func newProxied(t *testing.T, trusted string) proxied {
	t.Helper()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	refused := make(chan error, 10)
	l := listen.Proxied(plain, netip.MustParsePrefix(trusted).Contains, func(_ net.Addr, err error) { refused <- err })
	t.Cleanup(func() { _ = l.Close() })
	return proxied{l, refused}
}

// send opens a connection, sends bytes and half-closes it. It returns the accepted connection.
func (p proxied) send(t *testing.T, text string) net.Conn {
	t.Helper()
	client, err := net.Dial("tcp", p.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	_, err = client.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, client.(*net.TCPConn).CloseWrite())
	conn, err := p.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestProxied_HeaderHasAddressOfClient(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ header, client string }{
		"v1, IPv4":                 {"PROXY TCP4 192.0.2.1 192.0.2.2 40000 443\r\n", "192.0.2.1:40000"},
		"v1, IPv6":                 {"PROXY TCP6 2001:db8::1 ::1 40000 443\r\n", "[2001:db8::1]:40000"},
		"v1, longest":              {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
		"v1, unknown":              {"PROXY UNKNOWN\r\n", ""},
		"v1, unknown with a rest":  {"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", ""},
		"v2, IPv4":                 {headerV2(0x21, 0x11, v4), "192.0.2.1:40000"},
		"v2, IPv6":                 {headerV2(0x21, 0x21, v6), "[2001:db8::1]:40000"},
		"v2, further values":       {headerV2(0x21, 0x11, v4+"\x04\x00\x03abc"), "192.0.2.1:40000"},
		"v2, longest":              {headerV2(0x21, 0x11, v4+strings.Repeat("x", 4096-len(v4))), "192.0.2.1:40000"},
		"v2, check of health":      {headerV2(0x20, 0x00, ""), ""},
		"v2, local with addresses": {headerV2(0x20, 0x11, v4), ""},
		"v2, Unix socket":          {headerV2(0x21, 0x31, strings.Repeat("x", 216)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProxied(t, "127.0.0.0/8")
			conn := p.send(t, c.header+"GET / HTTP/1.1\r\n")
			content, err := io.ReadAll(conn)
			require.NoError(t, err)
			require.Equal(t, "GET / HTTP/1.1\r\n", string(content))
			if c.client == "" {
				c.client = conn.(interface{ NetConn() net.Conn }).NetConn().RemoteAddr().String()
			}
			require.Equal(t, c.client, conn.RemoteAddr().String())
		})
	}
}

func TestProxied_WrongHeaderClosesConnection(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]string{
		"none":                       "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"of TLS":                     "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("x", 100),
		"nothing":                    "",
		"v1, cut":                    "PROXY TCP4 192.0.2.1",
		"v1, without an end":         "PROXY TCP4 " + strings.Repeat("1", 200),
		"v1, endless unknown":        "PROXY UNKNOWN" + strings.Repeat("x", 200),
		"v1, no carriage return":     "PROXY TCP4 192.0.2.1 192.0.2.2 40000 443\n",
		"v1, other family":           "PROXY TCP4 2001:db8::1 ::1 40000 443\r\n",
		"v1, IPv4 as IPv6":           "PROXY TCP6 192.0.2.1 192.0.2.2 40000 443\r\n",
		"v1, UDP":                    "PROXY UDP4 192.0.2.1 192.0.2.2 40000 443\r\n",
		"v1, a name":                 "PROXY TCP4 localhost 192.0.2.2 40000 443\r\n",
		"v1, a zone":                 "PROXY TCP6 fe80::1%eth0 ::1 40000 443\r\n",
		"v1, large port":             "PROXY TCP4 192.0.2.1 192.0.2.2 65536 443\r\n",
		"v1, port with a zero":       "PROXY TCP4 192.0.2.1 192.0.2.2 040 443\r\n",
		"v1, port with a sign":       "PROXY TCP4 192.0.2.1 192.0.2.2 +40 443\r\n",
		"v1, two spaces":             "PROXY TCP4  192.0.2.1 192.0.2.2 40000 443\r\n",
		"v1, bad address of gateway": "PROXY TCP4 192.0.2.1 x 40000 443\r\n",
		"v1, lower case":             "proxy TCP4 192.0.2.1 192.0.2.2 40000 443\r\n",
		"v2, cut":                    headerV2(0x21, 0x11, v4)[:20],
		"v2, short addresses":        headerV2(0x21, 0x11, v4[:11]),
		"v2, short IPv6":             headerV2(0x21, 0x21, v4),
		"v2, other version":          headerV2(0x11, 0x11, v4),
		"v2, other command":          headerV2(0x22, 0x11, v4),
		"v2, datagrams":              headerV2(0x21, 0x12, v4),
		"v2, too long":               headerV2(0x21, 0x11, v4+strings.Repeat("x", 4097-len(v4))),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProxied(t, "127.0.0.0/8")
			conn := p.send(t, header)
			_, err := conn.Read(make([]byte, 10))
			require.ErrorContains(t, err, "PROXY protocol")
			require.ErrorContains(t, <-p.refused, "PROXY protocol")
			require.Equal(t, "127.0.0.1", netip.MustParseAddrPort(conn.RemoteAddr().String()).Addr().String())
			_, err = conn.Read(make([]byte, 10))
			require.ErrorContains(t, err, "PROXY protocol", "a second read continues after the header")
			require.Error(t, conn.SetDeadline(time.Time{}), "the connection is open")
		})
	}
}

// TestProxied_StrangerSendsNoHeader sends a header from a peer that is not trusted. It must not change
// the address of the peer.
func TestProxied_StrangerSendsNoHeader(t *testing.T) {
	t.Parallel()
	const header = "PROXY TCP4 192.0.2.1 192.0.2.2 40000 443\r\n"
	conn := newProxied(t, "10.0.0.0/8").send(t, header)
	require.Equal(t, "127.0.0.1", netip.MustParseAddrPort(conn.RemoteAddr().String()).Addr().String())
	content, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, header, string(content))
}

// TestProxied_SlowHeaderDelaysNoOther accepts a connection while another one has sent half of its
// header.
func TestProxied_SlowHeaderDelaysNoOther(t *testing.T) {
	t.Parallel()
	p := newProxied(t, "127.0.0.0/8")
	slow, err := net.Dial("tcp", p.Addr().String())
	require.NoError(t, err)
	defer slow.Close()
	_, err = slow.Write([]byte("PROXY TCP4 "))
	require.NoError(t, err)
	first, err := p.Accept()
	require.NoError(t, err)
	defer first.Close()
	began := time.Now()
	ended := make(chan error, 1)
	go func() {
		_, err := first.Read(make([]byte, 1))
		ended <- err
	}()
	require.Equal(t, "192.0.2.1:40000", p.send(t, "PROXY TCP4 192.0.2.1 192.0.2.2 40000 443\r\n").RemoteAddr().String())
	require.Empty(t, ended)
	require.ErrorContains(t, <-ended, "timeout")
	require.Less(t, time.Since(began), 20*time.Second)
}

func FuzzProxied_ParsesAnyHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 192.0.2.2 40000 443\r\nrest"))
	f.Add([]byte(headerV2(0x21, 0x11, v4) + "rest"))
	f.Add([]byte(headerV2(0x21, 0x21, v6)))
	f.Fuzz(func(t *testing.T, sent []byte) {
		client, server := net.Pipe()
		go func() {
			_, _ = client.Write(sent)
			_ = client.Close()
		}()
		l := listen.Proxied(oneListener{server}, func(netip.Addr) bool { return true }, func(net.Addr, error) {})
		conn, err := l.Accept()
		require.NoError(t, err)
		content, err := io.ReadAll(conn)
		if err == nil {
			require.LessOrEqual(t, len(content), len(sent)-15)
			require.NotNil(t, conn.RemoteAddr())
		}
	})
}

// oneListener accepts one connection of 127.0.0.1.
type oneListener struct{ conn net.Conn }

func (l oneListener) Accept() (net.Conn, error) { return localConn{l.conn}, nil }
func (l oneListener) Close() error              { return l.conn.Close() }
func (l oneListener) Addr() net.Addr            { return l.conn.LocalAddr() }

type localConn struct{ net.Conn }

func (localConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

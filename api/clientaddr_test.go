package api

import (
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClientAddr_IsLastOfUntrustedAddresses(t *testing.T) {
	t.Parallel()
	proxies := trustedProxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}

	for name, c := range map[string]struct {
		peer      string
		forwarded []string
		want      string
	}{
		"no proxy":                           {"203.0.113.7:1234", nil, "203.0.113.7"},
		"a forged header":                    {"203.0.113.7:1234", []string{"198.51.100.1"}, "203.0.113.7"},
		"a trusted proxy":                    {"10.0.0.1:80", []string{"198.51.100.1"}, "198.51.100.1"},
		"a trusted proxy without the header": {"10.0.0.1:80", nil, "10.0.0.1"},
		"a forged entry before the real":     {"10.0.0.1:80", []string{"1.1.1.1, 198.51.100.1"}, "198.51.100.1"},
		"two proxies":                        {"10.0.0.1:80", []string{"198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		"two lines":                          {"10.0.0.1:80", []string{"1.1.1.1", "198.51.100.1,10.0.0.2"}, "198.51.100.1"},
		"a forged private address":           {"10.0.0.1:80", []string{"10.9.9.9, 198.51.100.1"}, "198.51.100.1"},
		"only trusted ones":                  {"10.0.0.1:80", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"no address":                         {"10.0.0.1:80", []string{"unknown"}, "10.0.0.1"},
		"no address before the proxy":        {"10.0.0.1:80", []string{"198.51.100.1, _hidden, 10.0.0.2"}, "10.0.0.2"},
		"an empty header":                    {"10.0.0.1:80", []string{""}, "10.0.0.1"},
		"an empty entry":                     {"10.0.0.1:80", []string{"198.51.100.1,"}, "10.0.0.1"},
		"with a port":                        {"10.0.0.1:80", []string{"198.51.100.1:5555"}, "198.51.100.1"},
		"IPv6":                               {"[fd00::1]:80", []string{"2001:db8::1"}, "2001:db8::1"},
		"IPv6 with a port":                   {"[fd00::1]:80", []string{"[2001:db8::1]:5555"}, "2001:db8::1"},
		"IPv4 in IPv6 form":                  {"[::ffff:10.0.0.1]:80", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		"a zone":                             {"[fe80::1%eth0]:80", nil, "fe80::1"},
		"no port at the peer":                {"203.0.113.7", nil, "203.0.113.7"},
		"a socket file":                      {"@", nil, "invalid IP"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = c.peer
			r.Header["X-Forwarded-For"] = c.forwarded

			require.Equal(t, c.want, proxies.clientAddr(r).String())
		})
	}
}

func TestClientAddr_WithoutTrustedProxiesIsPeer(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "10.0.0.1:80"
	r.Header.Set("X-Forwarded-For", "198.51.100.1")

	require.Equal(t, "10.0.0.1", trustedProxies(nil).clientAddr(r).String())
}

func FuzzClientAddr(f *testing.F) {
	f.Add("10.0.0.1:80", "198.51.100.1, 10.0.0.2")
	f.Add("203.0.113.7:1", "198.51.100.1")
	proxies := trustedProxies{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, peer, forwarded string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = peer
		r.Header.Set("X-Forwarded-For", forwarded)
		if direct := parseAddr(peer); !proxies.trusts(direct) {
			require.Equal(t, direct, proxies.clientAddr(r))
		}
	})
}

func BenchmarkClientAddr(b *testing.B) {
	proxies := trustedProxies{netip.MustParsePrefix("10.0.0.0/8")}
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "10.0.0.1:80"
	r.Header.Set("X-Forwarded-For", "1.1.1.1, 198.51.100.1, 10.0.0.2")
	b.ReportAllocs()
	for b.Loop() {
		proxies.clientAddr(r)
	}
}

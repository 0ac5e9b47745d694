package request_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/api/request"
)

func TestIsOrigin(t *testing.T) {
	t.Parallel()
	for _, origin := range []string{
		"https://app.example.com", "http://localhost:3000", "https://[::1]:8443", "http://[fd00::1]", "https://192.0.2.1",
		"https://a_b.example.com", "https://xn--bcher-kva.example", "https://app.example.com.", "http://a:443", "https://a:80", "https://a:65535",
	} {
		require.True(t, request.IsOrigin(origin), origin)
	}
	for _, other := range []string{
		"", "null", "*", "https", "https://", "https:///", "://a", "//a", "app.example.com", "https:app.example.com", "https:/a",
		"https://app.example.com/", "https://app.example.com/page", "https://a?", "https://a#", "https://a?q=1", "https://a#f", "https://a\\b",
		"https://user@a", "https://user:secret@a", "https://@a", "https://a:443", "http://a:80", "https://a:", "https://a:0", "https://a:08",
		"https://a:65536", "https://a:99999999999999999999", "https://a:b", "https://:1", "https://[::1", "https://::1", "https://[]", "https://[a]b",
		"HTTPS://a", "https://A.example.com", "https://bücher.example", "https://*.example.com", "https://a b", "https://a..b", "https://.a",
		" https://a", "https://a ", "https://a\n", "https://a, https://b", "https://a,b", `https://a"`, "https://a<b>", "https://a%41", "https://a%00",
		"ftp://a", "file://", "file:///etc/passwd", "javascript:alert(1)", "data:text/html,x", "chrome-extension://abcdefghijklmnop", "ws://a", "wss://a",
		"https://https://a", strings.Repeat("a", 300),
	} {
		require.False(t, request.IsOrigin(other), other)
	}
}

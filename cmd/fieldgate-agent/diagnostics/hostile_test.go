package diagnostics

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// newRawServer starts a server that responds to each request with the same texts. It returns
// the URL of the server.
func newRawServer(t testing.TB, texts ...string) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer connection.Close()
				_, _ = bufio.NewReader(connection).ReadString('\n')
				for _, text := range texts {
					_, _ = connection.Write([]byte(text))
				}
			}()
		}
	}()
	return "http://" + listener.Addr().String()
}

// report runs a diagnostic and returns everything in the result that a user sees.
func report(t testing.TB, commandType, parameters string) string {
	t.Helper()
	output, data, code := run(t, commandType, parameters)
	text, err := json.Marshal(data)
	require.NoError(t, err)
	if code != "" {
		output += failureReason(t, commandType, parameters)
	}
	return output + string(text)
}

// TestHTTP_ReportsLittleOfResponse checks that only the status and the content type of a
// response are reported. Otherwise a user could read the responses of services to which the
// user has no access.
func TestHTTP_ReportsLittleOfResponse(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("secret ", 8<<10)
	for name, c := range map[string]struct {
		response []string
		code     string
	}{
		"long reason phrase":      {[]string{"HTTP/1.1 200 " + long + "\r\nContent-Length: 0\r\n\r\n"}, ""},
		"escape in reason phrase": {[]string{"HTTP/1.1 200 secret\x1b[2J\r\nContent-Length: 0\r\n\r\n"}, ""},
		"not HTTP":                {[]string{"secret-SSH-2.0\r\n"}, "http_failed"},
		"invalid status":          {[]string{"HTTP/1.1 secret\r\n\r\n"}, "http_failed"},
		"invalid header":          {[]string{"HTTP/1.1 200 OK\r\nsecret is the header\r\n\r\n"}, "http_failed"},
		"invalid length":          {[]string{"HTTP/1.1 200 OK\r\nContent-Length: secret\r\n\r\n"}, "http_failed"},
		"endless headers":         {[]string{"HTTP/1.1 200 OK\r\n", strings.Repeat("X-Secret: secret\r\n", 16<<10), "\r\n"}, "http_failed"},
		"incomplete body":         {[]string{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsecret"}, "connection_failed"},
		"invalid chunk":           {[]string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nsecret\r\n"}, "http_failed"},
	} {
		parameters := `{"url":"` + newRawServer(t, c.response...) + `"}`
		_, _, code := run(t, "diagnostic.http", parameters)
		require.Equal(t, c.code, code, name)
		all := report(t, "diagnostic.http", parameters)
		require.NotContains(t, all, "secret", name)
		require.Less(t, len(all), 1000, name)
	}
}

func TestHTTP_TruncatesContentType(t *testing.T) {
	t.Parallel()
	long := newRawServer(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Type: text/html\xff"+strings.Repeat("x", 8<<10)+"\r\n\r\n")
	_, data, code := run(t, "diagnostic.http", `{"url":"`+long+`"}`)
	require.Empty(t, code)
	contentType := data["contentType"].(string)
	require.LessOrEqual(t, len(contentType), maxText)
	require.True(t, strings.HasPrefix(contentType, "text/html�xxx"), contentType)
}

// TestHTTP_RefusesLinkLocalAddresses covers addresses of metadata services, which return
// secrets. The test must not connect to these addresses, because the machine that runs the test
// may have such a service.
func TestHTTP_RefusesLinkLocalAddresses(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"169.254.77.77", "169.254.77.77:8080", "[fe80::1]", "[febf::1]", "[::ffff:169.254.77.77]"} {
		for _, scheme := range []string{"http", "https"} {
			_, _, code := run(t, "diagnostic.http", `{"url":"`+scheme+"://"+host+`/"}`)
			require.Equal(t, "address_refused", code, host)
		}
	}
	for address, refused := range map[string]bool{
		"169.254.169.254:80": true, "[fd00:ec2::254]:80": true, "[fe80::1%eth0]:80": true, "[::ffff:169.254.169.254]:80": true,
		"169.253.0.1:80": false, "192.168.1.1:80": false, "[fec0::1]:80": false, "127.0.0.1:80": false,
	} {
		require.Equal(t, refused, refuseLinkLocal("tcp", address, nil) != nil, address)
	}
}

// TestTLS_TruncatesHugeCertificate connects to a server that sends a very large certificate.
func TestTLS_TruncatesHugeCertificate(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{hugeCertificate(t)}}
	server.StartTLS()
	t.Cleanup(server.Close)
	output, data, code := run(t, "diagnostic.tls", endpointOf(t, server.URL))
	require.Empty(t, code)
	chain := data["chain"].([]any)[0].(map[string]any)
	for _, field := range []string{"subject", "issuer"} {
		require.LessOrEqual(t, len(chain[field].(string)), maxText, field)
	}
	require.Len(t, chain["names"], maxNames)
	require.LessOrEqual(t, len(data["problem"].(string)), maxText)
	require.Less(t, len(output), 2000)
	require.NotContains(t, output, "\x1b")
	require.Less(t, len(report(t, "diagnostic.http", `{"url":"`+server.URL+`"}`)), 1000)
}

// hugeCertificate returns a certificate with a long subject and 2000 names.
func hugeCertificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	names := make([]string, 2000)
	for i := range names {
		names[i] = fmt.Sprintf("name-%d.example.com", i)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: names,
		Subject:   pkix.Name{CommonName: "\x1b[2J" + strings.Repeat("x", 8<<10)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

package store_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// authority is a certificate authority that issues certificates for test servers.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// trusted is the authority that this process trusts.
var trusted *authority

// trustTestAuthority sets trusted to a new authority, and SSL_CERT_FILE to a file with
// its certificate.
func trustTestAuthority() (err error) {
	if trusted, err = newAuthority(); err != nil {
		return err
	}
	file, err := os.CreateTemp("", "fieldgate-authority-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	if _, err := file.Write(pemOf("CERTIFICATE", trusted.cert.Raw)); err != nil {
		return err
	}
	if err := errors.Join(file.Close(), os.Setenv("SSL_CERT_FILE", file.Name())); err != nil {
		return err
	}
	_, err = x509.SystemCertPool() // loads SSL_CERT_FILE now, because a process does so only once
	return err
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := newTemplate("authority")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(raw)
	return &authority{cert: cert, key: key}, err
}

func newTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
}

func pemOf(kind string, raw []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw})
}

// issue returns a certificate and its key as PEM. The certificate is for 127.0.0.1, and for clients.
func (a *authority) issue(t testing.TB) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := newTemplate("redis")
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.cert, private.Public(), a.key)
	require.NoError(t, err)
	rawKey, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return pemOf("CERTIFICATE", raw), pemOf("PRIVATE KEY", rawKey)
}

// writeFile writes a file of the test and returns its path.
func writeFile(t testing.TB, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

// startTLS starts a redis-server whose certificate is for 127.0.0.1. It returns the server
// and its URL for TLS. Further arguments are passed to redis-server.
func (a *authority) startTLS(t *testing.T, args ...string) (server *storetest.Server, url string) {
	t.Helper()
	dir, port := t.TempDir(), freePort(t)
	cert, key := a.issue(t)
	server = storetest.Start(t, append([]string{
		"--tls-port", port, "--tls-auth-clients", "no",
		"--tls-cert-file", writeFile(t, dir, "cert.pem", cert), "--tls-key-file", writeFile(t, dir, "key.pem", key),
		"--tls-ca-cert-file", writeFile(t, dir, "authority.pem", pemOf("CERTIFICATE", a.cert.Raw)),
	}, args...)...)
	return server, "rediss://127.0.0.1:" + port
}

// freePort returns an unused port.
func freePort(t *testing.T) string {
	t.Helper()
	_, port, err := net.SplitHostPort(storetest.FreeAddr(t))
	require.NoError(t, err)
	return port
}

func TestTLS_TrustsConfiguredAuthority(t *testing.T) {
	t.Parallel()
	_, url := trusted.startTLS(t)
	s := storetest.Connect(t, store.Config{URL: url})
	require.EqualValues(t, 1, count(t, s, newKey()))
}

func TestTLS_RefusesUnknownAuthority(t *testing.T) {
	t.Parallel()
	unknown, err := newAuthority()
	require.NoError(t, err)
	_, url := unknown.startTLS(t)
	for _, scheme := range []string{"rediss", "rediss+cluster"} {
		_, err = store.Connect(t.Context(), store.Config{URL: strings.Replace(url, "rediss", scheme, 1)})
		require.ErrorContains(t, err, "certificate signed by unknown authority", scheme)
	}
	_, err = store.Connect(t.Context(), store.Config{URL: strings.Replace(url, "rediss", "rediss+sentinel", 1) + "?master_name=m"})
	require.Error(t, err)
}

// TestTLS_ChecksHostName connects to localhost, while the certificate is for 127.0.0.1.
func TestTLS_ChecksHostName(t *testing.T) {
	t.Parallel()
	_, url := trusted.startTLS(t)
	_, err := store.Connect(t.Context(), store.Config{URL: strings.Replace(url, "127.0.0.1", "localhost", 1)})
	require.ErrorContains(t, err, "certificate")
}

func TestTLS_PlainConnectionFails(t *testing.T) {
	t.Parallel()
	_, url := trusted.startTLS(t)
	_, err := store.Connect(t.Context(), store.Config{URL: strings.Replace(url, "rediss", "redis", 1)})
	require.Error(t, err)
}

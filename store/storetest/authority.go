package storetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Authority is a certificate authority that issues certificates for test servers and their
// clients. They are valid for an hour.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority creates an authority.
func NewAuthority() (*Authority, error) {
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
	return &Authority{cert: cert, key: key}, err
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

// PEM returns the certificate of the authority.
func (a *Authority) PEM() []byte { return pemOf("CERTIFICATE", a.cert.Raw) }

// Issue returns a certificate and its key as PEM. The certificate is for 127.0.0.1, and for clients.
func (a *Authority) Issue(t testing.TB) (cert, key []byte) {
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

// StartTLS starts a server whose certificate is for 127.0.0.1. It returns the server and its URL
// for TLS. The arguments in args are passed to redis-server.
func (a *Authority) StartTLS(t testing.TB, args ...string) (server *Server, url string) {
	t.Helper()
	dir, addr := t.TempDir(), FreeAddr(t)
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	cert, key := a.Issue(t)
	server = Start(t, append([]string{
		"--tls-port", port, "--tls-auth-clients", "no",
		"--tls-cert-file", WriteFile(t, dir, "cert.pem", cert), "--tls-key-file", WriteFile(t, dir, "key.pem", key),
		"--tls-ca-cert-file", WriteFile(t, dir, "authority.pem", a.PEM()),
	}, args...)...)
	return server, "rediss://" + addr
}

// WriteFile writes a file of a test and returns its path.
func WriteFile(t testing.TB, dir, name string, content []byte) (path string) {
	t.Helper()
	path = filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

package supabase_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// captchaHost is the host at which Supabase Auth verifies the answers to a CAPTCHA.
const captchaHost = "hcaptcha.com"

// TestCaptcha_TokenOfAnApplicationIsAccepted is about projects that require a CAPTCHA. The console shows
// none, so that its users sign in to an application that does, which hands the token over.
func TestCaptcha_TokenOfAnApplicationIsAccepted(t *testing.T) {
	t.Parallel()
	p := startProject(t, withCaptcha(t))
	user := object{"email": "alice@example.com", "password": password}
	p.addMember("alice@example.com", "acme", "viewer")
	for path, body := range map[string]object{
		"/token?grant_type=password": user, "/otp": {"email": user["email"]}, "/recover": {"email": user["email"]},
	} {
		status, response := p.send(request{method: "POST", path: path, body: body})
		require.Equal(t, http.StatusBadRequest, status, "%s: %s", path, response)
		require.Contains(t, string(response), "captcha_failed", path)
	}
	for answer, want := range map[string]int{"wrong": http.StatusBadRequest, "solved": http.StatusOK} {
		user["gotrue_meta_security"] = object{"captcha_token": answer}
		status, response := p.send(request{method: "POST", path: "/token?grant_type=password", body: user})
		require.Equal(t, want, status, "%s: %s", answer, response)
	}
	user["gotrue_meta_security"] = object{"captcha_token": "solved"}
	var signedIn signIn
	p.call(request{method: "POST", path: "/token?grant_type=password", body: user}, &signedIn)
	g := p.serve()
	require.Equal(t, "c.acme", g.me(signedIn.AccessToken).Tenant)
	require.Equal(t, "c.acme", g.me(p.refresh(signedIn).AccessToken).Tenant)
}

// withCaptcha requires a CAPTCHA. Its provider is a server of the test, which Supabase Auth reaches
// through a proxy and whose certificate it trusts.
func withCaptcha(t *testing.T) func(*project) {
	t.Helper()
	provider := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, `{"success": %t, "error-codes": []}`, r.FormValue("response") == "solved")
	}))
	certificate, trusted := newCertificate(t)
	provider.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	provider.StartTLS()
	t.Cleanup(provider.Close)
	tunnel := newTunnel(t, provider.Listener.Addr().String())
	return func(p *project) {
		for name, value := range map[string]string{
			"GOTRUE_SECURITY_CAPTCHA_ENABLED": "true", "GOTRUE_SECURITY_CAPTCHA_PROVIDER": "hcaptcha",
			"GOTRUE_SECURITY_CAPTCHA_SECRET": "secret of the provider", "HTTPS_PROXY": tunnel, "SSL_CERT_FILE": trusted,
		} {
			p.settings[name] = value
		}
	}
}

// newCertificate returns a certificate of the provider, and a file with it, which makes it trusted.
func newCertificate(t *testing.T) (certificate tls.Certificate, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{captchaHost}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	file = filepath.Join(t.TempDir(), "provider.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// newTunnel returns the address of a proxy that connects clients of the provider to target, and no others.
func newTunnel(t *testing.T, target string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != captchaHost+":443" {
			http.Error(w, "this test reaches no host but the provider", http.StatusBadGateway)
			return
		}
		upstream, err := net.Dial("tcp", target)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer upstream.Close()
		client, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer client.Close()
		_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { _, _ = io.Copy(upstream, client) }()
		_, _ = io.Copy(client, upstream)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

package listen

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// checkEvery is the interval at which the files of a certificate are read again.
const checkEvery = 10 * time.Second

// Certificate is the certificate of a server, with its key. It is read again when its files change,
// so that an operator can renew it while the gateway serves. Connections that are open keep the one
// that they began with. It is safe for concurrent use.
type Certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	current           atomic.Pointer[tls.Certificate]

	mu        sync.Mutex // guards the fields below
	cert, key []byte     // the contents of the files of the current certificate
	failed    string     // the last error of reading, which is logged once; empty after a success
}

// ReadCertificate reads a certificate and its key from PEM files. The error contains no key.
func ReadCertificate(certFile, keyFile string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log}
	if _, err := c.read(); err != nil {
		return nil, err
	}
	return c, nil
}

// Config returns the configuration of a server with this certificate: TLS 1.2 and 1.3, with the
// cipher suites that package tls chooses.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}

// NotAfter returns the time at which the certificate expires.
func (c *Certificate) NotAfter() time.Time { return c.current.Load().Leaf.NotAfter }

// Names returns the names and addresses for which the certificate is valid.
func (c *Certificate) Names() []string {
	leaf := c.current.Load().Leaf
	names := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// ValidFor returns an error if the certificate is not valid for the name of a host, or for an address.
func (c *Certificate) ValidFor(name string) error { return c.current.Load().Leaf.VerifyHostname(name) }

// Trusted returns an error if a client that trusts the authorities of this system refuses the
// certificate, because the file lacks that of an authority in between, or because its authority is a
// private one.
func (c *Certificate) Trusted() error {
	pair := c.current.Load()
	between := x509.NewCertPool()
	for _, raw := range pair.Certificate[1:] {
		if cert, err := x509.ParseCertificate(raw); err == nil {
			between.AddCert(cert)
		}
	}
	_, err := pair.Leaf.Verify(x509.VerifyOptions{Intermediates: between})
	return err
}

// Run reads the files again every ten seconds until ctx ends.
func (c *Certificate) Run(ctx context.Context) {
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.Reload()
		}
	}
}

// Reload reads the files, and uses their certificate if they have changed. If they cannot be used,
// such as between the replacement of the one and of the other, the earlier certificate stays in use.
// The error is logged once, until the files change again.
func (c *Certificate) Reload() {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed, err := c.read()
	switch {
	case err != nil && err.Error() != c.failed:
		c.failed = err.Error()
		c.log.Error("using the earlier certificate, because reading a new one failed", "error", err, "expires", c.NotAfter())
	case err == nil && changed:
		c.failed = ""
		c.log.Info("replaced the certificate", "expires", c.NotAfter())
	case err == nil:
		c.failed = ""
	}
}

// read reads the files. It reports whether it has replaced the current certificate.
func (c *Certificate) read() (changed bool, err error) {
	cert, err := os.ReadFile(c.certFile)
	if err != nil {
		return false, fmt.Errorf("reading FIELDGATE_TLS_CERT_FILE: %w", err)
	}
	key, err := os.ReadFile(c.keyFile)
	if err != nil {
		return false, fmt.Errorf("reading FIELDGATE_TLS_KEY_FILE: %w", err)
	}
	if c.current.Load() != nil && bytes.Equal(cert, c.cert) && bytes.Equal(key, c.key) {
		return false, nil
	}
	pair, err := parsePair(cert, key)
	if err != nil {
		return false, err
	}
	c.cert, c.key = cert, key
	c.current.Store(pair)
	return true, nil
}

// parsePair parses a certificate and its key. A certificate that no client accepts now is refused:
// an earlier one that is in use may be better.
func parsePair(cert, key []byte) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("reading FIELDGATE_TLS_CERT_FILE and FIELDGATE_TLS_KEY_FILE: %w", err)
	}
	switch now := time.Now(); {
	case now.After(pair.Leaf.NotAfter):
		return nil, fmt.Errorf("the certificate in FIELDGATE_TLS_CERT_FILE has expired at %s: renew it", utc(pair.Leaf.NotAfter))
	case now.Before(pair.Leaf.NotBefore):
		return nil, fmt.Errorf("the certificate in FIELDGATE_TLS_CERT_FILE is not valid before %s: check the clock, or issue another one", utc(pair.Leaf.NotBefore))
	case len(pair.Leaf.DNSNames) == 0 && len(pair.Leaf.IPAddresses) == 0:
		return nil, errors.New("the certificate in FIELDGATE_TLS_CERT_FILE has no name that clients accept: issue it with a subjectAltName")
	}
	return &pair, nil
}

func utc(t time.Time) string { return t.UTC().Format(time.DateTime) + " UTC" }

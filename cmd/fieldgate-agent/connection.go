package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/settings"
)

// checkURL returns an error if the URL of the gateway is missing, or if it is http:// to another
// host and the settings do not allow that.
func checkURL(s settings.Settings) error {
	if s.URL == "" {
		return errors.New("set the URL of the gateway: --url or FIELDGATE_URL")
	}
	gateway, err := url.Parse(s.URL)
	if err != nil || gateway.Scheme != "http" || s.InsecureHTTP || isLoopback(gateway.Hostname()) {
		return nil // agent.New reports a URL that cannot be parsed
	}
	return fmt.Errorf("http:// to %s is not encrypted: everyone on the way could read the secret of the device and run commands on it; use https://, or set --insecure-http", gateway.Hostname())
}

// isLoopback reports whether a host is this machine by its name (RFC 6761, section 6.3) or its
// address.
func isLoopback(host string) bool {
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

// newTransport returns the transport for connections to the gateway.
func newTransport(s settings.Settings) (*http.Transport, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{Timeout: s.ConnectTimeout, KeepAlive: 30 * time.Second}).DialContext
	transport.TLSHandshakeTimeout = s.ConnectTimeout
	var err error
	if transport.TLSClientConfig, err = tlsConfig(s); err != nil {
		return nil, err
	}
	if s.Proxy == "" {
		return transport, nil
	}
	proxy, err := url.Parse(s.Proxy)
	if err != nil || proxy.Host == "" {
		return nil, errors.New("the proxy must be a URL, such as http://proxy.example.com:3128") // err may quote a password
	}
	transport.Proxy = http.ProxyURL(proxy)
	return transport, nil
}

// tlsConfig returns the certificates of the settings.
func tlsConfig(s settings.Settings) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CAFile != "" {
		pool, err := readAuthorities(s.CAFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = pool
	}
	if s.ClientCertificate != "" {
		pair, err := tls.LoadX509KeyPair(s.ClientCertificate, s.ClientKey)
		if err != nil {
			return nil, fmt.Errorf("reading the client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// readAuthorities returns the certificate authorities of the system and those in a PEM file. A
// system without any, such as a small container, has only those in the file.
func readAuthorities(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate authorities: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("reading the certificate authorities: %s has no certificate in PEM format", path)
	}
	return pool, nil
}

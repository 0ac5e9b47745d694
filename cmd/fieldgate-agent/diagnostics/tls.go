package diagnostics

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// inspectTLS handles diagnostic.tls {host, port}. It returns the certificate chain of a server,
// whether this machine trusts the chain, and which TLS versions the server supports. An
// untrusted chain is not a failure, because users run this diagnostic to find untrusted chains.
func inspectTLS(ctx context.Context, params endpoint) (agent.Result, error) {
	start := time.Now()
	state, err := handshake(ctx, params, tls.VersionTLS10, tls.VersionTLS13)
	if err != nil {
		return agent.Result{}, tlsFailure(ctx, err)
	}
	report := tlsReport{
		Version: tls.VersionName(state.Version), CipherSuite: tls.CipherSuiteName(state.CipherSuite),
		ALPN: state.NegotiatedProtocol, DurationMs: milliseconds(since(start)),
		Versions: supportedVersions(ctx, params), Trusted: true, Chain: describeChain(state.PeerCertificates),
	}
	if err := verify(state, params.Host); err != nil {
		report.Trusted, report.Problem = false, sanitize(err.Error())
	}
	return agent.Result{Output: report.String(), Data: report}, ctx.Err()
}

// tlsReport is the data of the result of diagnostic.tls.
type tlsReport struct {
	Version     string        `json:"version"`
	CipherSuite string        `json:"cipherSuite"`
	ALPN        string        `json:"alpn,omitempty"`
	Versions    []string      `json:"versions"`
	Trusted     bool          `json:"trusted"`
	Problem     string        `json:"problem,omitempty"`
	Chain       []certificate `json:"chain"`
	DurationMs  float64       `json:"durationMs"`
}

// certificate describes one certificate of the chain.
type certificate struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Names     []string  `json:"names,omitempty"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
}

// String returns the report as text for users.
func (r tlsReport) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s, %s; the server supports %s\n", r.Version, r.CipherSuite, strings.Join(r.Versions, ", "))
	if r.Trusted {
		text.WriteString("this machine trusts the chain:\n")
	} else {
		fmt.Fprintf(&text, "this machine does not trust the chain: %s\n", r.Problem)
	}
	for i, c := range r.Chain {
		fmt.Fprintf(&text, "%d. %s, issued by %s, valid from %s to %s\n", i+1, c.Subject, c.Issuer,
			c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly))
	}
	return text.String()
}

// handshake connects to a server with a TLS version between minVersion and maxVersion, and
// returns the connection state.
func handshake(ctx context.Context, e endpoint, minVersion, maxVersion uint16) (tls.ConnectionState, error) {
	ctx, cancel := context.WithTimeout(ctx, networkTimeout)
	defer cancel()
	dialer := tls.Dialer{Config: &tls.Config{
		ServerName: e.Host, MinVersion: minVersion, MaxVersion: maxVersion, NextProtos: []string{"h2", "http/1.1"},
		InsecureSkipVerify: true, // verify checks the chain later; no data is sent over this connection
	}}
	connection, err := dialer.DialContext(ctx, "tcp", e.address())
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer connection.Close()
	return connection.(*tls.Conn).ConnectionState(), nil
}

// supportedVersions returns the TLS versions that a server supports. It tries each version in a
// separate connection.
func supportedVersions(ctx context.Context, e endpoint) (versions []string) {
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13} {
		if _, err := handshake(ctx, e, version, version); err == nil {
			versions = append(versions, tls.VersionName(version))
		}
	}
	return versions
}

// verify verifies the certificate chain of a connection with the root certificates and the
// clock of the machine.
func verify(state tls.ConnectionState, host string) error {
	intermediates := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		intermediates.AddCert(c)
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: host, Intermediates: intermediates})
	return err
}

// Limits on the parts of a report that a server controls: the number of certificates, and the
// number of names in each certificate.
const (
	maxChain = 10
	maxNames = 20
)

func describeChain(chain []*x509.Certificate) (described []certificate) {
	for _, c := range chain[:min(len(chain), maxChain)] {
		described = append(described, certificate{
			Subject: sanitize(c.Subject.String()), Issuer: sanitize(c.Issuer.String()), Names: sanitizeAll(c.DNSNames, maxNames),
			NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(),
		})
	}
	return described
}

// tlsFailure returns the failure for err, the error of a handshake. If the TLS protocol failed,
// the code is tls_failed.
func tlsFailure(ctx context.Context, err error) error {
	if _, network := err.(*net.OpError); network || ctx.Err() != nil || networkCode(err) != "connection_failed" {
		return networkFailure(ctx, "connecting with TLS", err)
	}
	return agent.Fail("tls_failed", "the server does not speak valid TLS: %s", sanitize(err.Error()))
}

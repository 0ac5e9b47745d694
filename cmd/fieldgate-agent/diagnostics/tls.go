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

// inspectTLS is diagnostic.tls {host, port}: the chain that a server shows, whether this
// machine trusts it, when it expires, and which versions of TLS the server speaks. A chain
// that is not trusted is told, and is no failure: finding it is what this is for.
func inspectTLS(ctx context.Context, command agent.Command) (agent.Result, error) {
	wanted, err := parameters[endpoint](command)
	if err != nil {
		return agent.Result{}, err
	}
	start := time.Now()
	state, err := handshake(ctx, wanted, tls.VersionTLS10, tls.VersionTLS13)
	if err != nil {
		return agent.Result{}, tlsFailure(ctx, err)
	}
	report := tlsReport{
		Version: tls.VersionName(state.Version), CipherSuite: tls.CipherSuiteName(state.CipherSuite),
		ALPN: state.NegotiatedProtocol, DurationMs: milliseconds(since(start)),
		Versions: speaks(ctx, wanted), Trusted: true, Chain: describeChain(state.PeerCertificates),
	}
	if err := verify(state, wanted.Host); err != nil {
		report.Trusted, report.Problem = false, cut(err.Error())
	}
	return agent.Result{Output: report.String(), Data: report}, ctx.Err()
}

// tlsReport is what was found.
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

type certificate struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Names     []string  `json:"names,omitempty"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
}

// String tells it to people.
func (r tlsReport) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s, %s; the server speaks %s\n", r.Version, r.CipherSuite, strings.Join(r.Versions, ", "))
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

// handshake connects with what the server and these versions have in common.
func handshake(ctx context.Context, e endpoint, least, most uint16) (tls.ConnectionState, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	dialer := tls.Dialer{Config: &tls.Config{
		ServerName: e.Host, MinVersion: least, MaxVersion: most, NextProtos: []string{"h2", "http/1.1"},
		InsecureSkipVerify: true, // the chain is looked at afterwards, and nothing is sent
	}}
	connection, err := dialer.DialContext(ctx, "tcp", e.address())
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer connection.Close()
	return connection.(*tls.Conn).ConnectionState(), nil
}

// speaks tries each version by itself.
func speaks(ctx context.Context, e endpoint) (versions []string) {
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13} {
		if _, err := handshake(ctx, e, version, version); err == nil {
			versions = append(versions, tls.VersionName(version))
		}
	}
	return versions
}

// verify holds the chain against the roots of the machine, by its clock.
func verify(state tls.ConnectionState, host string) error {
	others := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		others.AddCert(c)
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: host, Intermediates: others})
	return err
}

// maxChain and maxNames bound what a strange server can make us report.
const (
	maxChain = 10
	maxNames = 20
)

func describeChain(chain []*x509.Certificate) (described []certificate) {
	for _, c := range chain[:min(len(chain), maxChain)] {
		described = append(described, certificate{
			Subject: cut(c.Subject.String()), Issuer: cut(c.Issuer.String()), Names: cutAll(c.DNSNames, maxNames),
			NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(),
		})
	}
	return described
}

// tlsFailure is for what fails once there is a connection, which is TLS itself.
func tlsFailure(ctx context.Context, err error) error {
	if _, network := err.(*net.OpError); network || ctx.Err() != nil || networkCode(err) != "connection_failed" {
		return networkFailure(ctx, "connecting with TLS", err)
	}
	return agent.Fail("tls_failed", "the server does not speak TLS as it should: %s", cut(err.Error()))
}

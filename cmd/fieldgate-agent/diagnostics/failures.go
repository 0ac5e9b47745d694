package diagnostics

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"syscall"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// networkFailure returns an agent.Failure for a network error. The code is host_not_found,
// dns_timeout, dns_failed, address_refused, connection_refused, unreachable, timeout,
// certificate_invalid, tls_failed, or connection_failed. The reason is the name of the failed
// operation and the text of err. If ctx has ended, networkFailure returns the error of ctx
// instead.
func networkFailure(ctx context.Context, operation string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &agent.Failure{Code: networkCode(err), Reason: sanitize(operation + ": " + err.Error()), Cause: err}
}

func networkCode(err error) string {
	if failed, ok := errors.AsType[*net.DNSError](err); ok {
		return resolverCode(failed)
	}
	if code := tlsCode(err); code != "" {
		return code
	}
	switch {
	case errors.Is(err, errLinkLocal):
		return "address_refused"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection_refused"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "unreachable"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), timedOut(err):
		return "timeout"
	}
	return "connection_failed"
}

func resolverCode(failed *net.DNSError) string {
	switch {
	case failed.IsNotFound:
		return "host_not_found"
	case failed.IsTimeout:
		return "dns_timeout"
	}
	return "dns_failed"
}

// tlsCode returns the code of a certificate or TLS error, or "" for another error.
func tlsCode(err error) string {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "certificate_invalid"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "certificate_invalid"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "tls_failed"
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return "tls_failed"
	}
	return ""
}

func timedOut(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

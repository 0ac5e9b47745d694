package store_test

import (
	"crypto/x509"
	"errors"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// trusted is the authority that this process trusts.
var trusted *storetest.Authority

// trustTestAuthority sets trusted to a new authority, and SSL_CERT_FILE to a file with
// its certificate.
func trustTestAuthority() (err error) {
	if trusted, err = storetest.NewAuthority(); err != nil {
		return err
	}
	file, err := os.CreateTemp("", "fieldgate-authority-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	if _, err := file.Write(trusted.PEM()); err != nil {
		return err
	}
	if err := errors.Join(file.Close(), os.Setenv("SSL_CERT_FILE", file.Name())); err != nil {
		return err
	}
	_, err = x509.SystemCertPool() // loads SSL_CERT_FILE now, because a process does so only once
	return err
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
	_, url := trusted.StartTLS(t)
	s := storetest.Connect(t, store.Config{URL: url})
	require.EqualValues(t, 1, count(t, s, newKey()))
}

func TestTLS_RefusesUnknownAuthority(t *testing.T) {
	t.Parallel()
	unknown, err := storetest.NewAuthority()
	require.NoError(t, err)
	_, url := unknown.StartTLS(t)
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
	_, url := trusted.StartTLS(t)
	_, err := store.Connect(t.Context(), store.Config{URL: strings.Replace(url, "127.0.0.1", "localhost", 1)})
	require.ErrorContains(t, err, "certificate")
}

func TestTLS_PlainConnectionFails(t *testing.T) {
	t.Parallel()
	_, url := trusted.StartTLS(t)
	_, err := store.Connect(t.Context(), store.Config{URL: strings.Replace(url, "rediss", "redis", 1)})
	require.Error(t, err)
}

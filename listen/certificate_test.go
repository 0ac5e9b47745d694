package listen_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/listen"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// secured is a server with a certificate in files. It returns each line that it receives.
type secured struct {
	*listen.Certificate
	authority         *storetest.Authority
	certFile, keyFile string
	log               storetest.Buffer
	addr              string
}

func newSecured(t *testing.T) *secured {
	t.Helper()
	authority, err := storetest.NewAuthority()
	require.NoError(t, err)
	dir := t.TempDir()
	s := &secured{authority: authority, certFile: filepath.Join(dir, "cert.pem"), keyFile: filepath.Join(dir, "key.pem")}
	s.renew(t)
	s.Certificate, err = listen.ReadCertificate(s.certFile, s.keyFile, slog.New(slog.NewTextHandler(&s.log, nil)))
	require.NoError(t, err)
	l, err := tls.Listen("tcp", "127.0.0.1:0", s.Config())
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	s.addr = l.Addr().String()
	go serveLines(l)
	return s
}

func serveLines(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			lines := bufio.NewReader(conn)
			for {
				line, err := lines.ReadString('\n')
				if err != nil {
					return
				}
				_, _ = conn.Write([]byte(line))
			}
		}()
	}
}

// renew writes a new certificate and a new key, and returns the certificate.
func (s *secured) renew(t *testing.T) (cert []byte) {
	t.Helper()
	cert, key := s.authority.Issue(t)
	require.NoError(t, os.WriteFile(s.certFile, cert, 0o600))
	require.NoError(t, os.WriteFile(s.keyFile, key, 0o600))
	return cert
}

// dial connects with at most a version of TLS.
func (s *secured) dial(t *testing.T, version uint16) (*tls.Conn, error) {
	t.Helper()
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(s.authority.PEM()))
	conn, err := tls.Dial("tcp", s.addr, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10, MaxVersion: version})
	if err == nil {
		t.Cleanup(func() { _ = conn.Close() })
	}
	return conn, err
}

// serial returns the serial number of the certificate that a new connection gets.
func (s *secured) serial(t *testing.T) string {
	t.Helper()
	conn, err := s.dial(t, tls.VersionTLS13)
	require.NoError(t, err)
	requireEcho(t, conn)
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func requireEcho(t *testing.T, conn net.Conn) {
	t.Helper()
	_, err := conn.Write([]byte("hello\n"))
	require.NoError(t, err)
	line, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "hello\n", line)
}

func TestCertificate_ReplacedWithoutInterruption(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	open, err := s.dial(t, tls.VersionTLS13)
	require.NoError(t, err)
	requireEcho(t, open)
	first := s.serial(t)
	s.renew(t)
	require.Equal(t, first, s.serial(t), "the files are read again for each connection")
	s.Reload()
	require.NotEqual(t, first, s.serial(t))
	require.Contains(t, s.log.String(), "replaced the certificate")
	requireEcho(t, open)
}

// TestCertificate_BrokenFilesKeepEarlierOne replaces the files with ones that cannot be used. Each is
// one line of the log, however often the files are read.
func TestCertificate_BrokenFilesKeepEarlierOne(t *testing.T) {
	t.Parallel()
	for name, breakFiles := range map[string]func(t *testing.T, s *secured){
		"the key of another certificate": func(t *testing.T, s *secured) {
			cert, _ := s.authority.Issue(t)
			require.NoError(t, os.WriteFile(s.certFile, cert, 0o600))
		},
		"half of the certificate": func(t *testing.T, s *secured) {
			cert := s.renew(t)
			require.NoError(t, os.WriteFile(s.certFile, cert[:len(cert)/2], 0o600))
		},
		"an empty key":   func(t *testing.T, s *secured) { require.NoError(t, os.WriteFile(s.keyFile, nil, 0o600)) },
		"no certificate": func(t *testing.T, s *secured) { require.NoError(t, os.Remove(s.certFile)) },
		"no key":         func(t *testing.T, s *secured) { require.NoError(t, os.Remove(s.keyFile)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSecured(t)
			first := s.serial(t)
			breakFiles(t, s)
			for range 3 {
				s.Reload()
			}
			require.Equal(t, first, s.serial(t))
			require.Equal(t, 1, strings.Count(s.log.String(), "level=ERROR"), s.log.String())
			s.renew(t)
			s.Reload()
			require.NotEqual(t, first, s.serial(t), "the files stay unused")
		})
	}
}

func TestCertificate_RefusesVersionsBefore12(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	_, err := s.dial(t, tls.VersionTLS11)
	require.ErrorContains(t, err, "protocol version")
	conn, err := s.dial(t, tls.VersionTLS12)
	require.NoError(t, err)
	requireEcho(t, conn)
}

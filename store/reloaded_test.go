package store_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// clientFiles are the files with which a gateway authenticates to a server, and the server to it.
type clientFiles struct{ dir string }

// write writes the certificate of the server's authority, and a certificate of the client that
// another authority has issued.
func (f clientFiles) write(t testing.TB, server, client *authority) store.Config {
	t.Helper()
	cert, key := client.issue(t)
	return store.Config{
		CAFile:   writeFile(t, f.dir, "ca.pem", pemOf("CERTIFICATE", server.cert.Raw)),
		CertFile: writeFile(t, f.dir, "client.pem", cert), KeyFile: writeFile(t, f.dir, "client.key", key),
	}
}

func newTestAuthority(t testing.TB) *authority {
	t.Helper()
	made, err := newAuthority()
	require.NoError(t, err)
	return made
}

// trust makes the server accept only clients whose certificate a has issued, and closes all
// connections.
func (a *authority) trust(t testing.TB, server *storetest.Server) {
	t.Helper()
	admin := server.Client(t)
	file := writeFile(t, t.TempDir(), "clients.pem", pemOf("CERTIFICATE", a.cert.Raw))
	require.NoError(t, admin.ConfigSet(t.Context(), "tls-ca-cert-file", file).Err())
	require.NoError(t, admin.ClientKillByFilter(t.Context(), "SKIPME", "yes").Err())
}

// requireWorks waits until the store works again, over a new connection.
func requireWorks(t testing.TB, s *store.Store) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := s.Probe(t.Context())
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
}

// requireFails waits until the store does not work.
func requireFails(t testing.TB, s *store.Store) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := s.Probe(t.Context())
		return err != nil
	}, 10*time.Second, 10*time.Millisecond)
}

func TestTLS_AuthenticatesWithClientCertificate(t *testing.T) {
	t.Parallel()
	own := newTestAuthority(t)
	_, url := own.startTLS(t, "--tls-auth-clients", "yes")
	cfg := clientFiles{t.TempDir()}.write(t, own, own)
	cfg.URL = url
	s := storetest.Connect(t, cfg)
	require.EqualValues(t, 1, count(t, s, newKey()))
	require.NoError(t, s.Do(t.Context(), "ping", func(ctx context.Context, c store.Client) error { return c.Ping(ctx).Err() }))

	_, err := store.Connect(t.Context(), store.Config{URL: url, CAFile: cfg.CAFile, Logger: slog.New(slog.DiscardHandler)})
	require.Error(t, err, "the client has no certificate")
	_, err = store.Connect(t.Context(), store.Config{URL: url, CertFile: cfg.CertFile, KeyFile: cfg.KeyFile, Logger: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "certificate signed by unknown authority")
	require.False(t, store.IsUnreachable(err))
}

// TestTLS_CAFileReplacesSystem connects to a server whose authority the system trusts, but not
// the file.
func TestTLS_CAFileReplacesSystem(t *testing.T) {
	t.Parallel()
	_, url := trusted.startTLS(t)
	other := writeFile(t, t.TempDir(), "ca.pem", pemOf("CERTIFICATE", newTestAuthority(t).cert.Raw))
	_, err := store.Connect(t.Context(), store.Config{URL: url, CAFile: other})
	require.ErrorContains(t, err, "certificate signed by unknown authority")
}

// TestTLS_ReadsReplacedCertificates replaces the authority of the clients and then the files of
// a gateway that runs.
func TestTLS_ReadsReplacedCertificates(t *testing.T) {
	t.Parallel()
	own, next := newTestAuthority(t), newTestAuthority(t)
	server, url := own.startTLS(t, "--tls-auth-clients", "yes")
	files := clientFiles{t.TempDir()}
	cfg := files.write(t, own, own)
	cfg.URL = url
	s := storetest.Connect(t, cfg)

	next.trust(t, server)
	requireFails(t, s)
	files.write(t, own, next)
	requireWorks(t, s)
}

// TestTLS_KeepsCertificateUntilKeyIsReplaced replaces only one of two files that belong together.
func TestTLS_KeepsCertificateUntilKeyIsReplaced(t *testing.T) {
	t.Parallel()
	own := newTestAuthority(t)
	server, url := own.startTLS(t, "--tls-auth-clients", "yes")
	files := clientFiles{t.TempDir()}
	cfg := files.write(t, own, own)
	log := new(storetest.Buffer)
	cfg.URL, cfg.Logger = url, slog.New(slog.NewTextHandler(log, nil))
	s := storetest.Connect(t, cfg)

	cert, _ := own.issue(t)
	writeFile(t, files.dir, "client.pem", cert)
	own.trust(t, server)
	requireWorks(t, s)
	require.Equal(t, 1, strings.Count(log.String(), "using the earlier content of a file"), log.String())
}

func TestConnect_RefusesUnusableFiles(t *testing.T) {
	t.Parallel()
	dir, own := t.TempDir(), newTestAuthority(t)
	cert, key := own.issue(t)
	_, otherKey := own.issue(t)
	certFile, keyFile := writeFile(t, dir, "cert", cert), writeFile(t, dir, "key", key)
	other, empty, missing := writeFile(t, dir, "other", otherKey), writeFile(t, dir, "empty", []byte("\n")), filepath.Join(dir, "missing")
	password := writeFile(t, dir, "password", []byte("secret"))
	const secure, plain = "rediss://127.0.0.1:1", "redis://127.0.0.1:1"
	for want, cfg := range map[string]store.Config{
		"reading FIELDGATE_REDIS_CA_FILE":                                  {URL: secure, CAFile: missing},
		"FIELDGATE_REDIS_CA_FILE contains no certificate":                  {URL: secure, CAFile: keyFile},
		"FIELDGATE_REDIS_CERT_FILE and FIELDGATE_REDIS_KEY_FILE is set":    {URL: secure, CertFile: certFile},
		"only one of FIELDGATE_REDIS_CERT_FILE":                            {URL: secure, KeyFile: keyFile},
		"private key does not match public key":                            {URL: secure, CertFile: certFile, KeyFile: other},
		"reading FIELDGATE_REDIS_CERT_FILE and FIELDGATE_REDIS_KEY_FILE: ": {URL: secure, CertFile: missing, KeyFile: keyFile},
		"need TLS":                              {URL: plain, CertFile: certFile, KeyFile: keyFile},
		"reading FIELDGATE_REDIS_PASSWORD_FILE": {URL: plain, PasswordFile: missing},
		"contains no password":                  {URL: plain, PasswordFile: empty},
		"remove one of them":                    {URL: "redis://:hunter2@127.0.0.1:1", PasswordFile: password},
	} {
		_, err := store.Connect(t.Context(), cfg)
		require.ErrorContains(t, err, want)
		require.False(t, store.IsUnreachable(err), "%v", err)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

// TestPasswordFile_IsReadForEachConnection changes the password of Redis and then the file of a
// gateway that runs.
func TestPasswordFile_IsReadForEachConnection(t *testing.T) {
	t.Parallel()
	server, dir := storetest.Start(t), t.TempDir()
	admin := server.Client(t)
	setUser := func(rules ...any) {
		t.Helper()
		require.NoError(t, admin.Do(t.Context(), append([]any{"ACL", "SETUSER", "gateway"}, rules...)...).Err())
	}
	setUser("on", ">old", "~*", "&*", "+@all")
	s := storetest.Connect(t, store.Config{
		URL: "redis://gateway@" + server.Addr(), PasswordFile: writeFile(t, dir, "password", []byte("old\n")),
	})

	setUser(">new", "<old")
	require.NoError(t, admin.ClientKillByFilter(t.Context(), "USER", "gateway", "SKIPME", "yes").Err())
	requireFails(t, s)
	writeFile(t, dir, "password", []byte("new\n"))
	requireWorks(t, s)
	err := s.Do(t.Context(), "get", func(ctx context.Context, c store.Client) error { return c.Get(ctx, newKey()).Err() })
	require.ErrorIs(t, err, redis.Nil, "the pool of reads")
}

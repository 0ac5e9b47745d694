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
func (f clientFiles) write(t testing.TB, server, client *storetest.Authority) store.Config {
	t.Helper()
	cert, key := client.Issue(t)
	return store.Config{
		CAFile:   storetest.WriteFile(t, f.dir, "ca.pem", server.PEM()),
		CertFile: storetest.WriteFile(t, f.dir, "client.pem", cert), KeyFile: storetest.WriteFile(t, f.dir, "client.key", key),
	}
}

func newTestAuthority(t testing.TB) *storetest.Authority {
	t.Helper()
	made, err := storetest.NewAuthority()
	require.NoError(t, err)
	return made
}

// trustOnly makes the server accept only clients whose certificate a has issued, and closes all
// connections.
func trustOnly(t testing.TB, a *storetest.Authority, server *storetest.Server) {
	t.Helper()
	admin := server.Client(t)
	file := storetest.WriteFile(t, t.TempDir(), "clients.pem", a.PEM())
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
	_, url := own.StartTLS(t, "--tls-auth-clients", "yes")
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
	_, url := trusted.StartTLS(t)
	other := storetest.WriteFile(t, t.TempDir(), "ca.pem", newTestAuthority(t).PEM())
	_, err := store.Connect(t.Context(), store.Config{URL: url, CAFile: other})
	require.ErrorContains(t, err, "certificate signed by unknown authority")
}

// TestTLS_ReadsReplacedCertificates replaces the authority of the clients and then the files of
// a gateway that runs.
func TestTLS_ReadsReplacedCertificates(t *testing.T) {
	t.Parallel()
	own, next := newTestAuthority(t), newTestAuthority(t)
	server, url := own.StartTLS(t, "--tls-auth-clients", "yes")
	files := clientFiles{t.TempDir()}
	cfg := files.write(t, own, own)
	cfg.URL = url
	s := storetest.Connect(t, cfg)

	trustOnly(t, next, server)
	requireFails(t, s)
	files.write(t, own, next)
	requireWorks(t, s)
}

// TestTLS_KeepsCertificateUntilKeyIsReplaced replaces only one of two files that belong together.
func TestTLS_KeepsCertificateUntilKeyIsReplaced(t *testing.T) {
	t.Parallel()
	own := newTestAuthority(t)
	server, url := own.StartTLS(t, "--tls-auth-clients", "yes")
	files := clientFiles{t.TempDir()}
	cfg := files.write(t, own, own)
	log := new(storetest.Buffer)
	cfg.URL, cfg.Logger = url, slog.New(slog.NewTextHandler(log, nil))
	s := storetest.Connect(t, cfg)

	cert, _ := own.Issue(t)
	storetest.WriteFile(t, files.dir, "client.pem", cert)
	trustOnly(t, own, server)
	requireWorks(t, s)
	require.Equal(t, 1, strings.Count(log.String(), "using the earlier content of a file"), log.String())
}

func TestConnect_RefusesUnusableFiles(t *testing.T) {
	t.Parallel()
	dir, own := t.TempDir(), newTestAuthority(t)
	cert, key := own.Issue(t)
	_, otherKey := own.Issue(t)
	certFile, keyFile := storetest.WriteFile(t, dir, "cert", cert), storetest.WriteFile(t, dir, "key", key)
	other, empty, missing := storetest.WriteFile(t, dir, "other", otherKey), storetest.WriteFile(t, dir, "empty", []byte("\n")), filepath.Join(dir, "missing")
	password := storetest.WriteFile(t, dir, "password", []byte("secret"))
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
		URL: "redis://gateway@" + server.Addr(), PasswordFile: storetest.WriteFile(t, dir, "password", []byte("old\n")),
	})

	setUser(">new", "<old")
	require.NoError(t, admin.ClientKillByFilter(t.Context(), "USER", "gateway", "SKIPME", "yes").Err())
	requireFails(t, s)
	storetest.WriteFile(t, dir, "password", []byte("new\n"))
	requireWorks(t, s)
	err := s.Do(t.Context(), "get", func(ctx context.Context, c store.Client) error { return c.Get(ctx, newKey()).Err() })
	require.ErrorIs(t, err, redis.Nil, "the pool of reads")
}

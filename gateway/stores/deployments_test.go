package stores_test

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// aclFile is the file with the users of Redis that the guide to stores recommends.
const aclFile = "../../deploy/redis.acl"

// passwords are the passwords of the users in aclFile.
var passwords = map[string]string{"FIELDGATE": "of the gateway", "REPLICA": "of-a-replica", "SENTINEL": "of-a-sentinel"}

// withDigests returns aclFile with the digests of the passwords.
func withDigests(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(aclFile)
	require.NoError(t, err)
	users := string(text)
	for name, password := range passwords {
		sum := sha256.Sum256([]byte(password))
		users = strings.Replace(users, "SHA256_OF_THE_PASSWORD_OF_"+name, hex.EncodeToString(sum[:]), 1)
	}
	return users
}

// restricted returns the arguments of a redis-server with the users of aclFile. The user default
// stays on, because the tests set the servers up as that user.
func restricted(t testing.TB) (args []string) {
	t.Helper()
	users := strings.Replace(withDigests(t), "user default off", "user default on nopass", 1)
	path := storetest.WriteFile(t, t.TempDir(), "redis.acl", []byte(users))
	return []string{"--aclfile", path, "--masteruser", "replica", "--masterauth", passwords["REPLICA"]}
}

// userinfo is the gateway's user and password in a URL.
const userinfo = "fieldgate:of%20the%20gateway@"

func startSingle(t *testing.T) *site {
	server := storetest.Start(t)
	return newSite(t, server.URL(), server)
}

func startRestricted(t *testing.T) *site {
	server := storetest.Start(t, restricted(t)...)
	s := newSite(t, "redis://"+userinfo+server.Addr(), server)
	s.rotate = func(t *testing.T, replaced func(url string)) {
		admin := server.Client(t)
		setUser := func(rule string) { require.NoError(t, admin.ACLSetUser(t.Context(), "fieldgate", rule).Err()) }
		setUser(">new")
		next := "redis://fieldgate:new@" + server.Addr()
		replaced(next)
		setUser("<" + passwords["FIELDGATE"])
		require.NoError(t, admin.Do(t.Context(), "client", "kill", "user", "fieldgate").Err())
		_, err := store.Connect(t.Context(), s.storeConfig())
		require.ErrorContains(t, err, "WRONGPASS", "the old password")
		s.url = next
	}
	return s
}

// startTLS starts a server that accepts the gateway's connections only with TLS and a certificate
// of the authority.
func startTLS(t *testing.T) *site {
	authority, err := storetest.NewAuthority()
	require.NoError(t, err)
	server, url := authority.StartTLS(t, append(restricted(t), "--tls-auth-clients", "yes")...)
	s := newSite(t, strings.Replace(url, "://", "://"+userinfo, 1), server)
	dir := t.TempDir()
	cert, key := authority.Issue(t)
	s.files.CAFile = storetest.WriteFile(t, dir, "ca.pem", authority.PEM())
	_, err = store.Connect(t.Context(), s.storeConfig())
	require.Error(t, err, "without a certificate")
	s.files.CertFile, s.files.KeyFile = storetest.WriteFile(t, dir, "cert.pem", cert), storetest.WriteFile(t, dir, "key.pem", key)
	return s
}

func startSentinel(t *testing.T) *site {
	args := append(restricted(t), "--repl-diskless-sync-delay", "0")
	master := storetest.Start(t, args...)
	replica := storetest.Start(t, append(args, "--replicaof", "127.0.0.1 "+master.Port)...)
	master.AwaitReplica(t)
	sentinel, url := storetest.StartSentinel(t, master,
		"auth-user fieldgate sentinel", "auth-pass fieldgate "+passwords["SENTINEL"])
	sentinel.AwaitKnownReplicas(t, 1)
	s := newSite(t, url+"&username=fieldgate&password=of%20the%20gateway", master, replica)
	s.failOver = func(t *testing.T, _ string) { kill(t, master) }
	return s
}

func startCluster(t *testing.T) *site {
	masters, replicas := storetest.StartReplicated(t, 3, restricted(t)...)
	s := newSite(t, strings.Replace(masters.URL(), "://", "://"+userinfo, 1), append(masters, replicas...)...)
	s.failOver = func(t *testing.T, tenantID string) {
		kill(t, masters.Owner(t, gatewaytest.PartitionOf(tenantID).DueKey()))
	}
	return s
}

// kill kills a master as soon as its replica has all writes.
func kill(t testing.TB, master *storetest.Server) {
	t.Helper()
	master.AwaitReplica(t)
	master.Kill()
}

// newSite returns a site whose servers count the calls from now on.
func newSite(t testing.TB, url string, servers ...*storetest.Server) *site {
	t.Helper()
	for _, server := range servers {
		require.NoError(t, server.Client(t).ConfigResetStat(t.Context()).Err())
	}
	return &site{url: url, servers: servers}
}

// storeConfig returns the configuration of a connection to the store, which must exist.
func (s *site) storeConfig() store.Config {
	cfg := s.files
	cfg.URL, cfg.Existing, cfg.Logger = s.url, true, slog.New(slog.DiscardHandler)
	return cfg
}

// forgetScripts deletes all functions and scripts from the servers. The gateway must send them again.
func (s *site) forgetScripts(t testing.TB) {
	t.Helper()
	for _, client := range s.reachable(t) {
		require.NoError(t, client.ScriptFlush(t.Context()).Err())
		if err := client.FunctionFlush(t.Context()).Err(); !redis.IsReadOnlyError(err) {
			require.NoError(t, err)
		}
	}
}

// reachable returns clients for the servers that were not killed.
func (s *site) reachable(t testing.TB) (clients []*redis.Client) {
	t.Helper()
	for _, server := range s.servers {
		client := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1, DialTimeout: time.Second})
		t.Cleanup(func() { _ = client.Close() })
		if client.Ping(t.Context()).Err() == nil {
			clients = append(clients, client)
		}
	}
	return clients
}

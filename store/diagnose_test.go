package store_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/diagnosis"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// requireFinding requires that a check has a finding of a level whose detail contains text.
func requireFinding(t testing.TB, findings []diagnosis.Finding, check string, level diagnosis.Level, text string) {
	t.Helper()
	for _, f := range findings {
		if f.Check == check && f.Level == level && strings.Contains(f.Detail, text) {
			return
		}
	}
	require.Fail(t, "no such finding", "%s %s %q in %+v", level, check, text, findings)
}

func TestDiagnose_HealthyServer(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t, "--maxmemory", "1gb")
	found := store.Diagnose(t.Context(), store.Config{URL: server.URL()})
	for _, f := range found {
		require.Equal(t, diagnosis.OK, f.Level, "%+v", f)
	}
	requireFinding(t, found, "redis data", diagnosis.OK, "the store is empty")
	require.Zero(t, server.Client(t).Exists(t.Context(), "fg:meta").Val(), "the store was created")

	storetest.Connect(t, store.Config{URL: server.URL()})
	found = store.Diagnose(t.Context(), store.Config{URL: server.URL()})
	requireFinding(t, found, "redis data", diagnosis.OK, "with data of schema")
}

func TestDiagnose_NamesProblems(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args        []string
		acl         []any // of the user gateway; none for the default user
		check, text string
		level       diagnosis.Level
	}{
		"eviction":    {[]string{"--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru"}, nil, "redis eviction", "set it to noeviction", diagnosis.Failure},
		"persistence": {[]string{"--appendonly", "no"}, nil, "redis persistence", "set appendonly yes", diagnosis.Warning},
		"no limit":    {nil, nil, "redis memory", "maxmemory is not set", diagnosis.Warning},
		"full":        {[]string{"--maxmemory", "1100kb"}, nil, "redis memory", "nothing new is accepted", diagnosis.Failure},
		"replica":     {[]string{"--replicaof", "127.0.0.1 1"}, nil, "redis role", "promote it", diagnosis.Failure},
		"no INFO":     {nil, []any{"~*", "&*", "+@all", "-info"}, "redis rights", "grant +info", diagnosis.Failure},
		"no scripts":  {nil, []any{"~*", "&*", "+@all", "-@scripting"}, "redis rights", "grant the user its rights", diagnosis.Failure},
		"no fcall":    {nil, []any{"~*", "&*", "+@all", "-fcall"}, "redis rights", "grant +fcall", diagnosis.Warning},
		"no loading":  {nil, []any{"~*", "&*", "+@all", "-function|load"}, "redis rights", "grant +fcall", diagnosis.Warning},
		"no channel":  {nil, []any{"~*", "resetchannels", "+@all"}, "redis wake-ups", "grant the channel &fg:wake", diagnosis.Warning},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := storetest.Start(t, c.args...)
			url := server.URL()
			if c.acl != nil {
				set := append([]any{"ACL", "SETUSER", "gateway", "on", ">secret"}, c.acl...)
				require.NoError(t, server.Client(t).Do(t.Context(), set...).Err())
				url = "redis://gateway:secret@" + server.Addr()
			}
			requireFinding(t, store.Diagnose(t.Context(), store.Config{URL: url}), c.check, c.level, c.text)
		})
	}
}

func TestDiagnose_NamesWrongConnection(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	for url, text := range map[string]string{
		"redis://" + storetest.FreeAddr(t):        "start Redis, or correct its address",
		"redis://nobody:hunter2@" + server.Addr(): "correct the address, the password",
		"redis+cluster://" + server.Addr():        "cluster",
		"http://" + server.Addr():                 "the Redis URL is not valid",
	} {
		found := store.Diagnose(t.Context(), store.Config{URL: url})
		require.Len(t, found, 1, url)
		require.Equal(t, diagnosis.Failure, found[0].Level)
		require.Contains(t, found[0].Detail, text)
		require.NotContains(t, found[0].Detail, "hunter2")
	}
}

func TestDiagnose_OtherStoreIsNotWritten(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	found := store.Diagnose(t.Context(), store.Config{URL: server.URL(), StoreID: "production"})
	requireFinding(t, found, "redis data", diagnosis.Failure, "requires the store production")
	require.Zero(t, server.Client(t).DBSize(t.Context()).Val())
}

func TestDiagnose_Certificates(t *testing.T) {
	t.Parallel()
	own := newTestAuthority(t)
	_, url := own.StartTLS(t, "--tls-auth-clients", "yes")
	cfg := clientFiles{t.TempDir()}.write(t, own, own)
	cfg.URL = url
	found := store.Diagnose(t.Context(), cfg)
	requireFinding(t, found, "redis TLS", diagnosis.Warning, "the certificate expires at")
	requireFinding(t, found, "redis authority", diagnosis.Warning, "the certificate expires at")
	requireFinding(t, found, "redis client certificate", diagnosis.Warning, "the certificate expires at")
}

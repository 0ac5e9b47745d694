package store_test

import (
	"fmt"
	"os"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestMain configures a certificate authority for these tests, as an operator does. It
// does so before the process loads the system's authorities.
func TestMain(m *testing.M) {
	if err := trustTestAuthority(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	storetest.Main(m)
}

// newScript returns a script whose source is body.
func newScript(body string) *store.Script {
	return store.NewScript(fstest.MapFS{"lua/test.lua": {Data: []byte(body)}}, "lua/test.lua")
}

// countScript counts its runs in a key.
var countScript = newScript(`return { 'ok', redis.call('INCR', KEYS[1]) }`)

// count runs countScript on key and returns how many times the script has run on key.
func count(t testing.TB, s *store.Store, key string) int64 {
	t.Helper()
	reply, err := s.Run(t.Context(), countScript, []string{key})
	require.NoError(t, err)
	require.True(t, reply.OK())
	return reply.Int(1)
}

// newKey returns a key that no other test uses.
func newKey() string { return store.Tenant(storetest.Tenant()).StreamKey() }

// withAndWithoutPipeline runs a test with Config.AutoPipeline off and on.
func withAndWithoutPipeline(t *testing.T, test func(t *testing.T, cfg store.Config)) {
	t.Helper()
	for name, pipelined := range map[string]bool{"alone": false, "pipelined": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, store.Config{AutoPipeline: pipelined})
		})
	}
}

// requireCode fails the test unless err has the given code.
func requireCode(t testing.TB, want fieldgate.Code, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, fieldgate.CodeOf(err), "%v", err)
}

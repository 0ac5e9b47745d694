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

// TestMain has the process trust the authority of these tests, as an operator
// has it trust one of a company: before anything asks for the system's.
func TestMain(m *testing.M) {
	if err := trustTestAuthority(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	storetest.Main(m)
}

// newScript makes a script of a test.
func newScript(body string) *store.Script {
	return store.NewScript(fstest.MapFS{"lua/test.lua": {Data: []byte(body)}}, "lua/test.lua")
}

// countScript counts how often it ran.
var countScript = newScript(`return { 'ok', redis.call('INCR', KEYS[1]) }`)

// count runs countScript and gives what it answered.
func count(t testing.TB, s *store.Store, key string) int64 {
	t.Helper()
	reply, err := s.Run(t.Context(), countScript, []string{key})
	require.NoError(t, err)
	require.True(t, reply.OK())
	return reply.Int(1)
}

// newKey is a key that no other test uses.
func newKey() string { return store.Tenant(storetest.Tenant()).StreamKey() }

// bothWays runs a test with scripts that travel alone and with scripts that
// travel together.
func bothWays(t *testing.T, test func(t *testing.T, cfg store.Config)) {
	t.Helper()
	for name, pipelined := range map[string]bool{"alone": false, "together": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, store.Config{AutoPipeline: pipelined})
		})
	}
}

func requireCode(t testing.TB, want fieldgate.Code, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, fieldgate.CodeOf(err), "%v", err)
}

package main_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestAdmin_ExitCodes runs the program as an operator does, with the
// address of the store in a file.
func TestAdmin_ExitCodes(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	file := filepath.Join(t.TempDir(), "redis-url")
	require.NoError(t, os.WriteFile(file, []byte(server.URL()+"\n"), 0o600))
	settings := []string{"FIELDGATE_REDIS_URL_FILE=" + file}

	_, stderr, code := once(t, settings, "admin", "tenants")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "the store is empty: no gateway has used it yet")
	storetest.Connect(t, store.Config{URL: server.URL()})
	stdout, stderr, code := once(t, settings, "admin", "tenants", "--json")
	require.Zero(t, code, stderr)
	require.Empty(t, stdout+stderr)
	_, stderr, code = once(t, settings, "admin", "device", "dev_none")
	require.Equal(t, 3, code)
	require.Equal(t, "fieldgate: the store has no device dev_none\n", stderr)
	_, stderr, code = once(t, settings, "admin", "sessions", "close")
	require.Equal(t, 80, code)
	require.Contains(t, stderr, "--session=ID or --tenant=STRING or --all")
}

package main_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// stranger is a user who is neither root nor the one of the tests.
const stranger = 54321

// Who can write to the scripts can do whatever the agent can.
func TestScriptsThatOthersMayWriteEndItWithTwo(t *testing.T) {
	t.Parallel()
	spoils := map[string]func(dir string) error{
		"everybody":   func(dir string) error { return os.Chmod(dir, 0o757) },
		"a group":     func(dir string) error { return os.Chmod(dir, 0o775) },
		"sticky":      func(dir string) error { return os.Chmod(dir, 0o777|os.ModeSticky) },
		"other owner": func(dir string) error { return os.Chown(dir, stranger, -1) },
	}
	if os.Geteuid() != 0 {
		delete(spoils, "other owner") // only root can give something away
	}
	for name, spoil := range spoils {
		dir := t.TempDir()
		require.NoError(t, spoil(dir), name)
		code, output := runs(t, []string{
			"FIELDGATE_URL=http://127.0.0.1:1", "FIELDGATE_STATE=" + t.TempDir() + "/device.json", "FIELDGATE_SCRIPTS=" + dir,
		})
		require.Equal(t, 2, code, "%s: %s", name, output)
		require.Contains(t, output, "others than root and the agent's own user may write to it", name)
	}
}

func TestScriptsThatOthersMayWriteByNowDoNotRun(t *testing.T) {
	t.Parallel()
	s := newSite(t, gatewaytest.Start(t))
	s.script(t, "good", "echo ran")
	s.script(t, "given", "echo ran")
	s.start(t)
	require.Empty(t, code(t, s.ask(t, runScript, map[string]any{"name": "good"})))
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chown(filepath.Join(s.scripts, "given"), stranger, -1))
		require.Equal(t, "script_unusable", code(t, s.ask(t, runScript, map[string]any{"name": "given"})))
	}
	require.NoError(t, os.Chmod(s.scripts, 0o775))
	require.Equal(t, "script_unusable", code(t, s.ask(t, runScript, map[string]any{"name": "good"})))
}

func TestADirectoryThatTakesThePlaceOfTheScriptsIsNotUsed(t *testing.T) {
	t.Parallel()
	s := newSite(t, gatewaytest.Start(t))
	s.script(t, "where", `echo first; cat note`)
	require.NoError(t, os.WriteFile(filepath.Join(s.scripts, "note"), []byte("of the first"), 0o600))
	s.start(t)
	require.Empty(t, code(t, s.ask(t, runScript, map[string]any{"name": "where"})))
	require.NoError(t, os.Rename(s.scripts, s.scripts+".old"))
	require.NoError(t, os.Mkdir(s.scripts, 0o755))
	s.script(t, "where", `echo second; cat note`)
	require.NoError(t, os.WriteFile(filepath.Join(s.scripts, "note"), []byte("of the second"), 0o600))
	require.Equal(t, "first\nof the first", s.ask(t, runScript, map[string]any{"name": "where"}).Result.Output)
}

package main_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// otherUID is the ID of a user who is neither root nor the user of the tests.
const otherUID = 54321

// TestScripts_DirectoryWritableByOthersExitsWith2 covers script directories that other users
// may write to. With such a directory, these users could do everything that the agent can.
func TestScripts_DirectoryWritableByOthersExitsWith2(t *testing.T) {
	t.Parallel()
	changes := map[string]func(dir string) error{
		"all users":   func(dir string) error { return os.Chmod(dir, 0o757) },
		"group":       func(dir string) error { return os.Chmod(dir, 0o775) },
		"sticky bit":  func(dir string) error { return os.Chmod(dir, 0o777|os.ModeSticky) },
		"other owner": func(dir string) error { return os.Chown(dir, otherUID, -1) },
	}
	if os.Geteuid() != 0 {
		delete(changes, "other owner") // only root can change an owner
	}
	for name, change := range changes {
		dir := t.TempDir()
		require.NoError(t, change(dir), name)
		code, output := runProgram(t, []string{
			"FIELDGATE_URL=http://127.0.0.1:1", "FIELDGATE_STATE=" + t.TempDir() + "/device.json", "FIELDGATE_SCRIPTS=" + dir,
		})
		require.Equal(t, 2, code, "%s: %s", name, output)
		require.Contains(t, output, "users other than root and the agent's own user may write to it", name)
	}
}

func TestScripts_WritableByOthersAfterStartDoNotRun(t *testing.T) {
	t.Parallel()
	b := newTestbed(t, gatewaytest.Start(t))
	b.writeScript(t, "good", "echo ran")
	b.writeScript(t, "owned", "echo ran")
	b.start(t)
	require.Empty(t, code(t, b.execute(t, runScript, map[string]any{"name": "good"})))
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chown(filepath.Join(b.scripts, "owned"), otherUID, -1))
		require.Equal(t, "script_unusable", code(t, b.execute(t, runScript, map[string]any{"name": "owned"})))
	}
	require.NoError(t, os.Chmod(b.scripts, 0o775))
	require.Equal(t, "script_unusable", code(t, b.execute(t, runScript, map[string]any{"name": "good"})))
}

func TestScripts_ReplacedDirectoryIsNotUsed(t *testing.T) {
	t.Parallel()
	b := newTestbed(t, gatewaytest.Start(t))
	b.writeScript(t, "where", `echo first; cat note`)
	require.NoError(t, os.WriteFile(filepath.Join(b.scripts, "note"), []byte("of the first"), 0o600))
	b.start(t)
	require.Empty(t, code(t, b.execute(t, runScript, map[string]any{"name": "where"})))
	require.NoError(t, os.Rename(b.scripts, b.scripts+".old"))
	require.NoError(t, os.Mkdir(b.scripts, 0o755))
	b.writeScript(t, "where", `echo second; cat note`)
	require.NoError(t, os.WriteFile(filepath.Join(b.scripts, "note"), []byte("of the second"), 0o600))
	require.Equal(t, "first\nof the first", b.execute(t, runScript, map[string]any{"name": "where"}).Result.Output)
}

package agent

import (
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestState_SameFilesAtOtherPathAreInUse reaches the state of a running agent by other paths. Each agent must
// notice that it is the same journal.
func TestState_SameFilesAtOtherPathAreInUse(t *testing.T) {
	t.Parallel()
	for name, link := range map[string]func(t *testing.T, dir, other string){
		"link to the directory": func(t *testing.T, dir, other string) { require.NoError(t, os.Symlink(dir, other)) },
		"links to the files": func(t *testing.T, dir, other string) {
			require.NoError(t, os.Mkdir(other, 0o700))
			require.NoError(t, os.Symlink(filepath.Join(dir, "device.json.journal"), filepath.Join(other, "device.json.journal")))
		},
		"hard links": func(t *testing.T, dir, other string) {
			require.NoError(t, os.Mkdir(other, 0o700))
			require.NoError(t, os.Link(filepath.Join(dir, "device.json.journal"), filepath.Join(other, "device.json.journal")))
		},
		"bind mount": func(t *testing.T, dir, other string) {
			require.NoError(t, os.Mkdir(other, 0o700))
			if err := syscall.Mount(dir, other, "", syscall.MS_BIND, ""); err != nil {
				t.Skipf("SKIPPED: a directory cannot be mounted twice, which needs root: %v", err)
			}
			t.Cleanup(func() { require.NoError(t, syscall.Unmount(other, syscall.MNT_DETACH)) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, other := t.TempDir(), filepath.Join(t.TempDir(), "other")
			j, err := openJournal(filepath.Join(dir, "device.json.journal"), "machine-1", lockFile, slog.New(slog.DiscardHandler))
			require.NoError(t, err)
			t.Cleanup(j.close)
			require.NoError(t, j.begin(testCommand(1), false, true))
			link(t, dir, other)
			state := filepath.Join(other, "device.json")
			require.NoError(t, identity{DeviceID: "dev_1", DeviceSecret: "s3cret"}.write(state))
			require.ErrorIs(t, newTestAgent(t, "http://127.0.0.1:1", state, "").Run(t.Context()), ErrInUse)
			require.ErrorIs(t, Adopt(state), ErrInUse)
			require.ErrorIs(t, Reset(state), ErrInUse)
			require.FileExists(t, state)
		})
	}
}

package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// write puts a program into a directory of its own, and opens it.
func write(t testing.TB, text string) (path string, opened *os.File) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o755))
	opened, err := os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = opened.Close() })
	return path, opened
}

func TestWhatWasOpenedIsRunWhateverItsPathLeadsToNow(t *testing.T) {
	t.Parallel()
	for _, interpreter := range []string{"/bin/sh", "/usr/bin/env sh", "/usr/bin/env -S sh -e"} {
		path, opened := write(t, "#!"+interpreter+"\necho \"checked $1\"\n")
		require.NoError(t, os.Remove(path))
		require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\necho other\n"), 0o755))
		ended, err := Run(t.Context(), Program{Path: path, File: opened, Args: []string{"it is"}})
		require.NoError(t, err)
		require.Equal(t, "checked it is\n", ended.Output, interpreter)
	}
}

func TestAnOpenedProgramThatIsNoScriptRunsUnderItsName(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("sh")
	require.NoError(t, err)
	opened, err := os.Open(path)
	require.NoError(t, err)
	defer opened.Close()
	ended, err := Run(t.Context(), Program{Path: "show-name", File: opened, Args: []string{"-c", "echo $0"}})
	require.NoError(t, err)
	require.Equal(t, "show-name\n", ended.Output)
}

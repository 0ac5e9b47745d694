package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// writeProgram writes a program into a new directory and opens it.
func writeProgram(t testing.TB, text string) (path string, opened *os.File) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o755))
	opened, err := os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = opened.Close() })
	return path, opened
}

func TestRun_UsesOpenedFileAfterItsPathChanged(t *testing.T) {
	t.Parallel()
	for _, interpreter := range []string{"/bin/sh", "/usr/bin/env sh", "/usr/bin/env -S sh -e"} {
		path, opened := writeProgram(t, "#!"+interpreter+"\necho \"checked $1\"\n")
		require.NoError(t, os.Remove(path))
		require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\necho other\n"), 0o755))
		result, err := Run(t.Context(), Program{Path: path, File: opened, Args: []string{"argument"}})
		require.NoError(t, err)
		require.Equal(t, "checked argument\n", result.Output, interpreter)
	}
}

func TestRun_OpenedBinarySeesPathAsItsName(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("sh")
	require.NoError(t, err)
	opened, err := os.Open(path)
	require.NoError(t, err)
	defer opened.Close()
	result, err := Run(t.Context(), Program{Path: "show-name", File: opened, Args: []string{"-c", "echo $0"}})
	require.NoError(t, err)
	require.Equal(t, "show-name\n", result.Output)
}

package agent

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSize_StrippedProgramStaysBelow8MB limits the size of a program that contains only the
// agent. Devices have little flash memory and download updates over slow radio links. Most of
// the size is net/http and TLS. The limit leaves room for a newer toolchain, but not for
// another dependency.
func TestSize_StrippedProgramStaysBelow8MB(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "agentonly")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "../testdata/agentonly")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	info, err := os.Stat(program)
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(8_000_000))
}

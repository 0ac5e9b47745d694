package agent

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Flash is small, and every megabyte goes over somebody's radio. Most of it is net/http and
// TLS; the bar leaves room for the toolchain, not for another dependency.
func TestAFirmwareWithTheAgentStaysSmall(t *testing.T) {
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

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// emulators maps the architectures of the agent to the programs of qemu-user-static that run
// their binaries.
var emulators = map[string]string{
	"linux-amd64": "qemu-x86_64-static", "linux-arm64": "qemu-aarch64-static", "linux-armv6": "qemu-arm-static",
	"linux-armv7": "qemu-arm-static", "linux-mipsle": "qemu-mipsel-static", "linux-riscv64": "qemu-riscv64-static",
}

// TestArchitectures_AgentRegistersRunsCommandsAndStops runs the binaries that `make agents` has
// built. FIELDGATE_TEST_AGENTS names their directory.
func TestArchitectures_AgentRegistersRunsCommandsAndStops(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("FIELDGATE_TEST_AGENTS")
	if dir == "" {
		t.Skip("FIELDGATE_TEST_AGENTS names no directory: run make test-agents")
	}
	g := gatewaytest.Start(t)
	for system, emulator := range emulators {
		t.Run(system, func(t *testing.T) {
			t.Parallel()
			b := newTestbed(t, g)
			b.writeScript(t, "greet", `echo "hello $1"`)
			a := b.startCommand(t, exec.Command(emulator, filepath.Join(dir, "fieldgate-agent-"+system)))
			described := b.execute(t, "diagnostic.system", map[string]any{})
			require.Equal(t, client.CommandStatusSucceeded, described.Status, described.Result.Error)
			greeted := b.execute(t, runScript, map[string]any{"name": "greet", "args": []string{"pump"}})
			require.Equal(t, "hello pump\n", greeted.Result.Output, greeted.Result.Error)
			a.stop(t)
		})
	}
}

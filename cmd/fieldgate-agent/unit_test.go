package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

const unitFile = "fieldgate-agent.service"

func TestUnit_PassesSystemdVerify(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd is not installed")
	}
	text, err := os.ReadFile(unitFile)
	require.NoError(t, err)
	installed := strings.Replace(string(text), "ExecStart=fieldgate-agent", "ExecStart="+program, 1)
	require.NotEqual(t, string(text), installed)
	path := filepath.Join(t.TempDir(), unitFile)
	require.NoError(t, os.WriteFile(path, []byte(installed), 0o600))
	output, err := exec.Command(analyze, "verify", "--man=no", path).CombinedOutput()
	require.NoError(t, err, string(output))
	require.NotContains(t, string(output), unitFile, "systemd-analyze warns about the unit") // warnings about other units do not count
}

func TestUnit_AgentNotifiesServiceManager(t *testing.T) {
	t.Parallel()
	manager := gatewaytest.NewServiceManager(t)
	newTestbed(t, gatewaytest.Start(t)).start(t, "NOTIFY_SOCKET="+manager.Socket)
	require.Equal(t, "READY=1", manager.Next(t))
}

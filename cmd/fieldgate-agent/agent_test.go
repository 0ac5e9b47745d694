package main_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

func TestADeviceJoinsWorksAndLeaves(t *testing.T) {
	t.Parallel()
	s := newSite(t, gatewaytest.Start(t))
	s.script(t, "restart", `echo "restarting $1"`)
	a := s.start(t)
	looked := s.ask(t, "diagnostic.dns", map[string]any{"host": "localhost"})
	require.Equal(t, client.CommandStatusSucceeded, looked.Status, looked.Result.Error)
	require.Contains(t, looked.Result.Output, "localhost is ")

	restarted := s.ask(t, "remediation.run_script", map[string]any{"name": "restart", "args": []string{"telemetry; reboot"}})
	require.Equal(t, client.CommandStatusSucceeded, restarted.Status, restarted.Result.Error)
	require.Equal(t, "restarting telemetry; reboot\n", restarted.Result.Output)

	require.NoError(t, a.cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, a.wait(t), a.log.String())
	require.NotContains(t, a.log.String(), s.code)
}

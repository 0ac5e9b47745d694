package main_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

func TestAgent_RegistersRunsCommandsAndStops(t *testing.T) {
	t.Parallel()
	b := newTestbed(t, gatewaytest.Start(t))
	b.writeScript(t, "restart", `echo "restarting $1"`)
	a := b.start(t)
	resolved := b.execute(t, "diagnostic.dns", map[string]any{"host": "localhost"})
	require.Equal(t, client.CommandStatusSucceeded, resolved.Status, resolved.Result.Error)
	require.Contains(t, resolved.Result.Output, "localhost is ")

	restarted := b.execute(t, "remediation.run_script", map[string]any{"name": "restart", "args": []string{"telemetry; reboot"}})
	require.Equal(t, client.CommandStatusSucceeded, restarted.Status, restarted.Result.Error)
	require.Equal(t, "restarting telemetry; reboot\n", restarted.Result.Output)

	a.stop(t)
	require.NotContains(t, a.log.String(), b.ActivationCode)
}

package main_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

func TestExit_PermanentErrorsExitWith2(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	t.Run("wrong activation code", func(t *testing.T) {
		t.Parallel()
		a := newTestbed(t, g).start(t, "FIELDGATE_ACTIVATION_CODE=AAAA-BBBB-CCCC")
		require.Equal(t, 2, a.wait(t))
		require.Contains(t, a.log.String(), "the gateway refused the activation code")
		require.NotContains(t, a.log.String(), "AAAA-BBBB-CCCC")
	})
	t.Run("no activation code", func(t *testing.T) {
		t.Parallel()
		a := newTestbed(t, g).start(t, "FIELDGATE_ACTIVATION_CODE=")
		require.Equal(t, 2, a.wait(t))
		require.Contains(t, a.log.String(), "set an activation code")
	})
	t.Run("damaged state file", func(t *testing.T) {
		t.Parallel()
		b := newTestbed(t, g)
		require.NoError(t, os.WriteFile(b.state, []byte(`{"deviceId":`), 0o600))
		a := b.start(t)
		require.Equal(t, 2, a.wait(t))
		require.Contains(t, a.log.String(), "the state file is damaged: "+b.state)
	})
}

func TestExit_SecondAgentWithSameStateFileExitsWith1(t *testing.T) {
	t.Parallel()
	b := newTestbed(t, gatewaytest.Start(t))
	first := b.start(t)
	b.execute(t, "diagnostic.system", map[string]any{})
	second := b.start(t)
	require.Equal(t, 1, second.wait(t))
	require.Contains(t, second.log.String(), "another agent is using this state file")
	first.kill()
	b.start(t)
	require.Equal(t, client.CommandStatusSucceeded, b.execute(t, "diagnostic.system", map[string]any{}).Status)
}

func TestRegister_RetriesWhileGatewayIsUnreachable(t *testing.T) {
	t.Parallel()
	a := newTestbed(t, gatewaytest.Start(t)).start(t, "FIELDGATE_URL=http://127.0.0.1:1")
	eventually(t, func() bool { return strings.Count(a.log.String(), "registering failed, trying again") >= 3 }, "the agent does not try again")
	require.NotContains(t, a.log.String(), "level=ERROR")
}

// TestFullDisk_CommandIsReleasedAndDoesNotRun sets a file size limit, which has the effect of a
// full disk. If the start of a script cannot be recorded, the script must not run.
func TestFullDisk_CommandIsReleasedAndDoesNotRun(t *testing.T) {
	t.Parallel()
	b := newTestbed(t, gatewaytest.Start(t))
	b.writeScript(t, "note", "echo ran >> "+b.runLog())
	registered := b.start(t)
	b.execute(t, "diagnostic.system", map[string]any{})
	registered.kill()
	full := b.startCommand(t, exec.Command("sh", "-c", "ulimit -f 0; exec "+program))
	command := b.propose(t, runScript, map[string]any{"name": "note"})
	eventually(t, func() bool { return strings.Contains(full.log.String(), "writing the journal failed") }, "the agent does not log the error")
	eventually(t, func() bool { return b.command(t, command.ID).Status == client.CommandStatusQueued }, "the command is not released")
	full.kill()
	require.NoFileExists(t, b.runLog())

	b.start(t)
	require.Equal(t, client.CommandStatusSucceeded, b.await(t, command.ID).Status)
}

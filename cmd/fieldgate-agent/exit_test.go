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

// TestFullDisk_ScriptIsRefusedAndDiagnosticRuns sets a file size limit, which has the effect of a
// full disk. If the start of a script cannot be recorded, the script must not run.
func TestFullDisk_ScriptIsRefusedAndDiagnosticRuns(t *testing.T) {
	t.Parallel()
	b := newTestbed(t, gatewaytest.Start(t))
	b.writeScript(t, "note", "echo ran >> "+b.runLog())
	registered := b.start(t)
	b.execute(t, "diagnostic.system", map[string]any{})
	registered.kill()
	full := b.startCommand(t, exec.Command("sh", "-c", "ulimit -f 0; exec "+program))
	refused := b.execute(t, runScript, map[string]any{"name": "note"})
	require.Equal(t, "unrecorded", code(t, refused), refused.Result.Error)
	require.Equal(t, "unrecorded", code(t, b.execute(t, "remediation.free_space", map[string]any{})), "the limit holds without the reserve too")
	require.Equal(t, client.CommandStatusSucceeded, b.execute(t, "diagnostic.system", map[string]any{}).Status)
	full.kill()
	require.NoFileExists(t, b.runLog())

	b.start(t)
	require.Equal(t, client.CommandStatusSucceeded, b.execute(t, runScript, map[string]any{"name": "note"}).Status)
}

func TestScripts_FreeSpaceRunsItsScriptOnly(t *testing.T) {
	t.Parallel()
	b := newTestbed(t, gatewaytest.Start(t))
	b.start(t)
	require.Equal(t, "unknown_script", code(t, b.execute(t, "remediation.free_space", map[string]any{})))
	b.writeScript(t, "free-space", `echo "cleaned $#"`)
	require.Equal(t, "cleaned 0\n", b.execute(t, "remediation.free_space", map[string]any{}).Result.Output)
	require.Equal(t, "invalid_parameters", code(t, b.execute(t, "remediation.free_space", map[string]any{"name": "other"})))
}

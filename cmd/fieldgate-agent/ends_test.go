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

func TestWhatAPersonHasToMendEndsItWithTwo(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	t.Run("a wrong code", func(t *testing.T) {
		t.Parallel()
		a := newSite(t, g).start(t, "FIELDGATE_ACTIVATION_CODE=AAAA-BBBB-CCCC")
		require.Equal(t, 2, a.wait(t))
		require.Contains(t, a.log.String(), "the gateway does not take this activation code")
		require.NotContains(t, a.log.String(), "AAAA-BBBB-CCCC")
	})
	t.Run("no code", func(t *testing.T) {
		t.Parallel()
		a := newSite(t, g).start(t, "FIELDGATE_ACTIVATION_CODE=")
		require.Equal(t, 2, a.wait(t))
		require.Contains(t, a.log.String(), "an activation code is needed")
	})
	t.Run("a damaged state file", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, g)
		require.NoError(t, os.WriteFile(s.state, []byte(`{"deviceId":`), 0o600))
		a := s.start(t)
		require.Equal(t, 2, a.wait(t))
		require.Contains(t, a.log.String(), "the state file cannot be read: "+s.state)
	})
}

func TestASecondAgentWithTheSameStateFileEnds(t *testing.T) {
	t.Parallel()
	s := newSite(t, gatewaytest.Start(t))
	first := s.start(t)
	s.ask(t, "diagnostic.system", map[string]any{})
	second := s.start(t)
	require.Equal(t, 1, second.wait(t))
	require.Contains(t, second.log.String(), "another agent uses this state file")
	first.kill()
	s.start(t)
	require.Equal(t, client.CommandStatusSucceeded, s.ask(t, "diagnostic.system", map[string]any{}).Status)
}

func TestAGatewayThatIsNotThereIsTriedAgain(t *testing.T) {
	t.Parallel()
	a := newSite(t, gatewaytest.Start(t)).start(t, "FIELDGATE_URL=http://127.0.0.1:1")
	eventually(t, func() bool { return strings.Count(a.log.String(), "registering failed, trying again") >= 3 }, "it does not try again")
	require.NotContains(t, a.log.String(), "level=ERROR")
}

// A script must not run when nobody could tell afterwards that it has.
func TestOnAFullDiskNothingRunsAndTheCommandGoesBack(t *testing.T) {
	t.Parallel()
	s := newSite(t, gatewaytest.Start(t))
	s.script(t, "note", "echo ran >> "+s.done())
	joined := s.start(t)
	s.ask(t, "diagnostic.system", map[string]any{})
	joined.kill()
	full := s.startVia(t, exec.Command("sh", "-c", "ulimit -f 0; exec "+program))
	command := s.propose(t, runScript, map[string]any{"name": "note"})
	eventually(t, func() bool { return strings.Contains(full.log.String(), "the journal cannot be written") }, "it does not say so")
	eventually(t, func() bool { return s.command(t, command.ID).Status == client.CommandStatusQueued }, "the command does not go back")
	full.kill()
	require.NoFileExists(t, s.done())

	s.start(t)
	require.Equal(t, client.CommandStatusSucceeded, s.await(t, command.ID).Status)
}

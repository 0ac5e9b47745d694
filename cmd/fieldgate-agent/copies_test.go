package main_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// newCopyTestbed returns a testbed whose script logs its runs, and its registered device.
func newCopyTestbed(t *testing.T) (*testbed, *agent) {
	t.Helper()
	b := newTestbed(t, gatewaytest.Start(t))
	b.writeScript(t, "note", fmt.Sprintf(`echo "$1" >> %q; echo "did $1"`, b.runLog()))
	a := b.start(t, shortLease)
	require.Equal(t, client.CommandStatusSucceeded, b.execute(t, "diagnostic.system", map[string]any{}).Status)
	return b, a
}

// proposeWork proposes a run of the script, which is approved.
func (b *testbed) proposeWork(t testing.TB, name string) client.Command {
	t.Helper()
	return b.Propose(t, "remediation.run_script", map[string]any{"name": "note", "args": []string{name}})
}

// copyState copies the state directory, as a copy of the disk has it, and returns a testbed that uses it.
// This machine has the same host name, machine id and hardware as the original.
func (b *testbed) copyState(t testing.TB) *testbed {
	t.Helper()
	dir := t.TempDir()
	files, err := filepath.Glob(b.state + "*")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue // a running agent has replaced it
		}
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.Base(file)), text, 0o600))
	}
	other := *b
	other.state = filepath.Join(dir, filepath.Base(b.state))
	return &other
}

// moveToOtherMachine changes the recorded numbers of the machine, as if the state file came from another
// one. It skips the test on a machine without such numbers.
func (b *testbed) moveToOtherMachine(t testing.TB) {
	t.Helper()
	text, err := os.ReadFile(b.state)
	require.NoError(t, err)
	_, recorded, found := strings.Cut(string(text), `"machine":`)
	if !found {
		t.Skip("SKIPPED: no serial number of this machine can be read")
	}
	changed := strings.NewReplacer("0", "1", "1", "0", "a", "b", "b", "a", "7", "8", "8", "7").Replace(recorded)
	require.NoError(t, os.WriteFile(b.state, []byte(strings.Replace(string(text), recorded, changed, 1)), 0o600))
}

// TestCopies_IdentityOfOtherMachineIsRefusedUntilAdopted also holds the exit code, because systemd does not
// restart an agent that exits with 2.
func TestCopies_IdentityOfOtherMachineIsRefusedUntilAdopted(t *testing.T) {
	t.Parallel()
	b, original := newCopyTestbed(t)
	original.kill()
	b.moveToOtherMachine(t)
	a := b.start(t)
	require.Equal(t, 2, a.wait(t), a.log.String())
	require.Contains(t, a.log.String(), "the state file was copied from another machine")

	settings := []string{"FIELDGATE_URL=" + b.URL, "FIELDGATE_STATE=" + b.state}
	code, levels, details := findings(t, settings)
	require.Equal(t, 1, code, details)
	require.Equal(t, "fail", levels["identity"], details)
	require.Contains(t, details["identity"], "run fieldgate-agent adopt")
	require.Equal(t, "ok", levels["gateway"], "the other checks go on: %s", details)
	require.NotContains(t, levels, "login", "a copy must not log in")

	code, output := runProgram(t, settings, "adopt")
	require.Zero(t, code, output)
	code, levels, details = findings(t, settings)
	require.Zero(t, code, details)
	require.Equal(t, "ok", levels["login"], details)
	b.start(t)
	require.Equal(t, client.CommandStatusSucceeded, b.execute(t, "diagnostic.system", map[string]any{}).Status)
}

// conflict returns the identity conflict of the device.
func (b *testbed) conflict(t testing.TB) client.IdentityConflict {
	t.Helper()
	device, err := b.Alice.Device(t.Context(), b.DeviceID)
	require.NoError(t, err)
	return device.IdentityConflict
}

func (b *testbed) awaitConflict(t testing.TB) {
	t.Helper()
	eventually(t, func() bool { return !b.conflict(t).Since.IsZero() }, "the gateway does not notice the copy")
}

// TestKill_CopyHoldsApprovedCommandsUntilResolved runs a device and its copy. What a user has approved
// waits until an admin has said which one is right, and then runs once.
func TestKill_CopyHoldsApprovedCommandsUntilResolved(t *testing.T) {
	t.Parallel()
	b, original := newCopyTestbed(t)
	b.copyState(t).start(t, shortLease)
	b.awaitConflict(t)
	require.Len(t, b.conflict(t).Instances, 2)

	held := map[string]client.Command{}
	for i := range 5 {
		name := fmt.Sprintf("held-%d", i)
		held[name] = b.proposeWork(t, name)
	}
	require.Equal(t, client.CommandStatusSucceeded, b.execute(t, "diagnostic.system", map[string]any{}).Status, "held commands block no others")
	for name, command := range held {
		require.Equal(t, client.CommandStatusQueued, b.Command(t, command.ID).Status)
		require.Zero(t, b.runs(t, name))
	}

	original.kill()
	_, err := b.Alice.ResolveIdentity(t.Context(), b.DeviceID, "newest", "the original is broken")
	require.NoError(t, err)
	for name, command := range held {
		require.Equal(t, client.CommandStatusSucceeded, b.Await(t, command.ID).Status)
		require.Equal(t, 1, b.runs(t, name))
	}
	require.Zero(t, b.conflict(t).Since)
}

// TestKill_CopyAfterPowerCutRunsNothingTwice cuts the power of a device at a random time. Then the device
// and a copy of its disk start together: with the same journal, the same claim key and commands of
// which some have begun.
func TestKill_CopyAfterPowerCutRunsNothingTwice(t *testing.T) {
	t.Parallel()
	b, a := newCopyTestbed(t)
	proposed := map[string]client.Command{}
	for i := range kills(t) {
		name := fmt.Sprintf("work-%d", i)
		proposed[name] = b.proposeWork(t, name)
		<-time.After(rand.N(30 * time.Millisecond)) // a random time between the claim and the result
		a.kill()
		a = b.start(t, shortLease)
		copied := b.copyState(t).start(t, shortLease)
		b.awaitConflict(t)
		a.kill()
		copied.stop(t) // its state is lost, and with it what it has not submitted
		_, err := b.Alice.ResolveIdentity(t.Context(), b.DeviceID, "newest", "the copy is off")
		require.NoError(t, err)
		a = b.start(t, shortLease)
	}
	counts := map[client.CommandStatus]int{}
	for name, command := range proposed {
		ended := b.Await(t, command.ID)
		counts[ended.Status]++
		b.requireConsistent(t, name, ended)
		require.Zero(t, ended.ResultConflict.ReceivedAt)
	}
	t.Logf("%d power cuts: %v", len(proposed), counts)
}

// TestKill_RemovedLockRunsNothingTwice removes all files beside the identity of a running agent, and starts
// another agent with the same state file.
func TestKill_RemovedLockRunsNothingTwice(t *testing.T) {
	t.Parallel()
	b, _ := newCopyTestbed(t)
	files, err := filepath.Glob(b.state + ".*")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		require.NoError(t, os.Remove(file))
	}
	b.start(t, shortLease)
	b.awaitConflict(t)
	for i := range 10 {
		b.proposeWork(t, fmt.Sprintf("held-%d", i))
	}
	require.Equal(t, client.CommandStatusSucceeded, b.execute(t, "diagnostic.system", map[string]any{}).Status)
	for i := range 10 {
		require.Zero(t, b.runs(t, fmt.Sprintf("held-%d", i)))
	}
}

// TestKill_RestoredBackupRunsNothingTwice restores, after each power cut, a copy of the state that was made
// before the work or while it ran: a journal that knows less than what has happened, cut at any byte.
func TestKill_RestoredBackupRunsNothingTwice(t *testing.T) {
	t.Parallel()
	b, a := newCopyTestbed(t)
	backup := b.copyState(t)
	for i := range kills(t) {
		name := fmt.Sprintf("work-%d", i)
		command := b.proposeWork(t, name)
		<-time.After(rand.N(60 * time.Millisecond)) // a random time between the claim and the result
		if i%2 == 0 {
			backup = b.copyState(t)
		}
		if i%3 == 0 {
			b.Await(t, command.ID)
		}
		a.kill()
		b.restore(t, backup, rand.N(100) < 50)
		a = b.start(t, shortLease)
	}
	b.execute(t, "diagnostic.system", map[string]any{})
	for i := range kills(t) {
		require.LessOrEqual(t, b.runs(t, fmt.Sprintf("work-%d", i)), 1)
	}
}

// restore replaces the journal by that of a copy, cut at a random byte or whole.
func (b *testbed) restore(t testing.TB, backup *testbed, cut bool) {
	t.Helper()
	text, err := os.ReadFile(backup.state + ".journal")
	require.NoError(t, err)
	if cut && len(text) > 0 {
		text = text[:rand.N(len(text))]
	}
	require.NoError(t, os.WriteFile(b.state+".journal", text, 0o600))
}

package main_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// kills returns how often a test kills the agent: FIELDGATE_TEST_KILLS, or 10.
func kills(t testing.TB) int {
	t.Helper()
	text := os.Getenv("FIELDGATE_TEST_KILLS")
	if text == "" {
		return 10
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// TestKill_AgentRunsNothingTwiceAndSubmitsEveryResult kills the agent at random times. It
// compares the runs that the script has logged with the results that users see.
func TestKill_AgentRunsNothingTwiceAndSubmitsEveryResult(t *testing.T) {
	t.Parallel()
	b := newTestbed(t, gatewaytest.Start(t))
	b.writeScript(t, "note", fmt.Sprintf(`echo "$1" >> %q; sleep 0.0$2; echo "did $1"`, b.runLog()))
	var proposed []client.Command
	a := b.start(t, shortLease)
	for i := range kills(t) {
		name := fmt.Sprintf("work-%d", i)
		pause := strconv.Itoa(rand.IntN(10))
		proposed = append(proposed, b.Propose(t, "remediation.run_script", map[string]any{"name": "note", "args": []string{name, pause}}))
		<-time.After(rand.N(120 * time.Millisecond)) // a random time between the claim and the result
		a.kill()
		a = b.start(t, shortLease)
	}
	counts := map[client.CommandStatus]int{}
	for i := range proposed {
		ended := b.Await(t, proposed[i].ID) // in the order in which they run
		counts[ended.Status]++
		b.requireConsistent(t, fmt.Sprintf("work-%d", i), ended)
	}
	t.Logf("%d kills: %v", len(proposed), counts)
}

// shortLease bounds the time until a command ends whose claim was lost with the agent. It is longer than
// a restart takes on a busy machine.
const shortLease = "FIELDGATE_LEASE=10s"

// runLog returns the path of the file in which the script logs each run.
func (b *testbed) runLog() string { return filepath.Join(filepath.Dir(b.state), "runs.log") }

// runs returns how often the script has run with a name.
func (b *testbed) runs(t testing.TB, name string) int {
	t.Helper()
	written, err := os.ReadFile(b.runLog())
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	return strings.Count("\n"+string(written), "\n"+name+"\n")
}

// requireConsistent requires that the result of a command matches the script's log of runs.
func (b *testbed) requireConsistent(t testing.TB, name string, ended client.Command) {
	t.Helper()
	runs := b.runs(t, name)
	require.LessOrEqual(t, runs, 1, "%s ran twice", name)
	switch ended.Status {
	case client.CommandStatusSucceeded:
		require.Equal(t, 1, runs, "%s is reported as succeeded", name)
	case client.CommandStatusFailed:
		require.Equal(t, "interrupted", code(t, ended), ended.Result.Error)
	case client.CommandStatusTimedOut:
		require.Zero(t, runs, "%s ran, but only its claim was lost", name)
	default:
		require.Fail(t, "a result did not arrive", "%s is %s", name, ended.Status)
	}
}

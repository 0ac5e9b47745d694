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

// kills is how often the agent is killed.
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

// The promise of the agent: whenever it is killed, nothing is done twice and every outcome
// arrives. What was done is what the script has written, and what arrives is what the
// people see.
func TestAnAgentThatIsKilledDoesNothingTwiceAndReportsEverything(t *testing.T) {
	t.Parallel()
	s := newSite(t, gatewaytest.Start(t))
	s.script(t, "note", fmt.Sprintf(`echo "$1" >> %q; sleep 0.0$2; echo "did $1"`, s.done()))
	proposed := map[string]client.Command{}
	a := s.start(t)
	for i := range kills(t) {
		name := fmt.Sprintf("work-%d", i)
		pause := strconv.Itoa(rand.IntN(10))
		proposed[name] = s.propose(t, "remediation.run_script", map[string]any{"name": "note", "args": []string{name, pause}})
		<-time.After(rand.N(120 * time.Millisecond)) // anywhere between the claim and the report
		a.kill()
		a = s.start(t)
	}
	counts := map[client.CommandStatus]int{}
	for name, command := range proposed {
		ended := s.await(t, command.ID)
		counts[ended.Status]++
		s.requireHonest(t, name, ended)
	}
	t.Logf("%d kills: %v", len(proposed), counts)
}

// done is the file in which the script notes what it did.
func (s *site) done() string { return filepath.Join(filepath.Dir(s.state), "done") }

// requireHonest requires that what is reported is what happened.
func (s *site) requireHonest(t testing.TB, name string, ended client.Command) {
	t.Helper()
	written, err := os.ReadFile(s.done())
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	times := strings.Count("\n"+string(written), "\n"+name+"\n")
	require.LessOrEqual(t, times, 1, "%s ran twice", name)
	switch ended.Status {
	case client.CommandStatusSucceeded:
		require.Equal(t, 1, times, "%s is reported as done", name)
	case client.CommandStatusFailed:
		require.Equal(t, "interrupted", code(t, ended), ended.Result.Error)
	default:
		require.Fail(t, "an outcome did not arrive", "%s is %s", name, ended.Status)
	}
}

package agent

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

func TestRoster_JudgesTheVectors(t *testing.T) {
	t.Parallel()
	vectors, valid := readVectors(t), 0
	for _, v := range vectors.RosterVectors {
		err := judgeRoster(t, vectors, v)
		if v.Why == "" {
			valid++
			require.NoError(t, err, v.Name)
			continue
		}
		require.ErrorContains(t, err, v.Why, v.Name)
	}
	require.GreaterOrEqual(t, valid, 4)
	require.GreaterOrEqual(t, len(vectors.RosterVectors)-valid, 30)
}

func judgeRoster(t *testing.T, vectors receiptVectors, v rosterVector) error {
	t.Helper()
	if v.Known == 0 {
		_, err := fieldgate.ParseRoster(v.Roster)
		return err
	}
	var chain struct{ Versions []json.RawMessage }
	require.NoError(t, json.Unmarshal(vectors.Rosters[v.KnownOf], &chain))
	chain.Versions = chain.Versions[:v.Known]
	text, err := json.Marshal(map[string]any{"versions": chain.Versions})
	require.NoError(t, err)
	known, err := fieldgate.ParseRoster(text)
	require.NoError(t, err)
	newest, err := known.Follow(v.Roster)
	if err == nil {
		require.GreaterOrEqual(t, newest.Version, known.Version)
	}
	return err
}

// vector returns the vector with a name.
func (v receiptVectors) vector(t testing.TB, name string) receiptVector {
	t.Helper()
	for _, one := range v.Vectors {
		if one.Name == name {
			return one
		}
	}
	require.Fail(t, "there is no vector "+name)
	return receiptVector{}
}

// TestTrust_ApproversNeedNoKeyOfTheGateway judges the receipts for passkeys without a key of the gateway: a
// thief of that key gains nothing.
func TestTrust_ApproversNeedNoKeyOfTheGateway(t *testing.T) {
	t.Parallel()
	vectors := readVectors(t)
	for _, v := range vectors.Vectors {
		if v.Roster == "" {
			continue
		}
		trust := vectors.of(t, v)
		trust.Keys = nil
		err := trust.Check(Command{Type: "a", Statement: v.Statement, Receipt: v.Receipt}, vectors.DeviceID)
		require.Equal(t, v.Why == "", err == nil, "%s: %v", v.Name, err)
	}
}

// claimed returns a claimed command with the statement and the receipt of a vector.
func (v receiptVectors) claimed(t testing.TB, name string) string {
	t.Helper()
	one := v.vector(t, name)
	return fmt.Sprintf(`{"id":"cmd_1","sessionId":"ses_1","type":"a","maxAttempts":1,"claimToken":"token","leaseRemainingMs":60000,"statement":%q,"receipt":%q}`,
		one.Statement, one.Receipt)
}

// startApprovers starts an agent in the mode approvers, which claims the command of a vector. The gateway
// has the roster named served.
func startApprovers(t *testing.T, claims, pinned, served string, approvals int, stateFile string) (g *fakeGateway, stop func()) {
	t.Helper()
	vectors := readVectors(t)
	g = newFakeGateway(t, vectors.claimed(t, claims))
	g.roster = string(vectors.Rosters[served])
	stop = g.startAgent(t, Config{Trust: vectors.approversOf(t, pinned, approvals), StateFile: stateFile}, map[string]Handler{"a": echo})
	return g, stop
}

// TestApprovers_CapturedGatewayRunsNothing claims commands whose receipts the gateway's own key has signed.
func TestApprovers_CapturedGatewayRunsNothing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"passkeys: the gateway says that two have approved", "passkeys: key: not in the roster", "approved by two"} {
		g, _ := startApprovers(t, name, "first", "first", 2, "")
		result := g.awaitResult(t, "cmd_1")
		require.Equal(t, fieldgate.ResultStatusFailed, result.Status, name)
		require.JSONEq(t, `{"code":"receipt_invalid"}`, string(result.Data), name)
		require.Contains(t, result.Error, "requires 2 approvals with passkeys", name)
	}
}

func TestApprovers_SignedCommandRuns(t *testing.T) {
	t.Parallel()
	g, _ := startApprovers(t, "passkeys: approved by two", "first", "first", 2, "")
	require.Equal(t, `{"say":"stated"}`, g.awaitResult(t, "cmd_1").Output)
}

// TestApprovers_FollowTheRoster shows that a user who was added counts, that a user who was removed does not,
// and that this stays so after a restart, whatever the gateway says then.
func TestApprovers_FollowTheRoster(t *testing.T) {
	t.Parallel()
	g, _ := startApprovers(t, "passkeys: approved by two with ES256", "first", "later", 2, "")
	require.Equal(t, `{"say":"stated"}`, g.awaitResult(t, "cmd_1").Output, "dave was added")

	state := newStatePath(t)
	g, stop := startApprovers(t, "passkeys: approved by two", "first", "later", 2, state)
	require.Contains(t, g.awaitResult(t, "cmd_1").Error, "not in this version", "carol was removed")
	stop()
	require.FileExists(t, state+".roster")
	require.NoError(t, os.Remove(state+".journal"))
	g, _ = startApprovers(t, "passkeys: approved by two", "first", "first", 2, state)
	require.Contains(t, g.awaitResult(t, "cmd_1").Error, "version 2 of its roster", "the gateway has gone back to version 1")
	require.Eventually(t, func() (degraded bool) {
		g.locked(func(g *fakeGateway) {
			for _, heartbeat := range g.heartbeats {
				degraded = degraded || heartbeat.Status == fieldgate.HeartbeatStatusDegraded && heartbeat.Reason != ""
			}
		})
		return degraded
	}, 20*time.Second, time.Millisecond)
}

// TestApprovers_UnknownKeyAsksForLaterRoster approves with a key that was added after the agent has started.
func TestApprovers_UnknownKeyAsksForLaterRoster(t *testing.T) {
	t.Parallel()
	vectors := readVectors(t)
	g := newFakeGateway(t)
	g.roster = string(vectors.Rosters["first"])
	g.startAgent(t, Config{Trust: vectors.approversOf(t, "first", 2)}, map[string]Handler{"a": echo})
	require.Eventually(t, func() (claims bool) {
		g.locked(func(g *fakeGateway) { claims = len(g.claimKeys) > 0 })
		return claims
	}, 20*time.Second, time.Millisecond)
	g.locked(func(g *fakeGateway) {
		g.roster = string(vectors.Rosters["later"])
		g.commands = append(g.commands, vectors.claimed(t, "passkeys: approved by two with ES256"))
	})
	require.Equal(t, `{"say":"stated"}`, g.awaitResult(t, "cmd_1").Output)
}

// TestApprovers_JournalKeepsWhatCouldBeReplayed runs an approved command and then more than the journal
// keeps. The command must not run again, as long as its approvals hold.
func TestApprovers_JournalKeepsWhatCouldBeReplayed(t *testing.T) {
	t.Parallel()
	trust := readVectors(t).approversOf(t, "first", 2)
	j := openTestJournal(t, newJournalPath(t))
	j.guards = trust.guards
	finish := func(id, commandType string) {
		command := Command{ID: id, Type: commandType, ClaimToken: "token", DeliverBy: time.Now().Add(time.Hour)}
		require.NoError(t, j.begin(command, false, true))
		require.NoError(t, j.recordResult(id, succeeded("done")))
		j.markSubmitted(id, "token")
	}
	finish("approved", "a")
	for n := range 2 * maxEntries {
		finish(fmt.Sprint("other", n), "b")
	}
	j = openTestJournal(t, j.file.path)
	require.LessOrEqual(t, len(j.list()), maxEntries)
	_, found, err := j.reclaim(Command{ID: "approved", Type: "a", ClaimToken: "new"}, true)
	require.NoError(t, err)
	require.True(t, found, "the journal has forgotten a command that can be claimed again")
}

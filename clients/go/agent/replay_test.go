package agent

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// A replayer is a gateway that sends commands with receipts, also those that have run already.
type replayer struct {
	*fakeGateway
	signer vectorSigner
	trust  Trust
	state  string
	clock  atomic.Int64 // time of the device, in nanoseconds since 1970

	mu   sync.Mutex
	runs map[string]int // number of times that each command ran
}

func newReplayer(t *testing.T) *replayer {
	t.Helper()
	r := &replayer{fakeGateway: newFakeGateway(t), signer: newVectorSigner(t), state: newStatePath(t), runs: map[string]int{}}
	r.trust = readVectors(t).trustOf(t, 0)
	r.trust.Now = func() time.Time { return time.Unix(0, r.clock.Load()) }
	r.setClock(vectorNow)
	return r
}

func (r *replayer) setClock(now time.Time) { r.clock.Store(now.UnixNano()) }

// start starts the device. Each command prints more than the journal keeps of a few.
func (r *replayer) start(t *testing.T) (stop func()) {
	t.Helper()
	return r.startAgent(t, Config{Trust: r.trust, StateFile: r.state}, map[string]Handler{"a": func(_ context.Context, command Command) (Result, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.runs[command.ID]++
		return Result{Output: strings.Repeat("x", 8<<10)}, nil
	}})
}

// execute lets the device claim commands with a rule of the given effect, and waits for their results.
func (r *replayer) execute(t *testing.T, effect string, deliverBy time.Time, ids ...string) (last fieldgate.ResultRequest) {
	t.Helper()
	r.locked(func(g *fakeGateway) {
		for _, id := range ids {
			delete(g.results, id)
			g.commands = append(g.commands, r.claimed(id, effect, deliverBy))
		}
	})
	for _, id := range ids {
		last = r.awaitResult(t, id)
	}
	return last
}

// executeOthers lets the device run more commands than the journal keeps, none of which needed an approval.
func (r *replayer) executeOthers(t *testing.T, name string, deliverBy time.Time) {
	t.Helper()
	var ids []string
	for n := range maxEntries + 44 {
		ids = append(ids, fmt.Sprint(name, n))
	}
	r.execute(t, "auto", deliverBy, ids...)
}

// claimed returns a claim of a command. Each claim has another token.
func (r *replayer) claimed(id, effect string, deliverBy time.Time) string {
	end := []string{"2026-11-30T13:00:00.000Z", deliverBy.UTC().Format("2006-01-02T15:04:05.000Z")}
	statement, votes := statementOf(append(end, `"cmd_1"`, `"`+id+`"`, `"review"`, `"`+effect+`"`)...), voteOf("bob")
	if effect == "auto" {
		votes = ""
	}
	return fmt.Sprintf(`{"id":%q,"sessionId":"ses_1","type":"a","maxAttempts":1,"claimToken":"token %d","leaseRemainingMs":60000,"statement":%q,"receipt":%q}`,
		id, len(r.claimKeys)+len(r.commands), b64([]byte(statement)), sign(r.signer.trusted, goodHeader, payloadOf(statement, votes, end...)))
}

// awaitEmptyClaim waits until a claim has returned no command. A device that stops during a claim could lose the
// next command.
func (r *replayer) awaitEmptyClaim(t *testing.T) {
	t.Helper()
	claims := func() (n int) {
		r.locked(func(g *fakeGateway) { n = len(g.claimKeys) })
		return n
	}
	before := claims()
	require.Eventually(t, func() bool { return claims() > before }, 20*time.Second, time.Millisecond)
}

func (r *replayer) requireRuns(t *testing.T, id string, runs int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	require.Equal(t, runs, r.runs[id], "%s has run", id)
}

// TestReplay_ApprovedCommandRunsOnceUntilItsDeadline claims an approved command again after more commands than
// the journal keeps. The owner of the device requires only receipts.
func TestReplay_ApprovedCommandRunsOnceUntilItsDeadline(t *testing.T) {
	t.Parallel()
	r := newReplayer(t)
	r.start(t)
	deadline := vectorNow.Add(time.Hour)
	r.execute(t, "review", deadline, "approved")
	r.executeOthers(t, "other", deadline)
	result := r.execute(t, "review", deadline, "approved")
	require.Equal(t, fieldgate.ResultStatusSucceeded, result.Status, "the recorded result is submitted")
	r.requireRuns(t, "approved", 1)
}

// TestReplay_ForgottenCommandStaysExpired claims an approved command again after the journal has forgotten it,
// with a clock that shows a time before its deadline again.
func TestReplay_ForgottenCommandStaysExpired(t *testing.T) {
	t.Parallel()
	r := newReplayer(t)
	stop := r.start(t)
	deadline, later := vectorNow.Add(time.Hour), vectorNow.Add(3*time.Hour)
	r.execute(t, "review", deadline, "approved")
	r.setClock(later)
	r.executeOthers(t, "other", later)
	for range 2 { // the second time, the journal has the refusal, and forgets it
		r.setClock(vectorNow)
		require.Contains(t, r.execute(t, "review", deadline, "approved").Error, "expired")
		r.executeOthers(t, "another", later)
		r.awaitEmptyClaim(t)
		stop()
		stop = r.start(t)
		require.Contains(t, r.execute(t, "review", deadline, "approved").Error, "expired", "after a restart")
	}
	r.requireRuns(t, "approved", 1)
	r.execute(t, "review", later, "approved later")
	r.execute(t, "auto", deadline, "not approved")
	r.requireRuns(t, "approved later", 1)
	r.requireRuns(t, "not approved", 1)
}

// TestReplay_ForgottenDeadlineIsOnDiskBeforeItsCommandIsReplaced refuses a forgotten command and loses power. The
// refusal replaces the entry of the command in the file.
func TestReplay_ForgottenDeadlineIsOnDiskBeforeItsCommandIsReplaced(t *testing.T) {
	t.Parallel()
	j := openTestJournal(t, newJournalPath(t))
	now := vectorNow
	j.guards, j.now = func(command Command) bool { return command.ID == "approved" }, func() time.Time { return now }
	finish := func(id string, deliverBy time.Time) {
		require.NoError(t, j.begin(Command{ID: id, Type: "a", ClaimToken: "token", DeliverBy: deliverBy}, false, true))
		require.NoError(t, j.recordResult(id, succeeded("done")))
		j.markSubmitted(id, "token")
	}
	deadline := vectorNow.Add(time.Hour)
	finish("approved", deadline)
	now = deadline.Add(time.Hour)
	for n := range maxEntries {
		finish(fmt.Sprint("other", n), deadline)
	}
	require.Equal(t, deadline, j.forgotten.UTC())
	require.NoError(t, j.append(record{Entry: &entry{ID: "approved"}}, true))
	next := openTestJournal(t, j.file.path)
	require.Equal(t, deadline, next.forgotten.UTC())
	require.NoError(t, next.rewrite())
	require.Equal(t, deadline, openTestJournal(t, j.file.path).forgotten.UTC())
}

// TestReplay_RefusedCommandsAreForgotten refuses more commands than the journal keeps, which claim a deadline in
// another century.
func TestReplay_RefusedCommandsAreForgotten(t *testing.T) {
	t.Parallel()
	r := newReplayer(t)
	r.trust.Require = map[string]Requirement{"a": {Approvals: 2}}
	stop := r.start(t)
	var ids []string
	for n := range maxEntries + 44 {
		ids = append(ids, fmt.Sprint("refused", n))
	}
	result := r.execute(t, "review", time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), ids...)
	require.JSONEq(t, `{"code":"receipt_invalid"}`, string(result.Data))
	r.awaitEmptyClaim(t)
	stop()
	require.LessOrEqual(t, len(openTestJournal(t, r.state+".journal").list()), maxEntries)
}

// TestReplay_DeadlineIsBounded runs a command whose deadline is later than a gateway allows.
func TestReplay_DeadlineIsBounded(t *testing.T) {
	t.Parallel()
	r := newReplayer(t)
	r.start(t)
	result := r.execute(t, "review", vectorNow.Add(25*time.Hour), "late")
	require.Contains(t, result.Error, "more than a day")
	r.execute(t, "review", vectorNow.Add(24*time.Hour), "in time")
	r.requireRuns(t, "late", 0)
	r.requireRuns(t, "in time", 1)
	j := openTestJournal(t, newJournalPath(t))
	j.guards, j.now = func(Command) bool { return true }, r.trust.Now
	var e entry
	j.guard(&e, Command{DeliverBy: vectorNow.Add(48 * time.Hour)})
	require.Equal(t, vectorNow.Add(maxDelivery+expiryLeeway), e.KeptUntil.UTC())
	require.NoError(t, j.beginRefused(Command{ID: "refused", DeliverBy: vectorNow.Add(time.Hour)}, false, true))
	require.Zero(t, j.list()[0].KeptUntil)
}

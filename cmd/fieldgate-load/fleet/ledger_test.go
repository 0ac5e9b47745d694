package fleet

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-load/report"
)

// TestLedger_FindsEachKindOfViolation changes one step of the life of a command, and requires the
// violation that follows from it.
func TestLedger_FindsEachKindOfViolation(t *testing.T) {
	t.Parallel()
	queued := client.Command{ID: "c", SessionID: "s", Status: client.CommandStatusQueued}
	pending := client.Command{ID: "c", SessionID: "s", Status: client.CommandStatusPendingApproval}
	succeeded := client.Command{ID: "c", Status: client.CommandStatusSucceeded, Result: &client.CommandResult{Output: "did it"}}
	claim := func(token string, lease time.Duration) client.ClaimedCommand {
		return client.ClaimedCommand{ID: "c", ClaimToken: token, LeaseRemainingMs: int(lease.Milliseconds())}
	}
	propose := func(l *ledger, c client.Command) { l.accepted(new(tenant), c, time.Now()) }
	for name, c := range map[string]struct {
		life  func(l *ledger)
		want  string // kind of violation; empty for none
		again int    // claims after the end of a lease
	}{
		"none": {func(l *ledger) {
			propose(l, queued)
			l.claimed(claim("1", time.Minute), time.Now())
			l.returned("c", "did it", client.RecordedResult{})
			l.returned("c", "did it", client.RecordedResult{Duplicate: true})
			l.audit("c", succeeded, nil)
		}, "", 0},
		"a repeated claim with the same token": {func(l *ledger) {
			propose(l, queued)
			l.claimed(claim("1", time.Minute), time.Now())
			l.claimed(claim("1", time.Minute), time.Now())
			l.returned("c", "did it", client.RecordedResult{})
			l.audit("c", succeeded, nil)
		}, "", 0},
		"a claim before the response to the proposal": {func(l *ledger) {
			l.claimed(claim("1", time.Minute), time.Now())
			propose(l, queued)
			l.returned("c", "did it", client.RecordedResult{})
			l.audit("c", succeeded, nil)
		}, "", 0},
		"a claim after the end of the lease": {func(l *ledger) {
			propose(l, queued)
			l.claimed(claim("1", time.Second), time.Now().Add(-time.Minute))
			l.claimed(claim("2", time.Minute), time.Now())
			l.returned("c", "did it", client.RecordedResult{})
			l.audit("c", succeeded, nil)
		}, "", 1},
		"a second claim within the lease": {func(l *ledger) {
			propose(l, queued)
			l.claimed(claim("1", time.Minute), time.Now())
			l.claimed(claim("2", time.Minute), time.Now())
		}, violationTwice, 1},
		"a second result": {func(l *ledger) {
			propose(l, queued)
			l.returned("c", "did it", client.RecordedResult{})
			l.returned("c", "did it", client.RecordedResult{})
		}, violationTwice, 0},
		"a claim before the approval": {func(l *ledger) {
			propose(l, pending)
			l.claimed(claim("1", time.Minute), time.Now())
		}, violationUnapproved, 0},
		"a claim before the proposer knew that an approval is required": {func(l *ledger) {
			l.claimed(claim("1", time.Minute), time.Now())
			propose(l, pending)
		}, violationUnapproved, 0},
		"a command that does not end": {func(l *ledger) {
			propose(l, queued)
			l.audit("c", queued, nil)
		}, violationLost, 0},
		"a command that is gone": {func(l *ledger) {
			propose(l, queued)
			l.audit("c", client.Command{}, errors.New("not found"))
		}, violationLost, 0},
		"another result than that of the device": {func(l *ledger) {
			propose(l, queued)
			l.claimed(claim("1", time.Minute), time.Now())
			l.returned("c", "did something else", client.RecordedResult{})
			l.audit("c", succeeded, nil)
		}, violationDifferent, 0},
		"a failure instead of the result of the device": {func(l *ledger) {
			propose(l, queued)
			l.claimed(claim("1", time.Minute), time.Now())
			l.returned("c", "did it", client.RecordedResult{})
			l.audit("c", client.Command{ID: "c", Status: client.CommandStatusTimedOut}, nil)
		}, violationDifferent, 0},
		"a result that no device submitted": {func(l *ledger) {
			propose(l, queued)
			l.audit("c", succeeded, nil)
		}, violationDifferent, 0},
		"a command that nobody proposed": {func(l *ledger) {
			l.claimed(claim("1", time.Minute), time.Now())
		}, violationUnknown, 0},
		"a command whose proposal had no response": {func(l *ledger) {
			l.claimed(claim("1", time.Minute), time.Now())
			l.unanswered()
		}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLedger(new(report.Tally))
			c.life(l)
			got := l.close()
			want := map[string]int{}
			if c.want != "" {
				want[c.want] = 1
			}
			require.Equal(t, len(want), len(got.Violations), "%v", got.Examples)
			require.Equal(t, want[c.want], got.Violations[c.want], "%v", got.Examples)
			require.Equal(t, c.again, got.Redelivered)
		})
	}
}

func TestLedger_DeliveryCountsFromTheRequestThatMadeTheCommandReady(t *testing.T) {
	t.Parallel()
	tally := new(report.Tally)
	l := newLedger(tally)
	l.accepted(new(tenant), client.Command{ID: "automatic", Status: client.CommandStatusQueued}, time.Now().Add(-time.Minute))
	l.claimed(client.ClaimedCommand{ID: "automatic", ClaimToken: "1"}, time.Now())
	require.GreaterOrEqual(t, tally.Take()["deliver"].Took.Max, time.Minute)

	l.accepted(new(tenant), client.Command{ID: "reviewed", Status: client.CommandStatusPendingApproval}, time.Now().Add(-time.Minute))
	l.deciding("reviewed")
	l.claimed(client.ClaimedCommand{ID: "reviewed", ClaimToken: "1"}, time.Now())
	require.Less(t, tally.Take()["deliver"].Took.Max, 30*time.Second)
}

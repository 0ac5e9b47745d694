package queue_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
)

// These are positions of keys in the slice that store.Device.Keys returns.
const (
	commandsKey = 1
	indexKey    = 2
	readyKey    = 3
	pendingKey  = 4
	leasesKey   = 5
	cancelsKey  = 6
	timelineKey = 7
	inboxKey    = 9
	dueKey      = 10
)

func (f *fixture) key(position int) string { return f.device.Keys()[position] }

// dueMember returns the member of the due index for a command.
func (f *fixture) dueMember(id string) string {
	return "command " + id + " " + f.device.ID + " " + f.device.Tenant
}

// forceReady puts a command's id at the front of the device's ready set.
func (f *fixture) forceReady(id string) {
	f.t.Helper()
	f.do(func(ctx context.Context, c store.Client) error {
		return c.ZAdd(ctx, f.device.ReadyKey(), redis.Z{Score: 0, Member: id}).Err()
	})
}

// makeDue makes a command due at once, so that the next sweep settles it.
func (f *fixture) makeDue(id string) {
	f.t.Helper()
	f.do(func(ctx context.Context, c store.Client) error {
		return c.ZAdd(ctx, f.key(dueKey), redis.Z{Score: 1, Member: f.dueMember(id)}).Err()
	})
}

// quarantined returns the members of the quarantine that belong to the tenant.
func (f *fixture) quarantined() (members []string) {
	f.t.Helper()
	f.do(func(ctx context.Context, c store.Client) (err error) {
		members, err = c.LRange(ctx, store.PartitionOf(f.device.Tenant).QuarantineKey(), 0, -1).Result()
		return err
	})
	return slices.DeleteFunc(members, func(member string) bool { return !strings.HasSuffix(member, f.device.Tenant) })
}

// requireQuarantined requires that a command is in the quarantine, and that the log and the
// metric report it. No index that a claim or the sweeper reads may contain the command.
func (f *fixture) requireQuarantined(id string) {
	f.t.Helper()
	member := f.dueMember(id)
	require.Equal(f.t, []string{member}, f.quarantined())
	require.Contains(f.t, f.log.String(), id)
	require.Equal(f.t, 1.0, f.metricValue("fieldgate_quarantined_records_total"))
	f.do(func(ctx context.Context, c store.Client) error {
		for _, position := range []int{readyKey, pendingKey, leasesKey} {
			require.NotContains(f.t, c.ZRange(ctx, f.key(position), 0, -1).Val(), id)
		}
		require.NotContains(f.t, c.ZRange(ctx, f.key(inboxKey), 0, -1).Val(), inInbox(f, id))
		require.NotContains(f.t, c.ZRange(ctx, f.key(dueKey), 0, -1).Val(), member)
		return nil
	})
}

// corruptions returns functions that damage the record of a queued command, so that the
// scripts cannot process it.
func corruptions() map[string]func(f *fixture, id string) {
	set := func(name string, value any) func(*fixture, string) {
		return func(f *fixture, id string) {
			f.editState(id, func(state map[string]any) { state[name] = value })
		}
	}
	corruptions := map[string]func(f *fixture, id string){
		"garbage":          func(f *fixture, id string) { f.overwriteField(id, "{garbage") },
		"empty":            func(f *fixture, id string) { f.overwriteField(id, "") },
		"null":             func(f *fixture, id string) { f.overwriteField(id, "null") },
		"not an object":    func(f *fixture, id string) { f.overwriteField(id, `"queued"`) },
		"unknown status":   set("status", "sleeping"),
		"attempt is text":  set("attempt", "one"),
		"history is text":  set("history", "long"),
		"history of text":  set("history", []any{"long"}),
		"token is object":  set("token", map[string]any{}),
		"approval is text": set("approval", "approved"),
		"never claimed":    set("attempt", 1),
	}
	for _, name := range []string{"status", "session", "request", "proposer", "seq", "priority", "max", "attempt", "claims", "created", "deliver_by"} {
		corruptions["no "+name] = func(f *fixture, id string) {
			f.editState(id, func(state map[string]any) { delete(state, name) })
		}
	}
	for _, name := range []string{"bytes", "first", "approve_by", "token", "past", "result", "digest", "mac", "proposer_name", "proposer_email", "retry_of", "history", "approval"} {
		corruptions["false "+name] = set(name, false)
	}
	return corruptions
}

func TestClaim_QuarantinesUnreadableRecord(t *testing.T) {
	t.Parallel()
	corruptions := corruptions()
	corruptions["no body"] = func(f *fixture, id string) {
		f.do(func(ctx context.Context, c store.Client) error {
			return c.HDel(ctx, f.device.CommandsKey(), id+":body").Err()
		})
	}
	corruptions["no record"] = func(f *fixture, id string) {
		f.do(func(ctx context.Context, c store.Client) error {
			return c.HDel(ctx, f.device.CommandsKey(), id).Err()
		})
	}
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		for name, corrupt := range corruptions {
			f := newFixture(t, s)
			bad, good := f.propose(auto), f.propose(auto)
			corrupt(f, bad.ID)
			require.Equal(t, []string{good.ID}, ids(f.claim(limit(2))), name)
			f.requireQuarantined(bad.ID)
			require.Empty(t, f.claim(limit(2)), "a command is quarantined once")
			f.requireQuarantined(bad.ID)
		}
	})
}

func TestSweeper_QuarantinesUnreadableRecord(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		for name, corrupt := range corruptions() {
			f := newFixture(t, s)
			bad, good := f.propose(auto), f.propose(auto, deliverWithin(time.Millisecond))
			corrupt(f, bad.ID)
			f.makeDue(bad.ID)
			f.settleUntil(good.ID, queue.Expired)
			require.Len(t, f.quarantined(), 1, name)
			f.requireQuarantined(bad.ID)
		}
	})
}

func TestClaim_QuarantinesLeaseWithoutRecord(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		c := f.propose(auto)
		f.waitUntilAfter(f.claimOne(shortLease).VisibleUntil)
		f.do(func(ctx context.Context, c store.Client) error {
			return c.ZAdd(ctx, f.key(leasesKey), redis.Z{Score: 1, Member: "cmd_missing"}).Err()
		})
		require.Equal(t, c.ID, f.claimOne().ID)
		f.requireQuarantined("cmd_missing")
	})
}

func TestClaim_RemovesStaleIndexEntry(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		lease := f.claimOne()
		finished := f.inState(queue.Succeeded)
		f.forceReady(lease.ID)
		f.forceReady(finished.ID)
		f.makeDue(lease.ID)
		f.makeDue(finished.ID)
		f.makeDue("cmd_missing")
		f.do(func(ctx context.Context, c store.Client) error {
			return c.ZAdd(ctx, f.key(leasesKey), redis.Z{Score: 1, Member: lease.ID}, redis.Z{Score: 1, Member: finished.ID}).Err()
		})
		require.Empty(t, f.claim(limit(10)))
		f.sweep()
		require.Equal(t, queue.Claimed, f.get(lease.ID).Status)
		require.Equal(t, queue.Succeeded, f.get(finished.ID).Status)
		require.Empty(t, f.quarantined())
		more, err := s.SweepOnce(t.Context(), map[string]store.Settle{
			"command": func(context.Context, []store.Due) error { t.Error("a command is still due"); return nil },
		})
		require.NoError(t, err)
		require.False(t, more)
		require.Equal(t, queue.Succeeded, f.submitResult(lease, queue.Succeeded).Status)
	})
}

func TestCloseSession_QuarantinesUnreadableRecord(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		bad, claimed, good, pending := f.propose(auto), f.propose(auto), f.propose(auto), f.propose(review)
		leases := f.claim(limit(2))
		f.forceReady(claimed.ID)
		f.overwriteField(bad.ID, "{garbage")
		f.forceReady(bad.ID)
		f.closeSession()
		require.Equal(t, queue.Expired, f.get(good.ID).Status)
		require.Equal(t, queue.Expired, f.get(pending.ID).Status)
		require.Equal(t, queue.Claimed, f.get(claimed.ID).Status, "a claimed command is not expired, although it is among the ready ones")
		require.Equal(t, queue.Succeeded, f.submitResult(leases[1], queue.Succeeded).Status)
		require.Len(t, f.quarantined(), 1)
	})
}

func TestClaim_SkipsUnreadableBody(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		bad, good := f.propose(auto, maxAttempts(1)), f.propose(auto)
		f.overwriteField(bad.ID+":body", "{garbage")
		f.editState(bad.ID, func(state map[string]any) { delete(state, "mac"); delete(state, "digest") }) // of an older release
		require.Equal(t, []string{good.ID}, ids(f.claim(limit(2), shortLease)))
		require.Equal(t, 1.0, f.metricValue("fieldgate_quarantined_records_total"))
		require.Contains(t, f.log.String(), bad.ID)

		listed, _, err := f.queue.List(t.Context(), f.device.Tenant, f.session.ID, "", store.Page{Limit: 10})
		require.NoError(t, err)
		require.Len(t, listed, 1)
		f.settleUntil(good.ID, queue.Queued)
		require.Equal(t, []string{good.ID}, ids(f.claim(limit(2))), "the unreadable command timed out")
	})
}

func TestSweeper_WrongKeyTypeAffectsOneDevice(t *testing.T) {
	t.Parallel()
	for name, position := range map[string]int{"commands": commandsKey, "ready": readyKey, "pending": pendingKey, "leases": leasesKey, "timeline": timelineKey} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachIsolated(t, func(t *testing.T, s *store.Store) {
				f := newFixture(t, s, approveWithin(time.Millisecond))
				other := f.withDevice(f.newDevice(f.device.Tenant))
				f.propose(auto)
				damaged := []queue.Command{f.claimOne(shortLease).Command, f.propose(auto, deliverWithin(time.Millisecond)), f.propose(review)}
				f.do(func(ctx context.Context, c store.Client) error {
					return c.Set(ctx, f.key(position), "nonsense", 0).Err()
				})
				good := other.propose(auto)
				expired := other.propose(auto, deliverWithin(time.Millisecond))

				require.Equal(t, good.ID, other.claimOne().ID)
				other.settleUntil(expired.ID, queue.Expired)
				eventually(t, "a command is still due", func() bool {
					f.sweep()
					return f.nothingDueBefore(time.Now())
				})
				if name == "commands" {
					require.Len(t, f.quarantined(), len(damaged))
				}
			})
		})
	}
}

// nothingDueBefore reports whether the due index has no entry before a time.
func (f *fixture) nothingDueBefore(t time.Time) bool {
	f.t.Helper()
	var first []redis.Z
	f.do(func(ctx context.Context, c store.Client) (err error) {
		first, err = c.ZRangeWithScores(ctx, f.key(dueKey), 0, 0).Result()
		return err
	})
	return len(first) == 0 || first[0].Score > float64(t.UnixMilli())
}

func TestPending_SkipsDamagedDevice(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		other := f.withDevice(f.newDevice(f.device.Tenant))
		f.propose(review)
		good := other.propose(review)
		f.do(func(ctx context.Context, c store.Client) error {
			return c.Set(ctx, f.device.CommandsKey(), "nonsense", 0).Err()
		})
		pending, _, err := f.queue.Pending(t.Context(), f.device.Tenant, store.Page{Limit: 10})
		require.NoError(t, err)
		require.Len(t, pending, 1)
		require.Equal(t, good.ID, pending[0].ID)
		require.Contains(t, f.log.String(), "skipped a command that cannot be read")
	})
}

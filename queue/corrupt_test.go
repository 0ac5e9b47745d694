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

// Places of structures in store.Device.Keys.
const (
	pendingKey = 4
	leasesKey  = 5
)

// inLine puts an id at the head of the device's line, past the queue.
func (b *bench) inLine(id string) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) error {
		return c.ZAdd(ctx, b.device.ReadyKey(), redis.Z{Score: 0, Member: id}).Err()
	})
}

// dueNow makes the sweeper look at a command at once.
func (b *bench) dueNow(id string) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) error {
		member := "command " + id + " " + b.device.ID + " " + b.device.Tenant
		return c.ZAdd(ctx, store.PartitionOf(b.device.Tenant).DueKey(), redis.Z{Score: 1, Member: member}).Err()
	})
}

// quarantine lists what was set aside of the tenant.
func (b *bench) quarantine() (members []string) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) (err error) {
		members, err = c.LRange(ctx, store.PartitionOf(b.device.Tenant).QuarantineKey(), 0, -1).Result()
		return err
	})
	return slices.DeleteFunc(members, func(member string) bool { return !strings.HasSuffix(member, b.device.Tenant) })
}

// isSetAside says that a command is in the quarantine, in the log and in the
// metric, and in nothing that a claim or the sweeper reads.
func (b *bench) isSetAside(id string) {
	b.t.Helper()
	member := "command " + id + " " + b.device.ID + " " + b.device.Tenant
	require.Equal(b.t, []string{member}, b.quarantine())
	require.Contains(b.t, b.log.String(), id)
	require.Equal(b.t, 1.0, b.counted("fieldgate_quarantined_records_total"))
	b.do(func(ctx context.Context, c store.Client) error {
		for _, key := range append(b.device.Keys()[3:6], store.Tenant(b.device.Tenant).InboxKey()) {
			require.NotContains(b.t, c.ZRange(ctx, key, 0, -1).Val(), id)
		}
		due := c.ZRange(ctx, store.PartitionOf(b.device.Tenant).DueKey(), 0, -1).Val()
		require.NotContains(b.t, due, member)
		return nil
	})
}

// corruptions are ways in which a record of a queued command may be damaged so
// that the scripts cannot work with it.
func corruptions() map[string]func(b *bench, id string) {
	set := func(name string, value any) func(*bench, string) {
		return func(b *bench, id string) {
			b.edit(id, func(state map[string]any) { state[name] = value })
		}
	}
	ways := map[string]func(b *bench, id string){
		"garbage":         func(b *bench, id string) { b.overwrite(id, "{garbage") },
		"empty":           func(b *bench, id string) { b.overwrite(id, "") },
		"null":            func(b *bench, id string) { b.overwrite(id, "null") },
		"no object":       func(b *bench, id string) { b.overwrite(id, `"queued"`) },
		"no such status":  set("status", "sleeping"),
		"attempt a text":  set("attempt", "one"),
		"history a text":  set("history", "long"),
		"history of text": set("history", []any{"long"}),
		"token a table":   set("token", map[string]any{}),
		"approval a text": set("approval", "approved"),
		"claimed never":   set("attempt", 1),
	}
	for _, name := range []string{"status", "session", "request", "proposer", "seq", "priority", "max", "attempt", "claims", "created", "deliver_by"} {
		ways["no "+name] = func(b *bench, id string) {
			b.edit(id, func(state map[string]any) { delete(state, name) })
		}
	}
	return ways
}

func TestARecordThatCannotBeReadNeverStopsTheOthers(t *testing.T) {
	t.Parallel()
	onClaim := corruptions()
	onClaim["no body"] = func(b *bench, id string) {
		b.do(func(ctx context.Context, c store.Client) error {
			return c.HDel(ctx, b.device.CommandsKey(), id+":body").Err()
		})
	}
	onClaim["no record"] = func(b *bench, id string) {
		b.do(func(ctx context.Context, c store.Client) error {
			return c.HDel(ctx, b.device.CommandsKey(), id).Err()
		})
	}
	eachAlone(t, func(t *testing.T, s *store.Store) {
		for name, corrupt := range onClaim {
			b := newBench(t, s)
			bad, good := b.propose(auto), b.propose(auto)
			corrupt(b, bad.ID)
			require.Equal(t, []string{good.ID}, ids(b.claim(limit(2))), name)
			b.isSetAside(bad.ID)
			require.Empty(t, b.claim(limit(2)), "it is set aside once")
			b.isSetAside(bad.ID)
		}
	})
}

func TestTheSweeperSetsAsideWhatItCannotRead(t *testing.T) {
	t.Parallel()
	eachAlone(t, func(t *testing.T, s *store.Store) {
		for name, corrupt := range corruptions() {
			b := newBench(t, s)
			bad, good := b.propose(auto), b.propose(auto, deliverWithin(time.Millisecond))
			corrupt(b, bad.ID)
			b.dueNow(bad.ID)
			b.becomes(good.ID, queue.Expired)
			require.Len(t, b.quarantine(), 1, name)
			b.isSetAside(bad.ID)
		}
	})
}

func TestALeaseWithoutARecordNeverStopsTheOthers(t *testing.T) {
	t.Parallel()
	eachAlone(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		c := b.propose(auto)
		b.passes(b.take(brief).VisibleUntil)
		b.do(func(ctx context.Context, c store.Client) error {
			return c.ZAdd(ctx, b.device.Keys()[leasesKey], redis.Z{Score: 1, Member: "cmd_ghost"}).Err()
		})
		require.Equal(t, c.ID, b.take().ID)
		b.isSetAside("cmd_ghost")
	})
}

func TestAStaleEntryOfAnIndexIsPutRight(t *testing.T) {
	t.Parallel()
	eachAlone(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		b.propose(auto)
		lease := b.take()
		finished := b.inState(queue.Succeeded)
		b.inLine(lease.ID)
		b.inLine(finished.ID)
		b.dueNow(lease.ID)
		b.dueNow(finished.ID)
		b.dueNow("cmd_ghost")
		b.do(func(ctx context.Context, c store.Client) error {
			return c.ZAdd(ctx, b.device.Keys()[leasesKey], redis.Z{Score: 1, Member: lease.ID}, redis.Z{Score: 1, Member: finished.ID}).Err()
		})
		require.Empty(t, b.claim(limit(10)))
		b.sweep()
		require.Equal(t, queue.Claimed, b.get(lease.ID).Status)
		require.Equal(t, queue.Succeeded, b.get(finished.ID).Status)
		require.Empty(t, b.quarantine())
		more, err := s.SweepOnce(t.Context(), map[string]store.Settle{
			"command": func(context.Context, []store.Due) error { t.Error("something is still due"); return nil },
		})
		require.NoError(t, err)
		require.False(t, more)
		require.Equal(t, queue.Succeeded, b.finish(lease, queue.Succeeded).Status)
	})
}

func TestAClosingSessionSetsAsideWhatItCannotRead(t *testing.T) {
	t.Parallel()
	eachAlone(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		bad, claimed, good, pending := b.propose(auto), b.propose(auto), b.propose(auto), b.propose(review)
		leases := b.claim(limit(2))
		b.inLine(claimed.ID)
		b.overwrite(bad.ID, "{garbage")
		b.inLine(bad.ID)
		b.closeSession()
		require.Equal(t, queue.Expired, b.get(good.ID).Status)
		require.Equal(t, queue.Expired, b.get(pending.ID).Status)
		require.Equal(t, queue.Claimed, b.get(claimed.ID).Status, "what the device holds is its own, whatever the line says")
		require.Equal(t, queue.Succeeded, b.finish(leases[1], queue.Succeeded).Status)
		require.Len(t, b.quarantine(), 1)
	})
}

func TestABodyThatCannotBeReadKeepsNothingElseFromTheDevice(t *testing.T) {
	t.Parallel()
	eachAlone(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		bad, good := b.propose(auto, attempts(1)), b.propose(auto)
		b.overwrite(bad.ID+":body", "{garbage")
		require.Equal(t, []string{good.ID}, ids(b.claim(limit(2), visibleFor(100*time.Millisecond))))
		require.Equal(t, 1.0, b.counted("fieldgate_quarantined_records_total"))
		require.Contains(t, b.log.String(), bad.ID)

		listed, _, err := b.queue.List(t.Context(), b.device.Tenant, b.session.ID, store.Page{Limit: 10})
		require.NoError(t, err)
		require.Len(t, listed, 1)
		b.becomes(good.ID, queue.Queued)
		require.Equal(t, []string{good.ID}, ids(b.claim(limit(2))), "it ends as timed out, for a person to look at")
	})
}

func TestAStructureOfTheWrongTypeStopsItsOwnDeviceOnly(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]int{"commands": 1, "ready": 3, "pending": pendingKey, "leases": leasesKey, "timeline": 7} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachAlone(t, func(t *testing.T, s *store.Store) {
				b := newBench(t, s, approveWithin(time.Millisecond))
				other := b.beside(b.newDevice(b.device.Tenant))
				b.propose(auto)
				broken := []queue.Command{b.take(brief).Command, b.propose(auto, deliverWithin(time.Millisecond)), b.propose(review)}
				b.do(func(ctx context.Context, c store.Client) error {
					return c.Set(ctx, b.device.Keys()[at], "nonsense", 0).Err()
				})
				good := other.propose(auto)
				lapsed := other.propose(auto, deliverWithin(time.Millisecond))

				require.Equal(t, good.ID, other.take().ID)
				other.becomes(lapsed.ID, queue.Expired)
				eventually(t, "something is still due", func() bool {
					b.sweep()
					return b.nothingDueBefore(time.Now())
				})
				if name == "commands" {
					require.Len(t, b.quarantine(), len(broken))
				}
			})
		})
	}
}

func (b *bench) nothingDueBefore(moment time.Time) bool {
	b.t.Helper()
	var first []redis.Z
	b.do(func(ctx context.Context, c store.Client) (err error) {
		first, err = c.ZRangeWithScores(ctx, store.PartitionOf(b.device.Tenant).DueKey(), 0, 0).Result()
		return err
	})
	return len(first) == 0 || first[0].Score > float64(moment.UnixMilli())
}

func TestADeviceWhoseRecordsAreDamagedKeepsNobodyFromTheOtherApprovals(t *testing.T) {
	t.Parallel()
	eachAlone(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		other := b.beside(b.newDevice(b.device.Tenant))
		b.propose(review)
		good := other.propose(review)
		b.do(func(ctx context.Context, c store.Client) error {
			return c.Set(ctx, b.device.CommandsKey(), "nonsense", 0).Err()
		})
		pending, _, err := b.queue.Pending(t.Context(), b.device.Tenant, store.Page{Limit: 10})
		require.NoError(t, err)
		require.Len(t, pending, 1)
		require.Equal(t, good.ID, pending[0].ID)
		require.Contains(t, b.log.String(), "skipped a command that cannot be read")
	})
}

package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/store"
)

// due returns the due member of a command, as the quarantine names it.
func (f *fixture) due(id string) store.Due {
	return store.Due{Kind: "command", ID: id, Device: f.device}
}

// setAside damages the record of a command, lets the reconciler quarantine the command, and
// repairs the record.
func (f *fixture) setAside(id string) {
	f.t.Helper()
	record := f.field(id)
	f.overwriteField(id, "{garbage")
	f.reconcile()
	require.Equal(f.t, []string{f.dueMember(id)}, f.quarantined())
	f.overwriteField(id, record)
}

func (f *fixture) field(name string) (value string) {
	f.t.Helper()
	f.do(func(ctx context.Context, c store.Client) (err error) {
		value, err = c.HGet(ctx, f.device.CommandsKey(), name).Result()
		return err
	})
	return value
}

func (f *fixture) usage() quota.Amounts {
	f.t.Helper()
	_, used, err := quota.New(quota.Config{Store: f.store}).Usage(f.t.Context(), f.device.Tenant)
	require.NoError(f.t, err)
	return used
}

func TestRestore_PutsCommandBackWhereItWas(t *testing.T) {
	t.Parallel()
	eachObserved(t, func(t *testing.T, s *store.Store, v *violations) {
		for _, status := range []queue.Status{queue.PendingApproval, queue.Queued, queue.Claimed, queue.Succeeded} {
			f := newFixture(t, s)
			c := f.inState(status)
			if status == queue.Claimed {
				f.cancel(c.Command)
			}
			intact, used := f.snapshot(), f.usage()
			f.setAside(c.ID)
			aside := f.snapshot()
			require.NotEqual(t, intact, aside, status)

			require.NoError(t, f.queue.Restore(t.Context(), f.due(c.ID), true))
			require.Equal(t, aside, f.snapshot(), "a dry run changes nothing")
			require.NoError(t, f.queue.Restore(t.Context(), f.due(c.ID), false))
			require.Empty(t, f.changesSince(intact), status)
			require.Equal(t, used, f.usage(), status)
			require.Empty(t, f.quarantined())
			require.ErrorIs(t, f.queue.Restore(t.Context(), f.due(c.ID), false), store.ErrNotQuarantined)
			v.drain()
			f.reconcile()
			require.Empty(t, v.drain(), "%s: the reconciler finds a difference", status)
		}
	})
}

// TestRestore_RefusesRecordThatMayNotRun requires that such a command stays in the quarantine.
func TestRestore_RefusesRecordThatMayNotRun(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		for name, damage := range map[string]func(f *fixture, id string){
			"unreadable": func(f *fixture, id string) { f.overwriteField(id, "{garbage") },
			"unapproved": func(f *fixture, id string) {
				f.editState(id, func(state map[string]any) { delete(state, "approval") })
			},
			"without a body": func(f *fixture, id string) {
				f.tamper(func(ctx context.Context, c redis.Pipeliner) { c.HDel(ctx, f.device.CommandsKey(), id+":body") })
			},
			"gone": func(f *fixture, id string) {
				f.tamper(func(ctx context.Context, c redis.Pipeliner) { c.HDel(ctx, f.device.CommandsKey(), id) })
			},
		} {
			f := newFixture(t, s)
			c := f.approve(f.propose(review))
			f.setAside(c.ID)
			damage(f, c.ID)
			before := f.snapshot()
			require.ErrorContains(t, f.queue.Restore(t.Context(), f.due(c.ID), true), "drop the entry", name)
			require.ErrorContains(t, f.queue.Restore(t.Context(), f.due(c.ID), false), "drop the entry", name)
			require.Equal(t, before, f.snapshot(), name)
			require.Len(t, f.quarantined(), 1, name)
			require.Empty(t, f.claim(), name)
		}
	})
}

func TestRestore_RefusesCommandThatIsScheduled(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		c := f.propose(auto)
		f.setAside(c.ID)
		f.makeDue(c.ID)
		before := f.snapshot()
		require.ErrorIs(t, f.queue.Restore(t.Context(), f.due(c.ID), false), store.ErrScheduled)
		require.Equal(t, before, f.snapshot())
	})
}

func TestRestore_AppliesDeadlinesThatHavePassed(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		waiting, leased := f.propose(auto), f.propose(auto, maxAttempts(1), priority(9))
		lease := f.claimOne()
		require.Equal(t, leased.ID, lease.ID)
		f.setAside(waiting.ID)
		f.closeSession()
		require.NoError(t, f.queue.Restore(t.Context(), f.due(waiting.ID), false))
		require.Equal(t, queue.Expired, f.get(waiting.ID).Status)

		f.expireLease(lease)
		f.setAside(leased.ID)
		require.NoError(t, f.queue.Restore(t.Context(), f.due(leased.ID), false))
		require.Equal(t, queue.TimedOut, f.get(leased.ID).Status)
	})
}

func TestFind_ReturnsDeviceOfCommand(t *testing.T) {
	t.Parallel()
	f := newFixture(t, isolatedRedis(t))
	c := f.propose(auto)
	f.do(func(ctx context.Context, c store.Client) error {
		for range 201 { // the device is not on the first page
			c.ZAdd(ctx, store.Tenant(f.device.Tenant).DevicesKey(), redis.Z{Member: f.newDevice(f.device.Tenant).ID})
		}
		return c.ZAdd(ctx, store.Tenant(f.device.Tenant).DevicesKey(), redis.Z{Member: f.device.ID}).Err()
	})
	found, err := f.queue.Find(t.Context(), c.ID)
	require.NoError(t, err)
	require.Equal(t, f.device, found)
	for _, id := range []string{"cmd_none", store.NewID(store.KindCommand, store.PartitionOf(f.device.Tenant))} {
		_, err = f.queue.Find(t.Context(), id)
		require.ErrorContains(t, err, "command", id)
	}
}

func TestUnfinished_ListsCommandsByStructure(t *testing.T) {
	t.Parallel()
	f := newFixture(t, isolatedRedis(t))
	claimed := f.propose(auto)
	f.claimOne()
	pending, first, last := f.propose(review), f.propose(auto, priority(9)), f.propose(auto)
	found, err := f.queue.Unfinished(t.Context(), f.device)
	require.NoError(t, err)
	require.Equal(t, queue.Unfinished{Ready: []string{first.ID, last.ID}, Pending: []string{pending.ID}, Claimed: []string{claimed.ID}}, found)
	require.Equal(t, []string{claimed.ID, first.ID, last.ID, pending.ID}, found.IDs())
}

func TestReadRaw_ReturnsUnreadableRecord(t *testing.T) {
	t.Parallel()
	f := newFixture(t, isolatedRedis(t))
	c := f.propose(auto)
	f.overwriteField(c.ID, "{garbage")
	raw, err := f.queue.ReadRaw(t.Context(), f.device, c.ID)
	require.NoError(t, err)
	require.Equal(t, "{garbage", raw.State)
	require.Contains(t, raw.Body, "example.com")
	require.Zero(t, raw.QuarantinedAt)
	f.reconcile()
	raw, err = f.queue.ReadRaw(t.Context(), f.device, c.ID)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), raw.QuarantinedAt, time.Hour)
}

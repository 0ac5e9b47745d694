package queue_test

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// violations counts the violations of invariants that were reported to a store.
type violations struct {
	mu    sync.Mutex
	found map[string]int
}

func (v *violations) add(invariant string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.found == nil {
		v.found = map[string]int{}
	}
	v.found[invariant]++
}

// drain returns the counts and resets them.
func (v *violations) drain() map[string]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	found := v.found
	v.found = nil
	return found
}

// eachObserved runs a test on every type of store and counts the reported violations.
func eachObserved(t *testing.T, test func(t *testing.T, s *store.Store, v *violations)) {
	t.Helper()
	for name, url := range map[string]func() string{
		"embedded": func() string { return "" },
		"redis":    func() string { return storetest.Start(t).URL() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := new(violations)
			test(t, storetest.Connect(t, store.Config{URL: url(), Violated: v.add, Logger: slog.New(slog.DiscardHandler)}), v)
		})
	}
}

func (f *fixture) reconcile() {
	f.t.Helper()
	_, err := f.queue.Reconcile(f.t.Context(), f.device)
	require.NoError(f.t, err)
	require.NoError(f.t, f.queue.ReconcileInbox(f.t.Context(), f.device.Tenant))
}

// tamper changes the store directly, without the queue.
func (f *fixture) tamper(change func(ctx context.Context, c redis.Pipeliner)) {
	f.t.Helper()
	f.do(func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		change(ctx, pipe)
		_, err := pipe.Exec(ctx)
		return err
	})
}

// damage applies the damage d to the command with the given id.
func (f *fixture) damage(d inflict, id string) {
	f.t.Helper()
	f.tamper(func(ctx context.Context, c redis.Pipeliner) { d(ctx, c, f, id) })
}

// inflict is a function that damages the stored data of one command.
type inflict func(ctx context.Context, c redis.Pipeliner, f *fixture, id string)

// member is a function that returns a command's member in a sorted set.
type member func(f *fixture, id string) string

func removeFrom(position int, of member) inflict {
	return func(ctx context.Context, c redis.Pipeliner, f *fixture, id string) {
		c.ZRem(ctx, f.key(position), of(f, id))
	}
}

func addTo(position int, score float64, of member) inflict {
	return func(ctx context.Context, c redis.Pipeliner, f *fixture, id string) {
		c.ZAdd(ctx, f.key(position), redis.Z{Score: score, Member: of(f, id)})
	}
}

func itself(_ *fixture, id string) string         { return id }
func inDue(f *fixture, id string) string          { return f.dueMember(id) }
func inInbox(f *fixture, id string) string        { return id + " " + f.device.ID }
func inIndex(f *fixture, id string) string        { return f.session.ID + ":" + id }
func inOtherSession(_ *fixture, id string) string { return "ses_other:" + id }

const never = 9_999_999_999_999 // a time in the year 2286, in Unix ms

// damages holds ways to damage the store. Each entry has the status of the command before the
// damage, the damage, and the invariant that the damage violates.
var damages = map[string]struct {
	status   queue.Status
	inflict  inflict
	violates store.Invariant
}{
	"queued, not ready":                  {queue.Queued, removeFrom(readyKey, itself), store.NothingLost},
	"queued, in another position":        {queue.Queued, addTo(readyKey, 1, itself), queue.FIFOWithinPriority},
	"queued, never due":                  {queue.Queued, removeFrom(dueKey, inDue), store.NothingForgotten},
	"queued, due too late":               {queue.Queued, addTo(dueKey, never, inDue), store.NothingForgotten},
	"queued, has a lease":                {queue.Queued, addTo(leasesKey, never, itself), store.NothingLost},
	"queued, in no session":              {queue.Queued, removeFrom(indexKey, inIndex), store.NothingLost},
	"queued, in the inbox":               {queue.Queued, addTo(inboxKey, 0, inInbox), store.NothingLost},
	"pending, ready":                     {queue.PendingApproval, addTo(readyKey, 1, itself), queue.NoUnapprovedClaim},
	"pending, never due":                 {queue.PendingApproval, removeFrom(dueKey, inDue), store.NothingForgotten},
	"pending, not in the inbox":          {queue.PendingApproval, removeFrom(inboxKey, inInbox), store.NothingLost},
	"pending, not among the device's":    {queue.PendingApproval, removeFrom(pendingKey, itself), store.NothingLost},
	"claimed, never due":                 {queue.Claimed, removeFrom(dueKey, inDue), store.NothingForgotten},
	"claimed, due too late":              {queue.Claimed, addTo(dueKey, never, inDue), store.NothingForgotten},
	"claimed, without a lease":           {queue.Claimed, removeFrom(leasesKey, itself), store.NothingLost},
	"claimed, lease too long":            {queue.Claimed, addTo(leasesKey, never, itself), store.NothingForgotten},
	"claimed, ready":                     {queue.Claimed, addTo(readyKey, 1, itself), queue.NoDoubleLease},
	"claimed, request to cancel lost":    {queue.Claimed, loseCancel, queue.CancelIsHeard},
	"finished, ready":                    {queue.Succeeded, addTo(readyKey, 1, itself), queue.FinishedIsFinal},
	"finished, has a lease":              {queue.Succeeded, addTo(leasesKey, never, itself), queue.FinishedIsFinal},
	"finished, never due":                {queue.Succeeded, removeFrom(dueKey, inDue), store.NothingForgotten},
	"finished, in no session":            {queue.Succeeded, removeFrom(indexKey, inIndex), store.NothingLost},
	"finished, in another session too":   {queue.Succeeded, addTo(indexKey, 0, inOtherSession), queue.FinishedIsFinal},
	"finished, request to cancel":        {queue.Succeeded, addCancel, queue.FinishedIsFinal},
	"sequence behind the newest command": {queue.Queued, loseSequence, queue.FIFOWithinPriority},
}

func addCancel(ctx context.Context, c redis.Pipeliner, f *fixture, id string) {
	c.SAdd(ctx, f.key(cancelsKey), id)
}

func loseCancel(ctx context.Context, c redis.Pipeliner, f *fixture, id string) {
	c.SRem(ctx, f.key(cancelsKey), id)
}

func loseSequence(ctx context.Context, c redis.Pipeliner, f *fixture, _ string) {
	c.HDel(ctx, f.device.RecordKey(), "sequence")
}

// snapshot returns the values of all hash fields and the scores of all sorted-set members that
// the store holds about the device.
func (f *fixture) snapshot() map[string]string {
	f.t.Helper()
	stored := map[string]string{}
	f.do(func(ctx context.Context, c store.Client) error {
		for _, key := range []string{f.device.RecordKey(), f.device.CommandsKey()} {
			for field, value := range c.HGetAll(ctx, key).Val() {
				stored[key+" "+field] = value
			}
		}
		for _, position := range []int{indexKey, readyKey, pendingKey, leasesKey, inboxKey, dueKey} {
			for _, z := range c.ZRangeWithScores(ctx, f.key(position), 0, -1).Val() {
				stored[fmt.Sprint(f.key(position), " ", z.Member)] = strconv.FormatFloat(z.Score, 'f', -1, 64)
			}
		}
		for _, id := range c.SMembers(ctx, f.key(cancelsKey)).Val() {
			stored[f.key(cancelsKey)+" "+id] = "member"
		}
		return nil
	})
	return stored
}

// changesSince returns the differences between the store now and an earlier snapshot.
func (f *fixture) changesSince(before map[string]string) (changes []string) {
	f.t.Helper()
	after := f.snapshot()
	for name, value := range before {
		if after[name] != value {
			changes = append(changes, fmt.Sprintf("%s: %q became %q", name, value, after[name]))
		}
	}
	for name, value := range after {
		if _, found := before[name]; !found {
			changes = append(changes, fmt.Sprintf("%s: added %q", name, value))
		}
	}
	return changes
}

func TestReconcile_RepairsEveryKindOfDamage(t *testing.T) {
	t.Parallel()
	eachObserved(t, func(t *testing.T, s *store.Store, v *violations) {
		for name, d := range damages {
			f := newFixture(t, s)
			other := f.propose(auto, priority(0))
			damaged := f.inState(d.status)
			if d.status == queue.Claimed {
				f.cancel(damaged.Command)
			}
			intact := f.snapshot()
			f.reconcile()
			require.Empty(t, v.drain(), "%s: a violation is reported although nothing is damaged", name)
			require.Empty(t, f.changesSince(intact), name)

			f.damage(d.inflict, damaged.ID)
			require.NotEmpty(t, f.changesSince(intact), name)
			f.reconcile()
			require.Equal(t, map[string]int{string(d.violates): 1}, v.drain(), name)
			require.Empty(t, f.changesSince(intact), "%s: the damage is not repaired", name)
			f.reconcile()
			require.Empty(t, v.drain(), "%s: the damage is reported twice", name)
			require.Equal(t, queue.Queued, f.get(other.ID).Status)
		}
	})
}

func TestReconcile_RepairedCommandRuns(t *testing.T) {
	t.Parallel()
	eachObserved(t, func(t *testing.T, s *store.Store, _ *violations) {
		f := newFixture(t, s)
		lost := f.propose(auto)
		f.damage(removeFrom(readyKey, itself), lost.ID)
		require.Empty(t, f.claim())
		f.reconcile()
		lease := f.claimOne(shortLease)
		require.Equal(t, lost.ID, lease.ID)

		f.damage(removeFrom(dueKey, inDue), lost.ID)
		f.damage(removeFrom(leasesKey, itself), lost.ID)
		f.waitUntilAfter(lease.VisibleUntil)
		f.sweep()
		require.Equal(t, queue.Claimed, f.get(lost.ID).Status, "no index shows that the lease has expired")
		f.reconcile()
		f.settleUntil(lost.ID, queue.Queued)
		require.Equal(t, queue.Succeeded, f.submitResult(f.claimOne(), queue.Succeeded).Status)
	})
}

func TestReconcile_RemovesEntriesWithoutRecord(t *testing.T) {
	t.Parallel()
	eachObserved(t, func(t *testing.T, s *store.Store, v *violations) {
		f := newFixture(t, s)
		intact := f.snapshot()
		unknown := store.NewID(store.KindCommand, store.PartitionOf(f.device.Tenant))
		listed := store.NewID(store.KindCommand, store.PartitionOf(f.device.Tenant))
		f.tamper(func(ctx context.Context, c redis.Pipeliner) {
			for _, position := range []int{readyKey, pendingKey, leasesKey} {
				c.ZAdd(ctx, f.key(position), redis.Z{Score: 1, Member: unknown})
			}
			c.ZAdd(ctx, f.key(dueKey), redis.Z{Score: never, Member: f.dueMember(unknown)})
			c.SAdd(ctx, f.key(cancelsKey), unknown)
			c.ZAdd(ctx, f.key(inboxKey), redis.Z{Member: inInbox(f, unknown)}, redis.Z{Member: inInbox(f, listed)})
			c.ZAdd(ctx, f.key(indexKey), redis.Z{Member: inIndex(f, listed)})
			c.HSet(ctx, f.device.CommandsKey(), listed+":body", "{}")
		})
		f.reconcile()
		require.Equal(t, map[string]int{string(store.NothingLost): 9}, v.drain())
		require.Empty(t, f.changesSince(intact))
	})
}

func TestReconcileInbox_RemovesEntryOfUnknownDevice(t *testing.T) {
	t.Parallel()
	eachObserved(t, func(t *testing.T, s *store.Store, v *violations) {
		f := newFixture(t, s)
		other := store.NewID(store.KindDevice, store.PartitionOf(f.device.Tenant))
		f.tamper(func(ctx context.Context, c redis.Pipeliner) {
			c.ZAdd(ctx, f.key(inboxKey), redis.Z{Member: "cmd_gone " + other})
		})
		f.reconcile()
		require.Equal(t, map[string]int{string(store.NothingLost): 1}, v.drain())
		require.Empty(t, f.pending())
	})
}

func TestSettle_MissingRecordIsReportedOnce(t *testing.T) {
	t.Parallel()
	eachObserved(t, func(t *testing.T, s *store.Store, v *violations) {
		f := newFixture(t, s)
		f.makeDue("cmd_missing")
		f.sweep()
		f.sweep()
		require.Equal(t, map[string]int{string(store.NothingLost): 1}, v.drain())
	})
}

// TestReconcile_QuarantinesCommandThatMayNotRun damages the record of an approved command.
// The reconciler must quarantine the command, and no claim may return it.
func TestReconcile_QuarantinesCommandThatMayNotRun(t *testing.T) {
	t.Parallel()
	for name, inflict := range map[string]func(f *fixture, id string){
		"no decision": func(f *fixture, id string) {
			f.editState(id, func(state map[string]any) { delete(state, "approval") })
		},
		"a rejection": func(f *fixture, id string) {
			f.editState(id, func(state map[string]any) { state["approval"].(map[string]any)["decision"] = "rejected" })
		},
		"no body": func(f *fixture, id string) {
			f.tamper(func(ctx context.Context, c redis.Pipeliner) { c.HDel(ctx, f.device.CommandsKey(), id+":body") })
		},
		"garbage": func(f *fixture, id string) { f.overwriteField(id, "{garbage") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachObserved(t, func(t *testing.T, s *store.Store, v *violations) {
				f := newFixture(t, s)
				c := f.approve(f.propose(review))
				inflict(f, c.ID)
				f.reconcile()
				require.Len(t, v.drain(), 1)
				f.requireQuarantined(c.ID)
				f.reconcile()
				require.Empty(t, v.drain(), "the command is quarantined once")
				require.Empty(t, f.claim())
				f.requireQuarantined(c.ID)
			})
		})
	}
}

// TestReconcile_LeavesQuarantinedCommand damages a command so that a claim quarantines the
// command. The command must stay in the quarantine until an operator removes the field
// "<id>:aside".
func TestReconcile_LeavesQuarantinedCommand(t *testing.T) {
	t.Parallel()
	eachObserved(t, func(t *testing.T, s *store.Store, v *violations) {
		f := newFixture(t, s)
		c := f.propose(auto)
		body := f.field(c.ID + ":body")
		f.tamper(func(ctx context.Context, pipe redis.Pipeliner) { pipe.HDel(ctx, f.device.CommandsKey(), c.ID+":body") })
		require.Empty(t, f.claim())
		f.requireQuarantined(c.ID)
		f.overwriteField(c.ID+":body", body)
		f.reconcile()
		require.Empty(t, v.drain())
		f.requireQuarantined(c.ID)
		f.tamper(func(ctx context.Context, pipe redis.Pipeliner) { pipe.HDel(ctx, f.device.CommandsKey(), c.ID+":aside") })
		f.reconcile()
		require.Equal(t, c.ID, f.claimOne().ID, "an operator has repaired the command")
	})
}

// TestReconcile_OtherRetentionIsNoDamage lengthens the configured retention after a command has
// finished. The entry of the command in the due index must not change: the command gets the longer
// retention when it is due.
func TestReconcile_OtherRetentionIsNoDamage(t *testing.T) {
	t.Parallel()
	eachObserved(t, func(t *testing.T, s *store.Store, v *violations) {
		f := newFixture(t, s, retention(2*time.Hour))
		f.inState(queue.Succeeded)
		intact := f.snapshot()
		f.queue = queue.New(queue.Config{Store: s, Retention: 3 * time.Hour})
		f.reconcile()
		require.Empty(t, v.drain())
		require.Empty(t, f.changesSince(intact))
	})
}

// TestReconcile_ShorterRetentionAppliesToFinishedCommands shortens the configured retention after a command has finished, which an operator does to free memory.
func TestReconcile_ShorterRetentionAppliesToFinishedCommands(t *testing.T) {
	t.Parallel()
	eachObserved(t, func(t *testing.T, s *store.Store, v *violations) {
		f := newFixture(t, s, retention(2*time.Hour))
		lease := f.inState(queue.Succeeded)
		f.queue = queue.New(queue.Config{Store: s, Retention: time.Hour})
		f.reconcile()
		require.Empty(t, v.drain(), "another retention is no damage")
		f.do(func(ctx context.Context, c store.Client) error {
			due, err := c.ZScore(ctx, f.key(dueKey), f.dueMember(lease.ID)).Result()
			require.InDelta(t, f.get(lease.ID).FinishedAt.Add(time.Hour).UnixMilli(), due, 1)
			return err
		})
	})
}

func TestReconcile_ReadsInBatches(t *testing.T) {
	t.Parallel()
	eachObserved(t, func(t *testing.T, s *store.Store, v *violations) {
		f := newFixture(t, s)
		const many = 250
		for range many {
			f.propose(auto)
			f.submitResult(f.claimOne(), queue.Succeeded)
		}
		f.tamper(func(ctx context.Context, c redis.Pipeliner) {
			c.Del(ctx, f.key(indexKey))
			c.Del(ctx, f.key(dueKey))
		})
		f.reconcile()
		require.Equal(t, map[string]int{string(store.NothingLost): many, string(store.NothingForgotten): many}, v.drain())
		f.reconcile()
		require.Empty(t, v.drain())
	})
}

// TestReconcile_FindsNothingUnderLoad reconciles a device on two instances while clients
// use the device. Nothing is damaged, so no violation may be reported.
func TestReconcile_FindsNothingUnderLoad(t *testing.T) {
	t.Parallel()
	eachObserved(t, func(t *testing.T, s *store.Store, v *violations) {
		f := newFixture(t, s, approveWithin(20*time.Millisecond))
		ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
		defer stop()
		var load sync.WaitGroup
		repeat := func(work func()) {
			load.Go(func() {
				for ctx.Err() == nil {
					work()
				}
			})
		}
		for range 2 {
			repeat(func() { f.reconcile() })
			repeat(f.sweep)
			repeat(func() { f.runLifecycle(ctx, auto) })
			repeat(func() { f.runLifecycle(ctx, review) })
		}
		load.Wait()
		require.Empty(t, v.drain())
		f.reconcile()
		require.Empty(t, v.drain())
	})
}

// runLifecycle proposes a command, decides on it, claims the ready commands and runs a
// different operation on each lease. It ignores refusals.
func (f *fixture) runLifecycle(ctx context.Context, commandType string) {
	c, err := f.queue.Propose(ctx, f.proposal(commandType))
	if err != nil {
		return
	}
	_, _ = f.queue.Decide(ctx, f.decision(c, c.ID[len(c.ID)-1]%2 == 0))
	leases, _ := f.queue.Claim(ctx, f.claimRequest(limit(2), visibility(10*time.Millisecond)))
	for i, l := range leases {
		switch (int(l.ID[len(l.ID)-1]) + i) % 4 {
		case 0:
			_, _ = f.queue.Release(ctx, f.ref(l), "busy")
		case 1:
			_, _ = f.queue.SubmitResult(ctx, f.ref(l), queue.Succeeded, queue.Result{Output: "done"})
		case 2:
			_, _ = f.queue.Cancel(ctx, cancelOf(l.Command))
		}
	}
}

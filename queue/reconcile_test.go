package queue_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/queue/model"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// violations counts what a store was told is broken, by invariant.
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

// take gives what was counted, and begins anew.
func (v *violations) take() map[string]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	found := v.found
	v.found = nil
	return found
}

// eachWatched runs a test on every kind of store, with an eye on its invariants.
func eachWatched(t *testing.T, test func(t *testing.T, s *store.Store, v *violations)) {
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

func (b *bench) reconcile() {
	b.t.Helper()
	_, err := b.queue.Reconcile(b.t.Context(), b.device)
	require.NoError(b.t, err)
	require.NoError(b.t, b.queue.ReconcileInbox(b.t.Context(), b.device.Tenant))
}

// alter changes the store behind the queue's back.
func (b *bench) alter(change func(ctx context.Context, c redis.Pipeliner)) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		change(ctx, pipe)
		_, err := pipe.Exec(ctx)
		return err
	})
}

func (b *bench) key(at int) string { return b.device.Keys()[at] }

// Further places of structures in store.Device.Keys.
const (
	indexKey   = 2
	readyKey   = 3
	cancelsKey = 6
	inboxKey   = 9
	dueKey     = 10
)

func (b *bench) dueMember(id string) string {
	return "command " + id + " " + b.device.ID + " " + b.device.Tenant
}

// damage is what happens to a command in a state, what is found of it, and whether
// the command can run afterwards.
type damage struct {
	of    queue.Status
	by    func(b *bench, id string) func(ctx context.Context, c redis.Pipeliner)
	found map[string]int
}

// removed and added are damages to one sorted set.
func removed(at int, member func(b *bench, id string) string) func(*bench, string) func(context.Context, redis.Pipeliner) {
	return func(b *bench, id string) func(context.Context, redis.Pipeliner) {
		return func(ctx context.Context, c redis.Pipeliner) { c.ZRem(ctx, b.key(at), member(b, id)) }
	}
}

func added(at int, score float64, member func(b *bench, id string) string) func(*bench, string) func(context.Context, redis.Pipeliner) {
	return func(b *bench, id string) func(context.Context, redis.Pipeliner) {
		return func(ctx context.Context, c redis.Pipeliner) {
			c.ZAdd(ctx, b.key(at), redis.Z{Score: score, Member: member(b, id)})
		}
	}
}

func itself(_ *bench, id string) string { return id }
func inDue(b *bench, id string) string  { return b.dueMember(id) }
func inInbox(b *bench, id string) string {
	return id + " " + b.device.ID
}
func inIndex(b *bench, id string) string { return b.session.ID + ":" + id }

const never = 9_999_999_999_999 // a moment that no test lives to see

func damages() map[string]damage {
	one := func(invariant model.Invariant) map[string]int { return map[string]int{string(invariant): 1} }
	return map[string]damage{
		"queued, not in the line":            {queue.Queued, removed(readyKey, itself), one(model.NothingLost)},
		"queued, in another's place":         {queue.Queued, added(readyKey, 1, itself), one(model.FIFOWithinPriority)},
		"queued, never due":                  {queue.Queued, removed(dueKey, inDue), one(model.NothingForgotten)},
		"queued, due too late":               {queue.Queued, added(dueKey, never, inDue), one(model.NothingForgotten)},
		"queued, under a lease":              {queue.Queued, added(leasesKey, never, itself), one(model.NothingLost)},
		"queued, not listed":                 {queue.Queued, removed(indexKey, inIndex), one(model.NothingLost)},
		"queued, in the inbox":               {queue.Queued, added(inboxKey, 0, inInbox), one(model.NothingLost)},
		"pending, in the line":               {queue.PendingApproval, added(readyKey, 1, itself), one(model.NoUnapprovedClaim)},
		"pending, never due":                 {queue.PendingApproval, removed(dueKey, inDue), one(model.NothingForgotten)},
		"pending, not in the inbox":          {queue.PendingApproval, removed(inboxKey, inInbox), one(model.NothingLost)},
		"pending, not among the device's":    {queue.PendingApproval, removed(pendingKey, itself), one(model.NothingLost)},
		"claimed, never due":                 {queue.Claimed, removed(dueKey, inDue), one(model.NothingForgotten)},
		"claimed, due too late":              {queue.Claimed, added(dueKey, never, inDue), one(model.NothingForgotten)},
		"claimed, not under a lease":         {queue.Claimed, removed(leasesKey, itself), one(model.NothingLost)},
		"claimed, under a lease too long":    {queue.Claimed, added(leasesKey, never, itself), one(model.NothingForgotten)},
		"claimed, in the line":               {queue.Claimed, added(readyKey, 1, itself), one(model.NoDoubleLease)},
		"finished, in the line":              {queue.Succeeded, added(readyKey, 1, itself), one(model.FinishedIsFinal)},
		"finished, under a lease":            {queue.Succeeded, added(leasesKey, never, itself), one(model.FinishedIsFinal)},
		"finished, never forgotten":          {queue.Succeeded, removed(dueKey, inDue), one(model.NothingForgotten)},
		"finished, listed in no session":     {queue.Succeeded, removed(indexKey, inIndex), one(model.NothingLost)},
		"finished, listed in another, too":   {queue.Succeeded, added(indexKey, 0, func(_ *bench, id string) string { return "ses_other:" + id }), one(model.FinishedIsFinal)},
		"finished, to be cancelled yet":      {queue.Succeeded, cancelWanted, one(model.FinishedIsFinal)},
		"cancelled while claimed, unheard":   {queue.Claimed, cancelLost, one(model.CancelIsHeard)},
		"the counter behind the last number": {queue.Queued, counterLost, one(model.FIFOWithinPriority)},
	}
}

func cancelWanted(b *bench, id string) func(context.Context, redis.Pipeliner) {
	return func(ctx context.Context, c redis.Pipeliner) { c.SAdd(ctx, b.key(cancelsKey), id) }
}

func cancelLost(b *bench, id string) func(context.Context, redis.Pipeliner) {
	return func(ctx context.Context, c redis.Pipeliner) { c.SRem(ctx, b.key(cancelsKey), id) }
}

func counterLost(b *bench, _ string) func(context.Context, redis.Pipeliner) {
	return func(ctx context.Context, c redis.Pipeliner) { c.HDel(ctx, b.device.RecordKey(), "sequence") }
}

// form is everything that the store holds of a device, in one text.
func (b *bench) form() string {
	b.t.Helper()
	form := map[string]any{}
	b.do(func(ctx context.Context, c store.Client) error {
		form["record"] = c.HGetAll(ctx, b.device.RecordKey()).Val()
		for _, at := range []int{indexKey, readyKey, pendingKey, leasesKey, inboxKey} {
			form[b.key(at)] = c.ZRangeWithScores(ctx, b.key(at), 0, -1).Val()
		}
		form["cancels"] = c.SMembers(ctx, b.key(cancelsKey)).Val()
		due := map[string]float64{}
		for _, z := range c.ZRangeWithScores(ctx, b.key(dueKey), 0, -1).Val() {
			if member := z.Member.(string); strings.HasSuffix(member, b.device.Tenant) {
				due[member] = z.Score
			}
		}
		form["due"] = due
		form["commands"] = c.HGetAll(ctx, b.device.CommandsKey()).Val()
		return nil
	})
	text, err := json.Marshal(form)
	require.NoError(b.t, err)
	return string(text)
}

func TestEveryKindOfDamageIsFoundCountedAndMended(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(t *testing.T, s *store.Store, v *violations) {
		for name, d := range damages() {
			b := newBench(t, s)
			other := b.propose(auto, priority(0))
			hurt := b.inState(d.of)
			if d.of == queue.Claimed {
				b.cancel(hurt.Command)
			}
			whole := b.form()
			b.reconcile()
			require.Empty(t, v.take(), "%s: something is found where nothing is wrong", name)
			require.Equal(t, whole, b.form(), name)

			b.alter(d.by(b, hurt.ID))
			require.NotEqual(t, whole, b.form(), name)
			b.reconcile()
			require.Equal(t, d.found, v.take(), name)
			require.Equal(t, whole, b.form(), "%s: it is as it was before", name)
			b.reconcile()
			require.Empty(t, v.take(), "%s: it is found once", name)
			require.Equal(t, queue.Queued, b.get(other.ID).Status)
		}
	})
}

func TestACommandRunsOnceItsDamageIsMended(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(t *testing.T, s *store.Store, _ *violations) {
		b := newBench(t, s)
		lost := b.propose(auto)
		b.alter(removed(readyKey, itself)(b, lost.ID))
		require.Empty(t, b.claim())
		b.reconcile()
		lease := b.take(brief)
		require.Equal(t, lost.ID, lease.ID)

		b.alter(removed(dueKey, inDue)(b, lost.ID))
		b.alter(removed(leasesKey, itself)(b, lost.ID))
		b.passes(lease.VisibleUntil)
		b.sweep()
		require.Equal(t, queue.Claimed, b.get(lost.ID).Status, "nothing sees that the lease has ended")
		b.reconcile()
		b.becomes(lost.ID, queue.Queued)
		require.Equal(t, queue.Succeeded, b.finish(b.take(), queue.Succeeded).Status)
	})
}

func TestWhatHasNoRecordIsClearedAway(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(t *testing.T, s *store.Store, v *violations) {
		b := newBench(t, s)
		whole := b.form()
		ghost := store.NewID(store.KindCommand, store.PartitionOf(b.device.Tenant))
		listed := store.NewID(store.KindCommand, store.PartitionOf(b.device.Tenant))
		b.alter(func(ctx context.Context, c redis.Pipeliner) {
			for _, at := range []int{readyKey, pendingKey, leasesKey} {
				c.ZAdd(ctx, b.key(at), redis.Z{Score: 1, Member: ghost})
			}
			c.ZAdd(ctx, b.key(dueKey), redis.Z{Score: never, Member: b.dueMember(ghost)})
			c.SAdd(ctx, b.key(cancelsKey), ghost)
			c.ZAdd(ctx, b.key(inboxKey), redis.Z{Member: inInbox(b, ghost)}, redis.Z{Member: inInbox(b, listed)})
			c.ZAdd(ctx, b.key(indexKey), redis.Z{Member: inIndex(b, listed)})
			c.HSet(ctx, b.device.CommandsKey(), listed+":body", "{}")
		})
		b.reconcile()
		require.Equal(t, map[string]int{string(model.NothingLost): 9}, v.take())
		require.Equal(t, whole, b.form())
	})
}

func TestAnInboxEntryOfAnUnknownDeviceIsMended(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(t *testing.T, s *store.Store, v *violations) {
		b := newBench(t, s)
		other := store.NewID(store.KindDevice, store.PartitionOf(b.device.Tenant))
		b.alter(func(ctx context.Context, c redis.Pipeliner) {
			c.ZAdd(ctx, b.key(inboxKey), redis.Z{Member: "cmd_gone " + other})
		})
		b.reconcile()
		require.Equal(t, map[string]int{string(model.NothingLost): 1}, v.take())
		require.Empty(t, b.pending())
	})
}

func TestARecordThatIsDueAndGoneIsCountedOnce(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(t *testing.T, s *store.Store, v *violations) {
		b := newBench(t, s)
		b.dueNow("cmd_ghost")
		b.sweep()
		b.sweep()
		require.Equal(t, map[string]int{string(model.NothingLost): 1}, v.take())
	})
}

// What nobody may run is set aside, and stays so: mending the line must not be a
// way around a person's word.
func TestMendingNeverPutsIntoTheLineWhatMayNotRun(t *testing.T) {
	t.Parallel()
	for name, hurt := range map[string]func(b *bench, id string){
		"no decision": func(b *bench, id string) {
			b.edit(id, func(state map[string]any) { delete(state, "approval") })
		},
		"a rejection": func(b *bench, id string) {
			b.edit(id, func(state map[string]any) { state["approval"].(map[string]any)["decision"] = "rejected" })
		},
		"no body": func(b *bench, id string) {
			b.alter(func(ctx context.Context, c redis.Pipeliner) { c.HDel(ctx, b.device.CommandsKey(), id+":body") })
		},
		"garbage": func(b *bench, id string) { b.overwrite(id, "{garbage") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachWatched(t, func(t *testing.T, s *store.Store, v *violations) {
				b := newBench(t, s)
				c := b.approve(b.propose(review))
				hurt(b, c.ID)
				b.reconcile()
				require.Len(t, v.take(), 1)
				b.isSetAside(c.ID)
				b.reconcile()
				require.Empty(t, v.take(), "it is set aside once")
				require.Empty(t, b.claim())
				b.isSetAside(c.ID)
			})
		})
	}
}

// What a claim has set aside is not put back, either.
func TestWhatWasSetAsideStaysAside(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(t *testing.T, s *store.Store, v *violations) {
		b := newBench(t, s)
		c := b.propose(auto)
		body := b.body(c.ID)
		b.alter(func(ctx context.Context, pipe redis.Pipeliner) { pipe.HDel(ctx, b.device.CommandsKey(), c.ID+":body") })
		require.Empty(t, b.claim())
		b.isSetAside(c.ID)
		b.overwrite(c.ID+":body", body)
		b.reconcile()
		require.Empty(t, v.take())
		b.isSetAside(c.ID)
		b.alter(func(ctx context.Context, pipe redis.Pipeliner) { pipe.HDel(ctx, b.device.CommandsKey(), c.ID+":aside") })
		b.reconcile()
		require.Equal(t, c.ID, b.take().ID, "a person has put it right")
	})
}

// What has ended goes when the setting of its day said so.
func TestAnotherRetentionIsNoDamage(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(t *testing.T, s *store.Store, v *violations) {
		b := newBench(t, s, retention(2*time.Hour))
		b.inState(queue.Succeeded)
		whole := b.form()
		for _, kept := range []time.Duration{time.Hour, 3 * time.Hour} {
			b.queue = queue.New(queue.Config{Store: s, Retention: kept})
			b.reconcile()
			require.Empty(t, v.take())
			require.Equal(t, whole, b.form())
		}
	})
}

func (b *bench) body(id string) (text string) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) (err error) {
		text, err = c.HGet(ctx, b.device.CommandsKey(), id+":body").Result()
		return err
	})
	return text
}

func TestADeviceWithMoreCommandsThanOneReadingIsReconciledWhole(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(t *testing.T, s *store.Store, v *violations) {
		b := newBench(t, s)
		const many = 250
		for range many {
			b.propose(auto)
			b.finish(b.take(), queue.Succeeded)
		}
		b.alter(func(ctx context.Context, c redis.Pipeliner) {
			c.Del(ctx, b.key(indexKey))
			c.Del(ctx, b.key(dueKey))
		})
		b.reconcile()
		require.Equal(t, map[string]int{string(model.NothingLost): many, string(model.NothingForgotten): many}, v.take())
		b.reconcile()
		require.Empty(t, v.take())
	})
}

// Whatever goes on at the same time, nothing is found where nothing is wrong, by
// as many instances as look.
func TestNothingIsFoundUnderLoad(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(t *testing.T, s *store.Store, v *violations) {
		b := newBench(t, s, approveWithin(20*time.Millisecond))
		ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
		defer stop()
		var load sync.WaitGroup
		during := func(work func()) {
			load.Go(func() {
				for ctx.Err() == nil {
					work()
				}
			})
		}
		for range 2 {
			during(func() { b.reconcile() })
			during(b.sweep)
			during(func() { b.someLife(ctx, auto) })
			during(func() { b.someLife(ctx, review) })
		}
		load.Wait()
		require.Empty(t, v.take())
		b.reconcile()
		require.Empty(t, v.take())
	})
}

// someLife proposes a command and claims whatever is there, and does one of the
// things that may be done with a command. Refusals are part of it.
func (b *bench) someLife(ctx context.Context, commandType string) {
	c, err := b.queue.Propose(ctx, b.proposal(commandType))
	if err != nil {
		return
	}
	_, _ = b.queue.Decide(ctx, b.decision(c, c.ID[len(c.ID)-1]%2 == 0))
	leases, _ := b.queue.Claim(ctx, b.claimRequest(limit(2), visibleFor(10*time.Millisecond)))
	for i, l := range leases {
		switch (int(l.ID[len(l.ID)-1]) + i) % 4 {
		case 0:
			_, _ = b.queue.Release(ctx, b.hold(l), "busy")
		case 1:
			_, _ = b.queue.SubmitResult(ctx, b.hold(l), queue.Succeeded, queue.Result{Output: "done"})
		case 2:
			_, _ = b.queue.Cancel(ctx, cancelOf(l.Command))
		}
	}
}

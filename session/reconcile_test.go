package session_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// reconcileBench is a bench that collects the invariants that were violated.
type reconcileBench struct {
	*bench
	mu    sync.Mutex
	found []string
}

// eachReconcileBench runs a test on each type of store.
func eachReconcileBench(t *testing.T, test func(w *reconcileBench)) {
	t.Helper()
	for name, url := range map[string]string{"embedded": "", "redis": storetest.SharedURL(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := new(reconcileBench)
			w.bench = newBench(t, storetest.Connect(t, store.Config{URL: url, Violated: w.add, Logger: slog.New(slog.DiscardHandler)}))
			test(w)
		})
	}
}

func (w *reconcileBench) add(invariant string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.found = append(w.found, invariant)
}

// reconcile runs Reconcile and returns the violated invariants that it reports.
func (w *reconcileBench) reconcile() []string {
	w.t.Helper()
	w.mu.Lock()
	w.found = nil
	w.mu.Unlock()
	_, err := w.sessions.Reconcile(w.t.Context(), w.device)
	require.NoError(w.t, err)
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.found
}

func (w *reconcileBench) alter(change func(ctx context.Context, c redis.Pipeliner)) {
	w.t.Helper()
	w.do(func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		change(ctx, pipe)
		_, err := pipe.Exec(ctx)
		return err
	})
}

// snapshot returns everything that the store holds about a session.
func (w *reconcileBench) snapshot(id string) (stored []any) {
	w.t.Helper()
	w.do(func(ctx context.Context, c store.Client) error {
		stored = append(stored, c.HGetAll(ctx, store.SessionKey(id)).Val(), c.HGetAll(ctx, w.device.RecordKey()).Val())
		for _, key := range []string{store.Tenant(w.device.Tenant).SessionsKey(), w.device.SessionsKey()} {
			stored = append(stored, c.ZRange(ctx, key, 0, -1).Val())
		}
		stored = append(stored, c.ZScore(ctx, w.dueKey(), w.member(id)).Val())
		return nil
	})
	return stored
}

func (w *reconcileBench) dueKey() string { return store.PartitionOf(w.device.Tenant).DueKey() }

func (w *reconcileBench) member(id string) string {
	return "session " + id + " " + w.device.ID + " " + w.device.Tenant
}

func TestReconcile_RepairsEveryDamage(t *testing.T) {
	t.Parallel()
	type damage = func(w *reconcileBench, id string, ctx context.Context, c redis.Pipeliner)
	neverDue := func(w *reconcileBench, id string, ctx context.Context, c redis.Pipeliner) {
		c.ZRem(ctx, w.dueKey(), w.member(id))
	}
	tooLate := func(w *reconcileBench, id string, ctx context.Context, c redis.Pipeliner) {
		c.ZAdd(ctx, w.dueKey(), redis.Z{Score: 9_999_999_999_999, Member: w.member(id)})
	}
	unlisted := func(w *reconcileBench, id string, ctx context.Context, c redis.Pipeliner) {
		c.ZRem(ctx, store.Tenant(w.device.Tenant).SessionsKey(), id)
	}
	for name, tt := range map[string]struct {
		ended  bool
		damage damage
		found  string
	}{
		"open, never due":                   {false, neverDue, string(store.NothingForgotten)},
		"open, due too late":                {false, tooLate, string(store.NothingForgotten)},
		"open, not in the tenant's index":   {false, unlisted, string(store.NothingLost)},
		"closed, never due":                 {true, neverDue, string(store.NothingForgotten)},
		"closed, not in the tenant's index": {true, unlisted, string(store.NothingLost)},
		"open, not named by its device": {false, func(w *reconcileBench, _ string, ctx context.Context, c redis.Pipeliner) {
			c.HDel(ctx, w.device.RecordKey(), "session", "session_until")
		}, "oneSession"},
		"open, not in its device's index": {false, func(w *reconcileBench, id string, ctx context.Context, c redis.Pipeliner) {
			c.ZRem(ctx, w.device.SessionsKey(), id)
		}, string(store.NothingLost)},
		"open, with another expiry in its device": {false, func(w *reconcileBench, _ string, ctx context.Context, c redis.Pipeliner) {
			c.HSet(ctx, w.device.RecordKey(), "session_until", 1)
		}, "oneSession"},
		"closed, but named by its device": {true, func(w *reconcileBench, id string, ctx context.Context, c redis.Pipeliner) {
			c.HSet(ctx, w.device.RecordKey(), "session", id, "session_until", 1)
		}, "oneSession"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachReconcileBench(t, func(w *reconcileBench) {
				id := w.open().ID
				if tt.ended {
					w.close(id)
				}
				require.Empty(w.t, w.reconcile(), "a violation was reported for an undamaged session")
				undamaged := w.snapshot(id)
				w.alter(func(ctx context.Context, c redis.Pipeliner) { tt.damage(w, id, ctx, c) })
				require.NotEqual(w.t, undamaged, w.snapshot(id))
				require.Equal(w.t, []string{tt.found}, w.reconcile())
				require.Equal(w.t, undamaged, w.snapshot(id))
				require.Empty(w.t, w.reconcile(), "the repaired damage was reported again")
			})
		})
	}
}

// TestReconcile_OtherRetentionIsNoDamage lengthens the retention after a session has ended.
func TestReconcile_OtherRetentionIsNoDamage(t *testing.T) {
	t.Parallel()
	eachReconcileBench(t, func(w *reconcileBench) {
		id := w.open().ID
		w.close(id)
		ended := w.snapshot(id)
		w.sessions = session.New(session.Config{Store: w.store, Retention: 3000 * time.Hour})
		require.Empty(w.t, w.reconcile())
		require.Equal(w.t, ended, w.snapshot(id))
	})
}

// TestReconcile_ShorterRetentionAppliesToEndedSessions shortens the retention after a session
// has ended, which an operator does to free memory.
func TestReconcile_ShorterRetentionAppliesToEndedSessions(t *testing.T) {
	t.Parallel()
	eachReconcileBench(t, func(w *reconcileBench) {
		id := w.open().ID
		closed := w.close(id).ClosedAt
		w.sessions = session.New(session.Config{Store: w.store, Retention: time.Hour})
		require.Empty(w.t, w.reconcile(), "another retention is no damage")
		require.Equal(w.t, closed.Add(time.Hour).UnixMilli(), w.dueAt(id).UnixMilli())
	})
}

func TestReconcile_LostSessionIsRemovedFromDevice(t *testing.T) {
	t.Parallel()
	eachReconcileBench(t, func(w *reconcileBench) {
		lost := w.open().ID
		w.alter(func(ctx context.Context, c redis.Pipeliner) { c.Del(ctx, store.SessionKey(lost)) })
		require.ElementsMatch(w.t, []string{"oneSession", string(store.NothingLost), string(store.NothingLost)}, w.reconcile())
		next := w.open()
		require.Equal(w.t, session.Active, w.get(next.ID).Status)
	})
}

// TestReconcile_SecondActiveSessionExpires creates a device with two active sessions. The
// session whose id is in the device's record must stay active and keep its commands. The
// other session must expire.
func TestReconcile_SecondActiveSessionExpires(t *testing.T) {
	t.Parallel()
	eachReconcileBench(t, func(w *reconcileBench) {
		older := w.open().ID
		w.alter(func(ctx context.Context, c redis.Pipeliner) { c.HDel(ctx, w.device.RecordKey(), "session") })
		newer := w.open().ID
		waiting := w.propose(newer, "diagnostic.dns")
		require.Equal(w.t, []string{"oneSession"}, w.reconcile())
		require.Equal(w.t, session.Expired, w.get(older).Status)
		require.Equal(w.t, session.Active, w.get(newer).Status)
		require.Equal(w.t, waiting.ID, w.claim().ID)
		require.Empty(w.t, w.reconcile())
	})
}

func TestReconcile_KeepsSessionOfOtherDevice(t *testing.T) {
	t.Parallel()
	eachReconcileBench(t, func(w *reconcileBench) {
		other := w.newDevice(w.device.Tenant)
		theirs := w.open(func(o *session.OpenRequest) { o.DeviceID = other.ID }).ID
		w.alter(func(ctx context.Context, c redis.Pipeliner) {
			c.HSet(ctx, w.device.RecordKey(), "session", theirs, "session_until", 1)
		})
		require.Contains(w.t, w.reconcile(), "oneSession")
		require.Equal(w.t, session.Active, w.get(theirs).Status)
		w.open()
	})
}

func TestReconcile_FindsNothingUnderLoad(t *testing.T) {
	t.Parallel()
	eachReconcileBench(t, func(w *reconcileBench) {
		ctx, stop := context.WithTimeout(w.t.Context(), time.Second)
		defer stop()
		var load sync.WaitGroup
		for range 2 {
			load.Go(func() {
				for ctx.Err() == nil {
					_, err := w.sessions.Reconcile(w.t.Context(), w.device)
					require.NoError(w.t, err)
				}
			})
			load.Go(func() {
				for ctx.Err() == nil {
					if s, err := w.sessions.Open(ctx, w.openRequest()); err == nil {
						_, _ = w.sessions.Close(ctx, session.CloseRequest{Tenant: w.device.Tenant, SessionID: s.ID, UserID: "u2"})
					}
				}
			})
		}
		load.Wait()
		require.Empty(w.t, w.found)
	})
}

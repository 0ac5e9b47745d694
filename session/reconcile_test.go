package session_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue/model"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// watched is a bench whose store counts what was found broken.
type watched struct {
	*bench
	mu    sync.Mutex
	found []string
}

// eachWatched runs a test on every kind of store.
func eachWatched(t *testing.T, test func(w *watched)) {
	t.Helper()
	for name, url := range map[string]string{"embedded": "", "redis": storetest.SharedURL(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := new(watched)
			w.bench = newBench(t, storetest.Connect(t, store.Config{URL: url, Violated: w.add, Logger: slog.New(slog.DiscardHandler)}))
			test(w)
		})
	}
}

func (w *watched) add(invariant string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.found = append(w.found, invariant)
}

// reconcile gives what was found.
func (w *watched) reconcile() []string {
	w.t.Helper()
	w.mu.Lock()
	w.found = nil
	w.mu.Unlock()
	require.NoError(w.t, w.sessions.Reconcile(w.t.Context(), w.device))
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.found
}

func (w *watched) alter(change func(ctx context.Context, c redis.Pipeliner)) {
	w.t.Helper()
	w.do(func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		change(ctx, pipe)
		_, err := pipe.Exec(ctx)
		return err
	})
}

// form is what the store holds of a session.
func (w *watched) form(id string) (form []any) {
	w.t.Helper()
	w.do(func(ctx context.Context, c store.Client) error {
		form = append(form, c.HGetAll(ctx, store.SessionKey(id)).Val(), c.HGetAll(ctx, w.device.RecordKey()).Val())
		for _, key := range []string{store.Tenant(w.device.Tenant).SessionsKey(), w.device.SessionsKey()} {
			form = append(form, c.ZRange(ctx, key, 0, -1).Val())
		}
		form = append(form, c.ZScore(ctx, w.dueKey(), w.member(id)).Val())
		return nil
	})
	return form
}

func (w *watched) dueKey() string { return store.PartitionOf(w.device.Tenant).DueKey() }

func (w *watched) member(id string) string {
	return "session " + id + " " + w.device.ID + " " + w.device.Tenant
}

func TestEveryDamageOfASessionIsFoundAndMended(t *testing.T) {
	t.Parallel()
	type damage = func(w *watched, id string, ctx context.Context, c redis.Pipeliner)
	neverDue := func(w *watched, id string, ctx context.Context, c redis.Pipeliner) {
		c.ZRem(ctx, w.dueKey(), w.member(id))
	}
	tooLate := func(w *watched, id string, ctx context.Context, c redis.Pipeliner) {
		c.ZAdd(ctx, w.dueKey(), redis.Z{Score: 9_999_999_999_999, Member: w.member(id)})
	}
	unlisted := func(w *watched, id string, ctx context.Context, c redis.Pipeliner) {
		c.ZRem(ctx, store.Tenant(w.device.Tenant).SessionsKey(), id)
	}
	for name, tt := range map[string]struct {
		ended  bool
		damage damage
		found  string
	}{
		"open, never due":         {false, neverDue, string(model.NothingForgotten)},
		"open, due too late":      {false, tooLate, string(model.NothingForgotten)},
		"open, not listed":        {false, unlisted, string(model.NothingLost)},
		"closed, never forgotten": {true, neverDue, string(model.NothingForgotten)},
		"closed, not listed":      {true, unlisted, string(model.NothingLost)},
		"open, not of its device": {false, func(w *watched, _ string, ctx context.Context, c redis.Pipeliner) {
			c.HDel(ctx, w.device.RecordKey(), "session", "session_until")
		}, "oneSession"},
		"open, not listed of its device": {false, func(w *watched, id string, ctx context.Context, c redis.Pipeliner) {
			c.ZRem(ctx, w.device.SessionsKey(), id)
		}, string(model.NothingLost)},
		"open, until another time": {false, func(w *watched, _ string, ctx context.Context, c redis.Pipeliner) {
			c.HSet(ctx, w.device.RecordKey(), "session_until", 1)
		}, "oneSession"},
		"closed, and in its device's way": {true, func(w *watched, id string, ctx context.Context, c redis.Pipeliner) {
			c.HSet(ctx, w.device.RecordKey(), "session", id, "session_until", 1)
		}, "oneSession"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachWatched(t, func(w *watched) {
				id := w.open().ID
				if tt.ended {
					w.close(id)
				}
				require.Empty(w.t, w.reconcile(), "something is found where nothing is wrong")
				whole := w.form(id)
				w.alter(func(ctx context.Context, c redis.Pipeliner) { tt.damage(w, id, ctx, c) })
				require.NotEqual(w.t, whole, w.form(id))
				require.Equal(w.t, []string{tt.found}, w.reconcile())
				require.Equal(w.t, whole, w.form(id))
				require.Empty(w.t, w.reconcile(), "it is found once")
			})
		})
	}
}

func TestADeviceIsFreedOfASessionThatIsNoMore(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(w *watched) {
		lost := w.open().ID
		w.alter(func(ctx context.Context, c redis.Pipeliner) { c.Del(ctx, store.SessionKey(lost)) })
		require.ElementsMatch(w.t, []string{"oneSession", string(model.NothingLost), string(model.NothingLost)}, w.reconcile())
		next := w.open()
		require.Equal(w.t, session.Active, w.get(next.ID).Status)
	})
}

// A device names one session: another that is still open ends, and the commands of
// the first are left alone.
func TestOfTwoOpenSessionsTheDevicesOwnStays(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(w *watched) {
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

func TestAnotherDevicesSessionIsNotTouched(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(w *watched) {
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

func TestNothingIsFoundOfSessionsUnderLoad(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(w *watched) {
		ctx, stop := context.WithTimeout(w.t.Context(), time.Second)
		defer stop()
		var load sync.WaitGroup
		for range 2 {
			load.Go(func() {
				for ctx.Err() == nil {
					require.NoError(w.t, w.sessions.Reconcile(w.t.Context(), w.device))
				}
			})
			load.Go(func() {
				for ctx.Err() == nil {
					if s, err := w.sessions.Open(ctx, w.opening()); err == nil {
						_, _ = w.sessions.Close(ctx, session.CloseRequest{Tenant: w.device.Tenant, SessionID: s.ID, UserID: "u2"})
					}
				}
			})
		}
		load.Wait()
		require.Empty(w.t, w.found)
	})
}

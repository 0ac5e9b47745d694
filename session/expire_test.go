package session_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// dueAt returns the time at which the sweeper will settle a session. It returns the zero
// time if the session is not in the due index.
func (b *bench) dueAt(id string) time.Time {
	b.t.Helper()
	member := "session " + id + " " + b.device.ID + " " + b.device.Tenant
	var at time.Time
	b.do(func(ctx context.Context, c store.Client) error {
		score, err := c.ZScore(ctx, store.PartitionOf(b.device.Tenant).DueKey(), member).Result()
		if err == redis.Nil {
			return nil
		}
		at = time.UnixMilli(int64(score)).UTC()
		return err
	})
	return at
}

func TestSession_ExpiresWithoutSweeper(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		opened := b.open(func(o *session.OpenRequest) { o.Duration = 100 * time.Millisecond })
		require.Equal(b.t, opened.ExpiresAt, b.dueAt(opened.ID))
		require.Eventually(b.t, func() bool { return b.get(opened.ID).Status == session.Expired }, 5*time.Second, 5*time.Millisecond)
		unswept := b.get(opened.ID)
		require.Equal(b.t, opened.ExpiresAt, unswept.ClosedAt)
		b.settle(opened.ID)
		require.Equal(b.t, unswept, b.get(opened.ID), "settling changed the expired session")
	})
}

func TestSettle_EndsWaitingCommandsOfExpiredSession(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		opened := b.open()
		claimed := b.propose(opened.ID, "diagnostic.ping")
		lease := b.claim()
		queued, pending := b.propose(opened.ID, "diagnostic.ping"), b.propose(opened.ID, "reboot")
		b.expire(opened.ID)

		b.settle(opened.ID)
		b.settle(opened.ID)
		require.Equal(b.t, queue.Expired, b.command(queued.ID).Status)
		require.Equal(b.t, queue.Expired, b.command(pending.ID).Status)
		require.Equal(b.t, queue.Claimed, b.command(claimed.ID).Status)
		b.submitResult(lease)
		events := b.events(opened.ID)
		require.Equal(b.t, []string{
			"session.opened", "command.proposed", "command.claimed", "command.proposed", "command.proposed",
			"command.expired", "command.expired", "session.expired", "command.succeeded",
		}, typesOf(events))
		for _, e := range events[5:8] {
			require.Equal(b.t, "system", e.Actor)
		}
	})
}

func TestSettle_KeepsActiveSession(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		opened := b.open()
		due := b.dueAt(opened.ID)
		b.do(func(ctx context.Context, c store.Client) error { // an instance whose clock is ahead might also store a due time that is too early
			return c.ZAdd(ctx, store.PartitionOf(b.device.Tenant).DueKey(), redis.Z{
				Member: "session " + opened.ID + " " + b.device.ID + " " + b.device.Tenant, Score: 1,
			}).Err()
		})
		b.settle(opened.ID)
		require.Equal(b.t, opened, b.get(opened.ID))
		require.Equal(b.t, due, b.dueAt(opened.ID))
	})
}

func TestSettle_ConcurrentSweepersEndSessionOnce(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		opened := b.open()
		b.expire(opened.ID)
		var sweepers sync.WaitGroup
		for range 8 {
			sweepers.Go(func() { b.settle(opened.ID) })
		}
		sweepers.Wait()
		require.Equal(b.t, []string{"session.opened", "session.expired"}, typesOf(b.events(opened.ID)))
	})
}

func TestSettle_DeletesSessionAfterRetention(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s, func(cfg *session.Config) { cfg.Retention = 200 * time.Millisecond })
		opened := b.open()
		b.close(opened.ID)
		kept := b.open()
		require.Eventually(b.t, func() bool {
			b.settle(opened.ID)
			_, err := b.sessions.Get(b.t.Context(), b.device.Tenant, opened.ID)
			return fieldgate.CodeOf(err) == fieldgate.CodeSessionNotFound && err != nil
		}, 5*time.Second, 10*time.Millisecond)
		require.Zero(b.t, b.dueAt(opened.ID))
		for _, filter := range []session.Filter{{}, {DeviceID: b.device.ID}} {
			list, _, err := b.sessions.List(b.t.Context(), b.device.Tenant, filter, store.Page{Limit: 10})
			require.NoError(b.t, err)
			require.Equal(b.t, []session.Session{kept}, list)
		}
		b.do(func(ctx context.Context, c store.Client) error {
			for _, index := range []string{store.Tenant(b.device.Tenant).SessionsKey(), b.device.SessionsKey()} {
				members, err := c.ZRange(ctx, index, 0, -1).Result()
				require.NoError(b.t, err)
				require.Equal(b.t, []string{kept.ID}, members)
			}
			left, err := c.Exists(ctx, store.SessionKey(opened.ID)).Result()
			require.Zero(b.t, left)
			return err
		})
	})
}

// TestSettle_QuarantinesDamagedSession checks that a damaged record is quarantined and
// does not stop other sessions.
func TestSettle_QuarantinesDamagedSession(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		damaged := b.open()
		b.do(func(ctx context.Context, c store.Client) error {
			return c.Set(ctx, store.SessionKey(damaged.ID), "damaged", 0).Err()
		})
		b.do(func(ctx context.Context, c store.Client) error {
			return c.HDel(ctx, b.device.RecordKey(), "session").Err()
		})
		good := b.open()
		b.expire(good.ID)

		require.NoError(t, b.sessions.Settle(t.Context(), []store.Due{
			{Kind: "session", ID: damaged.ID, Device: b.device}, {Kind: "session", ID: good.ID, Device: b.device},
		}))
		require.Equal(t, []string{"session.opened", "session.expired"}, typesOf(b.events(good.ID)))
		require.Zero(t, b.dueAt(damaged.ID))
		b.do(func(ctx context.Context, c store.Client) error {
			set, err := c.LRange(ctx, store.PartitionOf(b.device.Tenant).QuarantineKey(), 0, -1).Result()
			require.Contains(t, set, "session "+damaged.ID+" "+b.device.ID+" "+b.device.Tenant)
			return err
		})
	})
}

// TestSettle_OutageQuarantinesNothing stops Redis, and starts Redis again right after the
// first error. When the error is handled, the store is available again. The session must not
// be quarantined.
func TestSettle_OutageQuarantinesNothing(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	var down atomic.Bool
	b := newBench(t, storetest.Connect(t, store.Config{URL: server.URL(), Observe: func(_ string, _ time.Duration, err error) {
		if err != nil && down.Swap(false) {
			server.Restart(t)
		}
	}}))
	opened := b.open()
	b.expire(opened.ID)
	due := []store.Due{{Kind: "session", ID: opened.ID, Device: b.device}}
	server.Kill()
	down.Store(true)
	requireCode(t, fieldgate.CodeStoreUnavailable, b.sessions.Settle(t.Context(), due))
	require.NotZero(t, b.dueAt(opened.ID))
	stopped, stop := context.WithCancel(t.Context())
	stop()
	require.ErrorIs(t, b.sessions.Settle(stopped, due), context.Canceled)

	b.settle(opened.ID)
	require.Equal(t, []string{"session.opened", "session.expired"}, typesOf(b.events(opened.ID)))
}

// TestClose_KeepsOtherSessionOfDevice closes a session that the device's record no longer
// names. The session that the record names must stay active.
func TestClose_KeepsOtherSessionOfDevice(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		forgotten := b.open()
		b.do(func(ctx context.Context, c store.Client) error {
			return c.HDel(ctx, b.device.RecordKey(), "session", "session_until").Err()
		})
		current := b.open()
		b.close(forgotten.ID)
		_, err := b.sessions.Open(b.t.Context(), b.openRequest())
		var refusal *fieldgate.Error
		require.ErrorAs(b.t, err, &refusal)
		require.Equal(b.t, current.ID, refusal.SessionID)
	})
}

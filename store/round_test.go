package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
)

// reconcileUntil runs the reconciler until a batch satisfies the condition, and returns its round.
func reconcileUntil(t *testing.T, s *store.Store, cfg store.ReconcileConfig, met func(last store.Round, err error) bool) (found store.Round) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	cfg.Batch = func(last store.Round, err error) {
		if met(last, err) {
			found = last
			stop()
		}
	}
	s.Reconcile(ctx, cfg)
	require.ErrorIs(t, ctx.Err(), context.Canceled, "no batch satisfied the condition")
	return found
}

func hasEnded(last store.Round, _ error) bool { return !last.Ended.IsZero() }

// TestReconciler_RecordsRound requires that every instance learns when the last round of all
// instances has ended, and how long it took.
func TestReconciler_RecordsRound(t *testing.T) {
	t.Parallel()
	eachExclusive(t, func(t *testing.T, s *store.Store) {
		populate(t, s, 3, 4)
		begin := time.Now().Truncate(time.Millisecond)
		slow := newRecorder().config(2)
		slow.Device = func(context.Context, store.Device) (int, error) {
			<-time.After(2 * time.Millisecond)
			return 0, nil
		}
		first := reconcileUntil(t, s, slow, hasEnded)
		require.False(t, first.Ended.Before(begin))
		require.GreaterOrEqual(t, first.Took, 12*2*time.Millisecond)

		after := func(last store.Round, _ error) bool { return last.Ended.After(first.Ended) }
		require.True(t, reconcileUntil(t, s, newRecorder().config(100), after).Ended.After(first.Ended))
	})
}

// TestReconciler_UnreadTenantsEndNoRound requires that a batch that could read no tenants does not
// count as a round without tenants.
func TestReconciler_UnreadTenantsEndNoRound(t *testing.T) {
	t.Parallel()
	eachExclusive(t, func(t *testing.T, s *store.Store) {
		populate(t, s, 1, 1)
		do(t, s, func(ctx context.Context, c store.Client) error {
			for p := range store.Partitions {
				c.Del(ctx, store.Partition(p).TenantsKey())
				c.Set(ctx, store.Partition(p).TenantsKey(), "not an index", 0)
			}
			return nil
		})
		failures := 0
		last := reconcileUntil(t, s, newRecorder().config(10), func(_ store.Round, err error) bool {
			require.Error(t, err)
			failures++
			return failures == 3
		})
		require.Zero(t, last)
	})
}

// TestReconciler_ReportsFailedBatch requires that an error of a check reaches Batch.
func TestReconciler_ReportsFailedBatch(t *testing.T) {
	t.Parallel()
	eachExclusive(t, func(t *testing.T, s *store.Store) {
		populate(t, s, 1, 1)
		broken := errors.New("a record that cannot be checked")
		cfg := newRecorder().config(10)
		cfg.Device = func(context.Context, store.Device) (int, error) { return 0, broken }
		reconcileUntil(t, s, cfg, func(_ store.Round, err error) bool { return errors.Is(err, broken) })
	})
}

package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
)

// recorder counts for each tenant and device how often the reconciler checks it.
type recorder struct {
	mu      sync.Mutex
	tenants map[string]int
	devices map[store.Device]int
}

func newRecorder() *recorder {
	return &recorder{tenants: map[string]int{}, devices: map[store.Device]int{}}
}

func (r *recorder) config(batchSize int) store.ReconcileConfig {
	return store.ReconcileConfig{
		Every: time.Millisecond, BatchSize: batchSize,
		Tenant: func(_ context.Context, tenant string) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.tenants[tenant]++
			return nil
		},
		Device: func(_ context.Context, d store.Device) (int, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.devices[d]++
			return 0, nil
		},
	}
}

func (r *recorder) checked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.devices)
}

// populate writes the indexes for new tenants, each with the given number of devices.
func populate(t *testing.T, s *store.Store, tenants, devices int) (all []store.Device) {
	t.Helper()
	do(t, s, func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		for i := range tenants {
			tenant := fmt.Sprint("c.tenant-", i)
			p := store.PartitionOf(tenant)
			pipe.ZAdd(ctx, p.TenantsKey(), redis.Z{Member: tenant})
			for range devices {
				d := store.Device{Tenant: tenant, ID: store.NewID(store.KindDevice, p)}
				pipe.ZAdd(ctx, store.Tenant(tenant).DevicesKey(), redis.Z{Member: d.ID})
				all = append(all, d)
			}
		}
		_, err := pipe.Exec(ctx)
		return err
	})
	return all
}

func TestReconciler_RoundChecksEveryDeviceOnce(t *testing.T) {
	t.Parallel()
	for _, size := range []struct{ tenants, devices, batch, maxBatches int }{
		{0, 0, 10, 1}, {1, 3, 10, 1}, {300, 1, 1000, 1}, {2, 250, 7, 90}, {30, 10, 1, 331}, {700, 1, 150, 12},
	} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			eachExclusive(t, func(t *testing.T, s *store.Store) {
				all, r := populate(t, s, size.tenants, size.devices), newRecorder()
				batches := 1
				for done := false; !done; batches++ {
					before := r.checked()
					var err error
					done, err = s.ReconcileOnce(t.Context(), r.config(size.batch))
					require.NoError(t, err)
					require.LessOrEqual(t, r.checked()-before, size.batch)
					require.LessOrEqual(t, batches, size.maxBatches+1)
				}
				require.Equal(t, len(all), r.checked())
				for _, d := range all {
					require.Equal(t, 1, r.devices[d])
				}
				require.Len(t, r.tenants, size.tenants)
			})
		})
	}
}

func TestReconciler_NextRoundStartsOver(t *testing.T) {
	t.Parallel()
	eachExclusive(t, func(t *testing.T, s *store.Store) {
		all, r := populate(t, s, 2, 2), newRecorder()
		for range 3 {
			done, err := s.ReconcileOnce(t.Context(), r.config(100))
			require.NoError(t, err)
			require.True(t, done)
		}
		require.Equal(t, 3, r.devices[all[0]])
	})
}

// TestReconciler_InstancesShareCursor runs one batch on each of two instances. The
// instances share only the cursor in the store.
func TestReconciler_InstancesShareCursor(t *testing.T) {
	t.Parallel()
	eachExclusive(t, func(t *testing.T, s *store.Store) {
		populate(t, s, 1, 20)
		first, second := newRecorder(), newRecorder()
		_, err := s.ReconcileOnce(t.Context(), first.config(11))
		require.NoError(t, err)
		_, err = s.ReconcileOnce(t.Context(), second.config(100))
		require.NoError(t, err)
		require.Equal(t, 11, first.checked())
		require.Equal(t, 9, second.checked())
	})
}

func TestReconciler_FailingDeviceStopsNoOther(t *testing.T) {
	t.Parallel()
	eachExclusive(t, func(t *testing.T, s *store.Store) {
		all, r := populate(t, s, 3, 3), newRecorder()
		cfg := r.config(100)
		check, errInjected := cfg.Device, errors.New("injected failure")
		cfg.Device = func(ctx context.Context, d store.Device) (int, error) {
			extra, err := check(ctx, d)
			return extra, errors.Join(err, errInjected)
		}
		cfg.Tenant = func(context.Context, string) error { return errInjected }
		done, err := s.ReconcileOnce(t.Context(), cfg)
		require.ErrorIs(t, err, errInjected)
		require.True(t, done)
		require.Len(t, r.devices, len(all))
	})
}

func TestReconciler_LargeDeviceCountsAsSeveral(t *testing.T) {
	t.Parallel()
	eachExclusive(t, func(t *testing.T, s *store.Store) {
		all, r := populate(t, s, 2, 10), newRecorder()
		cfg := r.config(12)
		check := cfg.Device
		cfg.Device = func(ctx context.Context, d store.Device) (int, error) {
			_, err := check(ctx, d)
			return 4, err
		}
		for range 10 {
			before := r.checked()
			_, err := s.ReconcileOnce(t.Context(), cfg)
			require.NoError(t, err)
			require.LessOrEqual(t, r.checked()-before, 3)
		}
		require.Equal(t, len(all), r.checked())
	})
}

func TestReconciler_UnparsableCursorStartsNewRound(t *testing.T) {
	t.Parallel()
	for _, written := range []string{"", "nonsense", "zz c.acme dev_1", "00 a b c d"} {
		eachExclusive(t, func(t *testing.T, s *store.Store) {
			all, r := populate(t, s, 2, 2), newRecorder()
			do(t, s, func(ctx context.Context, c store.Client) error {
				return c.Set(ctx, "fg:patrol", written, 0).Err()
			})
			_, err := s.ReconcileOnce(t.Context(), r.config(100))
			require.NoError(t, err)
			require.Len(t, r.devices, len(all))
		})
	}
}

func TestReconciler_RunsUntilContextEnds(t *testing.T) {
	t.Parallel()
	eachExclusive(t, func(t *testing.T, s *store.Store) {
		all, r := populate(t, s, 1, 5), newRecorder()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			s.Reconcile(ctx, r.config(2))
			close(ended)
		}()
		require.Eventually(t, func() bool { return r.checked() == len(all) }, 10*time.Second, time.Millisecond)
		stop()
		<-ended
	})
}

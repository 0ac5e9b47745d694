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

// rounds notes what a patrol has looked at.
type rounds struct {
	mu      sync.Mutex
	tenants map[string]int
	devices map[store.Device]int
}

func newRounds() *rounds {
	return &rounds{tenants: map[string]int{}, devices: map[store.Device]int{}}
}

func (r *rounds) patrol(devices int) store.ReconcileConfig {
	return store.ReconcileConfig{
		Every: time.Millisecond, BatchSize: devices,
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

func (r *rounds) seen() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.devices)
}

// populate writes the indexes of some tenants with some devices each.
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

func TestARoundLooksAtEveryDeviceOnce(t *testing.T) {
	t.Parallel()
	for _, size := range []struct{ tenants, devices, pass, most int }{
		{0, 0, 10, 1}, {1, 3, 10, 1}, {300, 1, 1000, 1}, {2, 250, 7, 90}, {30, 10, 1, 331}, {700, 1, 150, 12},
	} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			eachOwn(t, func(t *testing.T, s *store.Store) {
				all, r := populate(t, s, size.tenants, size.devices), newRounds()
				passes := 1
				for done := false; !done; passes++ {
					before := r.seen()
					var err error
					done, err = s.ReconcileOnce(t.Context(), r.patrol(size.pass))
					require.NoError(t, err)
					require.LessOrEqual(t, r.seen()-before, size.pass)
					require.LessOrEqual(t, passes, size.most+1)
				}
				require.Equal(t, len(all), r.seen())
				for _, d := range all {
					require.Equal(t, 1, r.devices[d])
				}
				require.Len(t, r.tenants, size.tenants)
			})
		})
	}
}

func TestTheNextRoundBeginsAnew(t *testing.T) {
	t.Parallel()
	eachOwn(t, func(t *testing.T, s *store.Store) {
		all, r := populate(t, s, 2, 2), newRounds()
		for range 3 {
			done, err := s.ReconcileOnce(t.Context(), r.patrol(100))
			require.NoError(t, err)
			require.True(t, done)
		}
		require.Equal(t, 3, r.devices[all[0]])
	})
}

// Instances share the round: none needs to know of the others.
func TestInstancesGoOnFromWhereOneEnded(t *testing.T) {
	t.Parallel()
	eachOwn(t, func(t *testing.T, s *store.Store) {
		populate(t, s, 1, 20)
		one, two := newRounds(), newRounds()
		_, err := s.ReconcileOnce(t.Context(), one.patrol(11))
		require.NoError(t, err)
		_, err = s.ReconcileOnce(t.Context(), two.patrol(100))
		require.NoError(t, err)
		require.Equal(t, 11, one.seen())
		require.Equal(t, 9, two.seen())
	})
}

func TestADeviceThatFailsKeepsThePatrolFromNoOther(t *testing.T) {
	t.Parallel()
	eachOwn(t, func(t *testing.T, s *store.Store) {
		all, r := populate(t, s, 3, 3), newRounds()
		p := r.patrol(100)
		look, broken := p.Device, errors.New("broken on purpose")
		p.Device = func(ctx context.Context, d store.Device) (int, error) {
			more, err := look(ctx, d)
			return more, errors.Join(err, broken)
		}
		p.Tenant = func(context.Context, string) error { return broken }
		done, err := s.ReconcileOnce(t.Context(), p)
		require.ErrorIs(t, err, broken)
		require.True(t, done)
		require.Len(t, r.devices, len(all))
	})
}

func TestADeviceWithMuchToLookAtCountsAsMany(t *testing.T) {
	t.Parallel()
	eachOwn(t, func(t *testing.T, s *store.Store) {
		all, r := populate(t, s, 2, 10), newRounds()
		p := r.patrol(12)
		look := p.Device
		p.Device = func(ctx context.Context, d store.Device) (int, error) {
			_, err := look(ctx, d)
			return 4, err
		}
		for range 10 {
			before := r.seen()
			_, err := s.ReconcileOnce(t.Context(), p)
			require.NoError(t, err)
			require.LessOrEqual(t, r.seen()-before, 3)
		}
		require.Equal(t, len(all), r.seen())
	})
}

func TestARoundThatCannotBeReadBeginsAnew(t *testing.T) {
	t.Parallel()
	for _, written := range []string{"", "nonsense", "zz c.acme dev_1", "00 a b c d"} {
		eachOwn(t, func(t *testing.T, s *store.Store) {
			all, r := populate(t, s, 2, 2), newRounds()
			do(t, s, func(ctx context.Context, c store.Client) error {
				return c.Set(ctx, "fg:patrol", written, 0).Err()
			})
			_, err := s.ReconcileOnce(t.Context(), r.patrol(100))
			require.NoError(t, err)
			require.Len(t, r.devices, len(all))
		})
	}
}

func TestAPatrolGoesOnUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	eachOwn(t, func(t *testing.T, s *store.Store) {
		all, r := populate(t, s, 1, 5), newRounds()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			s.Reconcile(ctx, r.patrol(2))
			close(ended)
		}()
		require.Eventually(t, func() bool { return r.seen() == len(all) }, 10*time.Second, time.Millisecond)
		stop()
		<-ended
	})
}

package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestTrimQuarantine_KeepsNewest fills a quarantine over its bound and trims it on several
// instances at once. The newest entries stay, and the others are logged.
func TestTrimQuarantine_KeepsNewest(t *testing.T) {
	t.Parallel()
	url := storetest.Start(t).URL()
	for name, url := range map[string]string{"embedded": "", "redis": url} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := new(storetest.Buffer)
			s := storetest.Connect(t, store.Config{URL: url, Logger: slog.New(slog.NewTextHandler(log, nil))})
			key := store.Partition(7).QuarantineKey()
			require.NoError(t, s.Do(t.Context(), "test", func(ctx context.Context, c store.Client) error {
				pipe := c.Pipeline()
				for i := range 1600 {
					pipe.RPush(ctx, key, fmt.Sprintf("entry-%04d", i))
				}
				_, err := pipe.Exec(ctx)
				return err
			}))
			for range 2 {
				var instances sync.WaitGroup
				for range 3 {
					instances.Go(func() { require.NoError(t, s.TrimQuarantine(t.Context())) })
				}
				instances.Wait()
			}
			require.NoError(t, s.Do(t.Context(), "test", func(ctx context.Context, c store.Client) error {
				left, err := c.LRange(ctx, key, 0, -1).Result()
				require.Len(t, left, 1000)
				require.Equal(t, "entry-0600", left[0])
				return err
			}))
			require.Equal(t, 600, strings.Count(log.String(), "removed the oldest entry"))
			require.Contains(t, log.String(), "entry-0599")
		})
	}
}

// TestRestoreEntry_MovesEntryToSweeper quarantines a member that cannot be settled, restores it and
// requires that the sweeper settles it again.
func TestRestoreEntry_MovesEntryToSweeper(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	for name, url := range map[string]string{"embedded": "", "redis": server.URL()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := storetest.Connect(t, store.Config{URL: url})
			d := dueSession()
			p := store.PartitionOf(d.Device.Tenant)
			setDue(t, s, d, time.Now().Add(-time.Second))
			require.NoError(t, s.Quarantine(t.Context(), d))
			entry := onlyEntry(t, s)
			require.Equal(t, d, entry.Due)
			require.Empty(t, dueTimes(t, s, p))

			require.NoError(t, s.RestoreEntry(t.Context(), entry, true))
			require.Empty(t, dueTimes(t, s, p), "a dry run changes nothing")
			require.Equal(t, entry, onlyEntry(t, s))

			require.NoError(t, s.RestoreEntry(t.Context(), entry, false))
			require.ErrorIs(t, s.RestoreEntry(t.Context(), entry, false), store.ErrNotQuarantined)
			var settled []store.Due
			_, err := s.SweepOnce(t.Context(), map[string]store.Settle{"session": func(_ context.Context, due []store.Due) error {
				settled = due
				return nil
			}})
			require.NoError(t, err)
			require.Equal(t, []store.Due{d}, settled)
		})
	}
}

// TestRestoreEntry_LeavesTakenPlace requires that an entry stays if the due index has its member
// with a time of its own.
func TestRestoreEntry_LeavesTakenPlace(t *testing.T) {
	t.Parallel()
	s := storetest.Connect(t, store.Config{URL: storetest.Start(t).URL()})
	d := dueSession()
	p := store.PartitionOf(d.Device.Tenant)
	setDue(t, s, d, time.Now())
	require.NoError(t, s.Quarantine(t.Context(), d))
	later := time.Now().Add(time.Hour)
	setDue(t, s, d, later)
	entry := onlyEntry(t, s)
	require.ErrorIs(t, s.RestoreEntry(t.Context(), entry, false), store.ErrScheduled)
	require.Equal(t, entry, onlyEntry(t, s))
	require.Equal(t, []int64{later.UnixMilli()}, dueTimes(t, s, p))

	require.NoError(t, s.DropEntry(t.Context(), entry))
	require.ErrorIs(t, s.DropEntry(t.Context(), entry), store.ErrNotQuarantined)
	require.Equal(t, []int64{later.UnixMilli()}, dueTimes(t, s, p))
}

// TestRestoreEntry_RefusesWhatNothingSettles requires that an entry which cannot be parsed can only
// be dropped.
func TestRestoreEntry_RefusesWhatNothingSettles(t *testing.T) {
	t.Parallel()
	s := storetest.Connect(t, store.Config{URL: storetest.Start(t).URL()})
	require.NoError(t, s.Do(t.Context(), "test", func(ctx context.Context, c store.Client) error {
		return c.RPush(ctx, store.Partition(3).QuarantineKey(), "nonsense", "other").Err()
	}))
	found := entries(t, s)
	require.Equal(t, []store.Entry{{Partition: 3, Member: "nonsense"}, {Partition: 3, Member: "other"}}, found)
	require.ErrorContains(t, s.RestoreEntry(t.Context(), found[0], false), "drop it")
	require.NoError(t, s.DropEntry(t.Context(), found[0]))
	require.Equal(t, found[1], onlyEntry(t, s))
}

// dueSession returns the due member of a session of a new tenant.
func dueSession() store.Due {
	tenant := storetest.Tenant()
	p := store.PartitionOf(tenant)
	return store.Due{
		Kind: "session", ID: store.NewID(store.KindSession, p),
		Device: store.Device{Tenant: tenant, ID: store.NewID(store.KindDevice, p)},
	}
}

func setDue(t testing.TB, s *store.Store, d store.Due, at time.Time) {
	t.Helper()
	member := strings.Join([]string{d.Kind, d.ID, d.Device.ID, d.Device.Tenant}, " ")
	require.NoError(t, s.Do(t.Context(), "test", func(ctx context.Context, c store.Client) error {
		return c.ZAdd(ctx, store.PartitionOf(d.Device.Tenant).DueKey(), redis.Z{Score: float64(at.UnixMilli()), Member: member}).Err()
	}))
}

// dueTimes returns the times of the due index of a partition, in Unix milliseconds.
func dueTimes(t testing.TB, s *store.Store, p store.Partition) (times []int64) {
	t.Helper()
	require.NoError(t, s.Do(t.Context(), "test", func(ctx context.Context, c store.Client) error {
		members, err := c.ZRangeWithScores(ctx, p.DueKey(), 0, -1).Result()
		for _, z := range members {
			times = append(times, int64(z.Score))
		}
		return err
	}))
	return times
}

// onlyEntry returns the entry of the quarantines, which must be one.
func onlyEntry(t testing.TB, s *store.Store) store.Entry {
	t.Helper()
	found := entries(t, s)
	require.Len(t, found, 1)
	return found[0]
}

func entries(t testing.TB, s *store.Store) (found []store.Entry) {
	t.Helper()
	for entry, err := range s.Quarantined(t.Context()) {
		require.NoError(t, err)
		found = append(found, entry)
	}
	return found
}

package store_test

import (
	"context"
	"errors"
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

// eachExclusive runs a test on stores that no other test uses.
func eachExclusive(t *testing.T, test func(t *testing.T, s *store.Store)) {
	t.Helper()
	for name, url := range map[string]string{"embedded": "", "redis": storetest.Start(t).URL()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, storetest.Connect(t, store.Config{URL: url}))
		})
	}
}

// do runs operations on the store and requires them to succeed.
func do(t testing.TB, s *store.Store, f func(ctx context.Context, c store.Client) error) {
	t.Helper()
	require.NoError(t, s.Do(t.Context(), "test", f))
}

// addDue adds members to the due index of p. The first member is due at start. Each other
// member is due a millisecond after the previous one.
func addDue(t testing.TB, s *store.Store, p store.Partition, start time.Time, members ...string) {
	t.Helper()
	entries := make([]redis.Z, len(members))
	for i, member := range members {
		entries[i] = redis.Z{Score: float64(start.UnixMilli() + int64(i)), Member: member}
	}
	do(t, s, func(ctx context.Context, c store.Client) error { return c.ZAdd(ctx, p.DueKey(), entries...).Err() })
}

// member returns the due member for a new device of a tenant.
func member(kind, tenant string) string {
	d := deviceOf(tenant)
	return strings.Join([]string{kind, store.NewID("cmd", store.PartitionOf(tenant)), d.ID, tenant}, " ")
}

// settler counts how often each member is settled. It removes settled members from the
// index.
type settler struct {
	t     *testing.T
	store *store.Store
	mu    sync.Mutex
	times map[string]int
	calls int
}

func newSettler(t *testing.T, s *store.Store) *settler {
	return &settler{t: t, store: s, times: map[string]int{}}
}

func (s *settler) settle(ctx context.Context, due []store.Due) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	for _, one := range due {
		if one.Kind != due[0].Kind || store.PartitionOf(one.Device.Tenant) != store.PartitionOf(due[0].Device.Tenant) {
			s.t.Errorf("the batch contains both %v and %v", one, due[0])
		}
		member := strings.Join([]string{one.Kind, one.ID, one.Device.ID, one.Device.Tenant}, " ")
		s.times[member]++
		key := store.PartitionOf(one.Device.Tenant).DueKey()
		if err := s.store.Do(ctx, "zrem", func(ctx context.Context, c store.Client) error { return c.ZRem(ctx, key, member).Err() }); err != nil {
			return err
		}
	}
	if len(due) > 100 {
		s.t.Errorf("the batch has %d members, more than 100", len(due))
	}
	return nil
}

// sweepAll sweeps until no full batch is left.
func sweepAll(t *testing.T, s *store.Store, settle map[string]store.Settle) {
	t.Helper()
	for more := true; more; {
		var err error
		more, err = s.SweepOnce(t.Context(), settle)
		require.NoError(t, err)
	}
}

func TestSweeper_SettlesDueMembersOfEveryPartition(t *testing.T) {
	t.Parallel()
	eachExclusive(t, func(t *testing.T, s *store.Store) {
		settled := newSettler(t, s)
		var due []string
		for i := range 400 {
			tenant := fmt.Sprint("c.tenant-", i)
			one := member([]string{"command", "session"}[i%2], tenant)
			addDue(t, s, store.PartitionOf(tenant), time.Now().Add(-time.Hour), one)
			due = append(due, one)
		}
		later := member("command", "c.acme")
		addDue(t, s, store.PartitionOf("c.acme"), time.Now().Add(time.Hour), later)

		sweepAll(t, s, map[string]store.Settle{"command": settled.settle, "session": settled.settle})
		require.Len(t, settled.times, len(due))
		for _, one := range due {
			require.Equal(t, 1, settled.times[one])
		}
	})
}

func TestSweeper_SettlesBacklogInBatchesOldestFirst(t *testing.T) {
	t.Parallel()
	eachExclusive(t, func(t *testing.T, s *store.Store) {
		members := make([]string, 250)
		for i := range members {
			members[i] = member("command", "c.acme")
		}
		addDue(t, s, store.PartitionOf("c.acme"), time.Now().Add(-time.Hour), members...)
		settled := newSettler(t, s)
		settle := map[string]store.Settle{"command": settled.settle}
		for i, want := range []struct {
			done int
			more bool
		}{{100, true}, {200, true}, {250, false}} {
			more, err := s.SweepOnce(t.Context(), settle)
			require.NoError(t, err)
			require.Equal(t, want.more, more, "sweep %d", i)
			require.Len(t, settled.times, want.done)
			require.Contains(t, settled.times, members[want.done-1])
		}
	})
}

// TestSweeper_TwoInstances runs two sweepers on one store. Every instance has a sweeper,
// and no sweeper is the leader.
func TestSweeper_TwoInstances(t *testing.T) {
	t.Parallel()
	eachExclusive(t, func(t *testing.T, s *store.Store) {
		want := 0
		for i := range 60 {
			tenant := fmt.Sprint("c.tenant-", i)
			for range 5 {
				addDue(t, s, store.PartitionOf(tenant), time.Now().Add(-time.Hour), member("command", tenant))
				want++
			}
			addDue(t, s, store.PartitionOf(tenant), time.Now().Add(-time.Hour), "broken "+tenant)
		}
		settled := newSettler(t, s)
		var sweepers sync.WaitGroup
		for range 2 {
			sweepers.Go(func() { sweepAll(t, s, map[string]store.Settle{"command": settled.settle}) })
		}
		sweepers.Wait()
		require.Len(t, settled.times, want)
		require.Len(t, quarantined(t, s), 60, "each is quarantined once")
	})
}

// quarantined returns the quarantined members of all partitions.
func quarantined(t testing.TB, s *store.Store) (members []string) {
	t.Helper()
	do(t, s, func(ctx context.Context, c store.Client) error {
		for p := range store.Partitions {
			list, err := c.LRange(ctx, store.Partition(p).QuarantineKey(), 0, -1).Result()
			if err != nil {
				return err
			}
			members = append(members, list...)
		}
		return nil
	})
	return members
}

func TestSweeper_QuarantinesUnparsableMembers(t *testing.T) {
	t.Parallel()
	eachExclusive(t, func(t *testing.T, s *store.Store) {
		tenant := "c.acme"
		p := store.PartitionOf(tenant)
		good, d := member("command", tenant), deviceOf(tenant)
		bad := []string{
			"", " ", "   ", "command", "command a b", "\x00\xff", strings.Repeat("x", 1<<16),
			"command a dev_zz " + tenant,
			"command a " + d.ID + " c.of-another-partition",
			"command a " + deviceOf("c.beta").ID + " c.beta",
			"command  " + d.ID + " " + tenant + " more",
		}
		addDue(t, s, p, time.Now().Add(-time.Hour), append(bad, good)...)
		settled := newSettler(t, s)
		sweepAll(t, s, map[string]store.Settle{"command": settled.settle})
		require.Equal(t, map[string]int{good: 1}, settled.times)
		require.ElementsMatch(t, bad, quarantined(t, s))
		do(t, s, func(ctx context.Context, c store.Client) error {
			left, err := c.Exists(ctx, p.DueKey()).Result()
			require.Zero(t, left)
			return err
		})
	})
}

// TestSweeper_LeavesUnknownKindsToLaterVersions requires that members of an unknown kind stay in
// the index and do not stop the others, even if they fill a batch.
func TestSweeper_LeavesUnknownKindsToLaterVersions(t *testing.T) {
	t.Parallel()
	eachExclusive(t, func(t *testing.T, s *store.Store) {
		tenant := "c.acme"
		p := store.PartitionOf(tenant)
		var unknown []string
		for range 150 {
			unknown = append(unknown, member("later", tenant))
		}
		addDue(t, s, p, time.Now().Add(-24*time.Hour), unknown...)
		known := member("command", tenant)
		addDue(t, s, p, time.Now().Add(-time.Second), known)
		settled := newSettler(t, s)
		sweepAll(t, s, map[string]store.Settle{"command": settled.settle})
		require.Equal(t, map[string]int{known: 1}, settled.times)
		require.Empty(t, quarantined(t, s))
		do(t, s, func(ctx context.Context, c store.Client) error {
			left, err := c.ZRange(ctx, p.DueKey(), 0, -1).Result()
			require.ElementsMatch(t, unknown, left)
			return err
		})
	})
}

func TestSweeper_FailingPartitionIsRetriedAndStopsNoOther(t *testing.T) {
	t.Parallel()
	eachExclusive(t, func(t *testing.T, s *store.Store) {
		settled := newSettler(t, s)
		var failing string
		for i := range 50 {
			tenant := fmt.Sprint("c.tenant-", i)
			failing = member("command", tenant)
			addDue(t, s, store.PartitionOf(tenant), time.Now().Add(-time.Hour), failing)
		}
		errInjected := errors.New("injected failure")
		fails := true
		settle := map[string]store.Settle{"command": func(ctx context.Context, due []store.Due) error {
			if fails && strings.Contains(failing, due[0].ID) {
				return errInjected
			}
			return settled.settle(ctx, due)
		}}
		_, err := s.SweepOnce(t.Context(), settle)
		require.ErrorIs(t, err, errInjected)
		require.Len(t, settled.times, 49)
		fails = false
		sweepAll(t, s, settle)
		require.Len(t, settled.times, 50)
	})
}

func TestQuarantine_MovesMemberOnce(t *testing.T) {
	t.Parallel()
	eachExclusive(t, func(t *testing.T, s *store.Store) {
		d := deviceOf("c.acme")
		due := store.Due{Kind: "session", ID: "ses_1", Device: d}
		written := "session ses_1 " + d.ID + " c.acme"
		addDue(t, s, store.PartitionOf("c.acme"), time.Now(), written)
		require.NoError(t, s.Quarantine(t.Context(), due))
		require.NoError(t, s.Quarantine(t.Context(), due))
		require.Equal(t, []string{written}, quarantined(t, s))
	})
}

// TestSweeper_ContinuesAfterOutageAndEndsWithContext kills the server while a sweeper
// runs, and restarts it. The sweeper must not flood the log during the outage.
func TestSweeper_ContinuesAfterOutageAndEndsWithContext(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	var log storetest.Buffer
	s := storetest.Connect(t, store.Config{URL: server.URL(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	store.SetSweepAllEvery(s, time.Hour)
	settled := newSettler(t, s)
	one := member("command", "c.acme")
	addDue(t, s, store.PartitionOf("c.acme"), time.Now().Add(time.Second), one)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Sweep(ctx, map[string]store.Settle{"command": settled.settle})
	}()
	server.Kill()
	require.Eventually(t, func() bool { return strings.Count(log.String(), "sweeping failed") >= 2 }, 10*time.Second, 10*time.Millisecond)
	server.Restart(t)
	addDue(t, s, store.PartitionOf("c.acme"), time.Now().Add(-time.Hour), one)
	require.Eventually(t, func() bool { return settled.len() == 1 }, 10*time.Second, 10*time.Millisecond)
	require.Less(t, strings.Count(log.String(), "sweeping failed"), 6)
	stop()
	select {
	case <-done:
	case <-time.After(2 * time.Second):
		t.Fatal("the sweeper did not end")
	}
}

// TestSweeper_FailingPartitionSlowsNoOther makes one partition fail in every sweep. The
// interval must not grow, because the other partitions have to be swept too.
func TestSweeper_FailingPartitionSlowsNoOther(t *testing.T) {
	t.Parallel()
	var log storetest.Buffer
	s := storetest.Connect(t, store.Config{URL: storetest.Start(t).URL(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	addDue(t, s, store.PartitionOf("c.acme"), time.Now().Add(-time.Hour), member("command", "c.acme"))
	ctx, stop := context.WithCancel(t.Context())
	times := make(chan time.Time, 100)
	var sweeping sync.WaitGroup
	sweeping.Go(func() {
		s.Sweep(ctx, map[string]store.Settle{"command": func(context.Context, []store.Due) error {
			times <- time.Now()
			return errors.New("injected failure")
		}})
	})
	first := <-times
	for range 7 {
		<-times
	}
	stop()
	sweeping.Wait()
	require.Less(t, time.Since(first), 7*time.Second, "the interval has grown")
	require.LessOrEqual(t, strings.Count(log.String(), "sweeping failed"), 3, "every failure was logged")
}

func (s *settler) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.times)
}

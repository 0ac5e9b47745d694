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

// eachOwn runs a test on stores that nobody else writes to.
func eachOwn(t *testing.T, test func(t *testing.T, s *store.Store)) {
	t.Helper()
	for name, url := range map[string]string{"embedded": "", "redis": storetest.Start(t).URL()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, storetest.Connect(t, store.Config{URL: url}))
		})
	}
}

func do(t testing.TB, s *store.Store, f func(ctx context.Context, c store.Client) error) {
	t.Helper()
	require.NoError(t, s.Do(t.Context(), "test", f))
}

// plant writes members into a due index, each with a moment of its own.
func plant(t testing.TB, s *store.Store, p store.Partition, first time.Time, members ...string) {
	t.Helper()
	entries := make([]redis.Z, len(members))
	for i, member := range members {
		entries[i] = redis.Z{Score: float64(first.UnixMilli() + int64(i)), Member: member}
	}
	do(t, s, func(ctx context.Context, c store.Client) error { return c.ZAdd(ctx, p.DueKey(), entries...).Err() })
}

// member is one that a transition of a tenant's device would write.
func member(kind, tenant string) string {
	d := deviceOf(tenant)
	return strings.Join([]string{kind, store.NewID("cmd", store.PartitionOf(tenant)), d.ID, tenant}, " ")
}

// settled collects what a sweeper was given, and takes it out of the index.
type settled struct {
	t     *testing.T
	store *store.Store
	mu    sync.Mutex
	times map[string]int
	calls int
}

func (s *settled) settle(ctx context.Context, due []store.Due) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	for _, one := range due {
		if one.Kind != due[0].Kind || store.PartitionOf(one.Device.Tenant) != store.PartitionOf(due[0].Device.Tenant) {
			s.t.Errorf("%v and %v in one call", one, due[0])
		}
		member := strings.Join([]string{one.Kind, one.ID, one.Device.ID, one.Device.Tenant}, " ")
		s.times[member]++
		key := store.PartitionOf(one.Device.Tenant).DueKey()
		if err := s.store.Do(ctx, "zrem", func(ctx context.Context, c store.Client) error { return c.ZRem(ctx, key, member).Err() }); err != nil {
			return err
		}
	}
	if len(due) > 100 {
		s.t.Errorf("%d in one call", len(due))
	}
	return nil
}

// settleAll sweeps until there is nothing more to do.
func settleAll(t *testing.T, s *store.Store, settle map[string]store.Settle) {
	t.Helper()
	for more := true; more; {
		var err error
		more, err = s.SweepOnce(t.Context(), settle)
		require.NoError(t, err)
	}
}

func TestTheSweeperSettlesWhatIsDueInEveryPartition(t *testing.T) {
	t.Parallel()
	eachOwn(t, func(t *testing.T, s *store.Store) {
		all := &settled{t: t, store: s, times: map[string]int{}}
		var planted []string
		for i := range 400 {
			tenant := fmt.Sprint("c.tenant-", i)
			one := member([]string{"command", "session"}[i%2], tenant)
			plant(t, s, store.PartitionOf(tenant), time.Now().Add(-time.Hour), one)
			planted = append(planted, one)
		}
		later := member("command", "c.acme")
		plant(t, s, store.PartitionOf("c.acme"), time.Now().Add(time.Hour), later)

		settleAll(t, s, map[string]store.Settle{"command": all.settle, "session": all.settle})
		require.Len(t, all.times, len(planted))
		for _, one := range planted {
			require.Equal(t, 1, all.times[one])
		}
	})
}

func TestTheSweeperTakesABacklogInBatchesTheOldestFirst(t *testing.T) {
	t.Parallel()
	eachOwn(t, func(t *testing.T, s *store.Store) {
		members := make([]string, 250)
		for i := range members {
			members[i] = member("command", "c.acme")
		}
		plant(t, s, store.PartitionOf("c.acme"), time.Now().Add(-time.Hour), members...)
		all := &settled{t: t, store: s, times: map[string]int{}}
		settle := map[string]store.Settle{"command": all.settle}
		for round, want := range []struct {
			done int
			more bool
		}{{100, true}, {200, true}, {250, false}} {
			more, err := s.SweepOnce(t.Context(), settle)
			require.NoError(t, err)
			require.Equal(t, want.more, more, "round %d", round)
			require.Len(t, all.times, want.done)
			require.Contains(t, all.times, members[want.done-1])
		}
	})
}

// Every instance sweeps, and none leads.
func TestTwoSweepersDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	eachOwn(t, func(t *testing.T, s *store.Store) {
		want := 0
		for i := range 60 {
			tenant := fmt.Sprint("c.tenant-", i)
			for range 5 {
				plant(t, s, store.PartitionOf(tenant), time.Now().Add(-time.Hour), member("command", tenant))
				want++
			}
			plant(t, s, store.PartitionOf(tenant), time.Now().Add(-time.Hour), "broken "+tenant)
		}
		all := &settled{t: t, store: s, times: map[string]int{}}
		var sweepers sync.WaitGroup
		for range 2 {
			sweepers.Go(func() { settleAll(t, s, map[string]store.Settle{"command": all.settle}) })
		}
		sweepers.Wait()
		require.Len(t, all.times, want)
		require.Len(t, quarantined(t, s), 60, "each of them once")
	})
}

// quarantined are the members that were set aside, of all partitions.
func quarantined(t testing.TB, s *store.Store) (members []string) {
	t.Helper()
	do(t, s, func(ctx context.Context, c store.Client) error {
		for p := range store.Partitions {
			some, err := c.LRange(ctx, store.Partition(p).QuarantineKey(), 0, -1).Result()
			if err != nil {
				return err
			}
			members = append(members, some...)
		}
		return nil
	})
	return members
}

func TestAMemberThatCannotBeReadIsSetAsideAndStopsNobody(t *testing.T) {
	t.Parallel()
	eachOwn(t, func(t *testing.T, s *store.Store) {
		tenant := "c.acme"
		p := store.PartitionOf(tenant)
		good, d := member("command", tenant), deviceOf(tenant)
		bad := []string{
			"", " ", "   ", "command", "command a b", "\x00\xff", strings.Repeat("x", 1<<16),
			"nonsense a " + d.ID + " " + tenant,
			"command a dev_zz " + tenant,
			"command a " + d.ID + " c.of-another-partition",
			"command a " + deviceOf("c.beta").ID + " c.beta",
			"command  " + d.ID + " " + tenant + " more",
		}
		plant(t, s, p, time.Now().Add(-time.Hour), append(bad, good)...)
		all := &settled{t: t, store: s, times: map[string]int{}}
		settleAll(t, s, map[string]store.Settle{"command": all.settle})
		require.Equal(t, map[string]int{good: 1}, all.times)
		require.ElementsMatch(t, bad, quarantined(t, s))
		do(t, s, func(ctx context.Context, c store.Client) error {
			left, err := c.Exists(ctx, p.DueKey()).Result()
			require.Zero(t, left)
			return err
		})
	})
}

func TestWhatFailsInOnePartitionIsTriedAgainAndStopsNoOther(t *testing.T) {
	t.Parallel()
	eachOwn(t, func(t *testing.T, s *store.Store) {
		all := &settled{t: t, store: s, times: map[string]int{}}
		var failing string
		for i := range 50 {
			tenant := fmt.Sprint("c.tenant-", i)
			failing = member("command", tenant)
			plant(t, s, store.PartitionOf(tenant), time.Now().Add(-time.Hour), failing)
		}
		broken := errors.New("broken on purpose")
		fails := true
		settle := map[string]store.Settle{"command": func(ctx context.Context, due []store.Due) error {
			if fails && strings.Contains(failing, due[0].ID) {
				return broken
			}
			return all.settle(ctx, due)
		}}
		_, err := s.SweepOnce(t.Context(), settle)
		require.ErrorIs(t, err, broken)
		require.Len(t, all.times, 49)
		fails = false
		settleAll(t, s, settle)
		require.Len(t, all.times, 50)
	})
}

func TestADueMemberIsSetAsideOnceOnRequest(t *testing.T) {
	t.Parallel()
	eachOwn(t, func(t *testing.T, s *store.Store) {
		d := deviceOf("c.acme")
		one := store.Due{Kind: "session", ID: "ses_1", Device: d}
		written := "session ses_1 " + d.ID + " c.acme"
		plant(t, s, store.PartitionOf("c.acme"), time.Now(), written)
		require.NoError(t, s.Quarantine(t.Context(), one))
		require.NoError(t, s.Quarantine(t.Context(), one))
		require.Equal(t, []string{written}, quarantined(t, s))
	})
}

// The sweeper outlives the server: it goes on by itself, and does not fill the
// log meanwhile.
func TestTheSweeperGoesOnAfterAnOutageAndEndsWithItsContext(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	var log storetest.Buffer
	s := storetest.Connect(t, store.Config{URL: server.URL(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	all := &settled{t: t, store: s, times: map[string]int{}}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Sweep(ctx, map[string]store.Settle{"command": all.settle})
	}()
	server.Kill()
	require.Eventually(t, func() bool { return strings.Count(log.String(), "sweeping what is due") >= 2 }, 10*time.Second, 10*time.Millisecond)
	server.Restart(t)
	plant(t, s, store.PartitionOf("c.acme"), time.Now().Add(-time.Hour), member("command", "c.acme"))
	require.Eventually(t, func() bool { return all.len() == 1 }, 10*time.Second, 10*time.Millisecond)
	require.Less(t, strings.Count(log.String(), "sweeping what is due"), 6)
	stop()
	select {
	case <-done:
	case <-time.After(2 * time.Second):
		t.Fatal("it still sweeps")
	}
}

// What cannot be settled in one partition takes nothing from the pace of the others.
func TestAPartitionThatFailsSlowsNoOtherDown(t *testing.T) {
	t.Parallel()
	var log storetest.Buffer
	s := storetest.Connect(t, store.Config{URL: storetest.Start(t).URL(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	plant(t, s, store.PartitionOf("c.acme"), time.Now().Add(-time.Hour), member("command", "c.acme"))
	ctx, stop := context.WithCancel(t.Context())
	times := make(chan time.Time, 100)
	var sweeping sync.WaitGroup
	sweeping.Go(func() {
		s.Sweep(ctx, map[string]store.Settle{"command": func(context.Context, []store.Due) error {
			times <- time.Now()
			return errors.New("never")
		}})
	})
	first := <-times
	for range 7 {
		<-times
	}
	stop()
	sweeping.Wait()
	require.Less(t, time.Since(first), 7*time.Second, "it is tried at the usual pace")
	require.LessOrEqual(t, strings.Count(log.String(), "sweeping what is due"), 3, "and logged now and then")
}

func (s *settled) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.times)
}

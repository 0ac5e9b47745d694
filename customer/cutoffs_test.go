package customer_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// cutOffBench is a test fixture: CutOffs with their store and a clock.
type cutOffBench struct {
	*customer.CutOffs
	store *store.Store
	clock *clock
}

func newCutOffBench(s *store.Store, change ...func(*customer.CutOffConfig)) cutOffBench {
	clk := newClock()
	cfg := customer.CutOffConfig{Store: s, Now: clk.Now, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&cfg)
	}
	return cutOffBench{customer.NewCutOffs(cfg), s, clk}
}

func (d cutOffBench) cutOff(t testing.TB, tenant string, user, session string) customer.CutOff {
	t.Helper()
	done, err := d.CutOff(t.Context(), customer.CutOffRequest{
		Tenant: tenant, UserID: user, SessionID: session, By: "admin", RequestID: "req-1", Reason: "laptop stolen",
		Names: fieldgate.Names{Name: "Ann Lee", Email: "ann@example.com"},
	})
	require.NoError(t, err)
	return done
}

// refused reports whether a principal is cut off.
func (d cutOffBench) refused(t testing.TB, p customer.Principal) bool {
	t.Helper()
	err := d.Check(t.Context(), p)
	if err == nil {
		return false
	}
	require.Equal(t, fieldgate.ReasonCutOff, fieldgate.ReasonOf(err), "%v", err)
	require.Equal(t, fieldgate.CodeUserCutOff, fieldgate.CodeOf(err))
	return true
}

// found reports whether Find finds a cut-off of a principal.
func (d cutOffBench) found(t testing.TB, p customer.Principal) bool {
	t.Helper()
	cutOff, found, err := d.Find(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, found, cutOff.UserID == p.UserID && cutOff.Reason == "laptop stolen" && cutOff.By == "admin")
	return found
}

// do runs f with a client of the store.
func (d cutOffBench) do(t testing.TB, f func(ctx context.Context, c store.Client) error) {
	t.Helper()
	require.NoError(t, d.store.Do(t.Context(), "test", f))
}

func TestCutOff_RefusesEarlierTokens(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		p := newPrincipal()
		for _, session := range []string{"", p.SessionID} {
			d := newCutOffBench(s)
			p.Tenant = storetest.Tenant()
			at := d.cutOff(t, p.Tenant, p.UserID, session).At
			for _, c := range []struct {
				issued  time.Time
				refused bool
			}{
				{at.Add(-time.Hour), true},
				{at, true},
				{at.Add(60 * time.Second), true}, // the issuer's clock may be ahead
				{at.Add(60*time.Second + time.Millisecond), false},
				{time.Time{}, true}, // a ticket of an earlier version names no time
			} {
				p.IssuedAt = c.issued
				require.Equal(t, c.refused, d.refused(t, p), "%q: %s", session, c.issued.Sub(at))
				require.Equal(t, c.refused, d.found(t, p), "%q: %s", session, c.issued.Sub(at))
			}
		}
	})
}

func TestCutOff_RefusesNobodyElse(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d, p := newCutOffBench(s), newPrincipal()
		d.cutOff(t, p.Tenant, p.UserID, "")
		d.cutOff(t, p.Tenant, "u-bob", "s-9")
		for name, change := range map[string]func(*customer.Principal){
			"another user":              func(p *customer.Principal) { p.UserID = "u-carol" },
			"another tenant":            func(p *customer.Principal) { p.Tenant = storetest.Tenant() },
			"another session":           func(p *customer.Principal) { p.UserID, p.SessionID = "u-bob", "s-8" },
			"no session":                func(p *customer.Principal) { p.UserID, p.SessionID = "u-bob", "" },
			"the session of a stranger": func(p *customer.Principal) { p.UserID, p.SessionID = "u-carol", "s-9" },
		} {
			other := p
			change(&other)
			require.False(t, d.refused(t, other), name)
			require.False(t, d.found(t, other), name)
		}
	})
}

// TestCutOff_IsRepeated cuts a user off twice. The second time ends the tokens that were issued since.
func TestCutOff_IsRepeated(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d, p := newCutOffBench(s), newPrincipal()
		newCutOffBench(s).cutOff(t, p.Tenant, p.UserID, "")
		d.do(t, func(ctx context.Context, c store.Client) error { // as if that was an hour ago
			return c.ZAdd(ctx, store.Tenant(p.Tenant).CutOffsKey(),
				redis.Z{Score: float64(time.Now().Add(-time.Hour).UnixMilli()), Member: "user:" + p.UserID}).Err()
		})
		require.False(t, d.refused(t, p))
		d.cutOff(t, p.Tenant, p.UserID, "")
		require.True(t, d.refused(t, p))
	})
}

// TestCutOffs_IsKnownToOtherInstanceWithinFiveSeconds loses the wake-up, on an instance that does not
// poll either. It checks a token at the end of the five seconds.
func TestCutOffs_IsKnownToOtherInstanceWithinFiveSeconds(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		here, there, p := newCutOffBench(s), newCutOffBench(s), newPrincipal()
		require.False(t, there.refused(t, p))
		here.cutOff(t, p.Tenant, p.UserID, "")
		there.clock.Advance(5*time.Second - time.Millisecond)
		require.False(t, there.refused(t, p), "the other instance asked the store although its view is recent")
		there.clock.Advance(time.Millisecond)
		require.True(t, there.refused(t, p))
	})
}

// TestCutOffs_FindsLaterOnesOfTenant cuts off again and again within one tenant, faster than the
// clock of the store.
func TestCutOffs_FindsLaterOnesOfTenant(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		here, there, p := newCutOffBench(s), newCutOffBench(s), newPrincipal()
		for i := range 20 {
			p.UserID = fmt.Sprint("u-", i)
			here.cutOff(t, p.Tenant, p.UserID, "")
			there.clock.Advance(5 * time.Second)
			require.True(t, there.refused(t, p), p.UserID)
		}
	})
}

func TestCutOffs_RefusesAllWhileTheyCannotBeRead(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	s := storetest.Connect(t, store.Config{URL: server.URL(), Logger: slog.New(slog.DiscardHandler), Timeout: 200 * time.Millisecond})
	d, p := newCutOffBench(s), newPrincipal()
	require.False(t, d.refused(t, p))
	server.Kill()
	require.False(t, d.refused(t, p), "the view is recent")
	d.clock.Advance(5 * time.Second)
	require.Equal(t, fieldgate.CodeStoreUnavailable, fieldgate.CodeOf(d.Check(t.Context(), p)))
}

// TestCutOffs_RunPollsAndHandlesWakeUps requires that the tenant is reported once Check refuses the
// user, for each way in which an instance finds out.
func TestCutOffs_RunPollsAndHandlesWakeUps(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for name, c := range map[string]struct {
			pollEvery time.Duration
			wake      store.Wake
		}{
			"poll":                 {20 * time.Millisecond, store.Wake{Ready: true}},
			"wake-up":              {time.Hour, store.Wake{CutOff: true}},
			"wake-ups may be lost": {time.Hour, store.Wake{}},
		} {
			p, changed := newPrincipal(), make(chan string, 100)
			here, there := newCutOffBench(s), newCutOffBench(s, func(cfg *customer.CutOffConfig) {
				cfg.PollEvery, cfg.Changed = c.pollEvery, func(tenant string) { changed <- tenant }
			})
			running, stop := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() { there.Run(running); close(ended) }()
			require.False(t, there.refused(t, p))
			here.cutOff(t, p.Tenant, p.UserID, "")
			if c.wake.CutOff {
				c.wake.Tenant = p.Tenant
			}
			there.HandleWake(c.wake)
			for <-changed != p.Tenant { // another subtest has cut off in the same store
			}
			require.True(t, there.refused(t, p), name)
			stop()
			<-ended
		}
	})
}

func TestCutOff_IsBounded(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d, tenant := newCutOffBench(s), storetest.Tenant()
		old := float64(time.Now().Add(-8 * 24 * time.Hour).UnixMilli())
		d.do(t, func(ctx context.Context, c store.Client) error {
			pipe := c.Pipeline()
			for i := range customer.MaxCutOffs {
				pipe.ZAdd(ctx, store.Tenant(tenant).CutOffsKey(), redis.Z{Score: float64(time.Now().UnixMilli()), Member: fmt.Sprint("user:u-", i)})
			}
			_, err := pipe.Exec(ctx)
			return err
		})
		request := customer.CutOffRequest{Tenant: tenant, UserID: "u-new", By: "admin"}
		_, err := d.CutOff(t.Context(), request)
		require.Equal(t, fieldgate.CodeQuotaExceeded, fieldgate.CodeOf(err))
		d.cutOff(t, tenant, "u-7", "")
		request.Operator = true
		_, err = d.CutOff(t.Context(), request)
		require.NoError(t, err, "an admin has prevented the cut-off by the operator")
		d.do(t, func(ctx context.Context, c store.Client) error {
			return c.ZAdd(ctx, store.Tenant(tenant).CutOffsKey(), redis.Z{Score: old, Member: "user:u-1"}, redis.Z{Score: old, Member: "user:u-2"}).Err()
		})
		d.cutOff(t, tenant, "u-newer", "")
		list, _, err := d.List(t.Context(), tenant, store.Page{Limit: 2 * customer.MaxCutOffs})
		require.NoError(t, err)
		require.Len(t, list, customer.MaxCutOffs)
	})
}

func TestCutOff_RefusesIDsOfNoToken(t *testing.T) {
	t.Parallel()
	d := newCutOffBench(storetest.Connect(t, store.Config{}))
	for _, r := range []customer.CutOffRequest{
		{UserID: ""},
		{UserID: "u 1"},
		{UserID: "u-1", SessionID: "a:b"},
		{UserID: "u-1", SessionID: "a b"},
	} {
		r.Tenant = storetest.Tenant()
		_, err := d.CutOff(t.Context(), r)
		require.Equal(t, fieldgate.CodeValidationFailed, fieldgate.CodeOf(err), "%+v", r)
	}
}

func TestCutOffs_ListsNewestFirst(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d, tenant := newCutOffBench(s), storetest.Tenant()
		var want []customer.CutOff
		for i := range 5 {
			want = append([]customer.CutOff{d.cutOff(t, tenant, fmt.Sprint("u-", i), "")}, want...)
		}
		var got []customer.CutOff
		for cursor := ""; ; {
			list, next, err := d.List(t.Context(), tenant, store.Page{Limit: 2, Cursor: cursor})
			require.NoError(t, err)
			require.LessOrEqual(t, len(list), 2)
			got = append(got, list...)
			if cursor = next; next == "" {
				break
			}
		}
		require.Equal(t, want, got)
		_, _, err := d.List(t.Context(), tenant, store.Page{Limit: 2, Cursor: "%"})
		require.Equal(t, fieldgate.CodeValidationFailed, fieldgate.CodeOf(err))
	})
}

func TestCutOff_EventNamesWhoDidIt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d, tenant := newCutOffBench(s), storetest.Tenant()
		d.cutOff(t, tenant, "u-mallory", "")
		d.do(t, func(ctx context.Context, c store.Client) error {
			events, err := c.XRange(ctx, store.Tenant(tenant).StreamKey(), "-", "+").Result()
			require.Len(t, events, 1)
			event := store.ParseEvent(events[0])
			require.Equal(t, store.Event{
				ID: event.ID, Type: "user.cut_off", Time: event.Time, Actor: "user:admin", Name: "Ann Lee", Email: "ann@example.com", Request: "req-1", Data: event.Data,
			}, event)
			require.JSONEq(t, `{"userId":"u-mallory"}`, event.Data, "every user of the tenant reads the reason")
			return err
		})
	})
}

// TestCutOffs_WakeUpReadsOnlyItsPartition cuts users of two tenants off, and wakes the other instance
// for one of them.
func TestCutOffs_WakeUpReadsOnlyItsPartition(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		p, q, changed := newPrincipal(), newPrincipal(), make(chan string, 1000)
		for store.PartitionOf(q.Tenant) == store.PartitionOf(p.Tenant) {
			q.Tenant = storetest.Tenant()
		}
		here, there := newCutOffBench(s), newCutOffBench(s, func(cfg *customer.CutOffConfig) {
			cfg.PollEvery, cfg.Changed = time.Hour, func(tenant string) { changed <- tenant }
		})
		here.cutOff(t, p.Tenant, p.UserID, "s-other")
		running, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { there.Run(running); close(ended) }()
		defer func() { stop(); <-ended }()
		for <-changed != p.Tenant { // the first read has ended: it reads all partitions
		}
		for _, cutOff := range []customer.Principal{q, p} {
			here.cutOff(t, cutOff.Tenant, cutOff.UserID, "")
		}
		there.HandleWake(store.Wake{CutOff: true, Tenant: p.Tenant})
		for <-changed != p.Tenant {
		}
		require.True(t, there.refused(t, p))
		require.False(t, there.refused(t, q), "the wake-up of one tenant has read the partition of another")
	})
}

// TestCutOff_ShorterLifetimeRemovesNothing cuts off as an instance that accepts tokens for 30 days. Ten
// days later, a caller with the default cuts another user off.
func TestCutOff_ShorterLifetimeRemovesNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		const month = 30 * 24 * time.Hour
		p := newPrincipal()
		keys := []string{store.Tenant(p.Tenant).CutOffsKey(), store.Tenant(p.Tenant).CutOffDetailsKey(), store.PartitionOf(p.Tenant).CutOffTenantsKey()}
		newCutOffBench(s, func(cfg *customer.CutOffConfig) { cfg.MaxLifetime = month }).cutOff(t, p.Tenant, p.UserID, "")
		shorter, then := newCutOffBench(s), float64(time.Now().Add(-10*24*time.Hour).UnixMilli())
		shorter.do(t, func(ctx context.Context, c store.Client) error {
			if err := c.ZAdd(ctx, keys[0], redis.Z{Score: then, Member: "user:" + p.UserID}).Err(); err != nil {
				return err
			}
			return c.ZAdd(ctx, keys[2], redis.Z{Score: then, Member: p.Tenant}).Err()
		})
		other := storetest.Tenant()
		for store.PartitionOf(other) != store.PartitionOf(p.Tenant) {
			other = storetest.Tenant()
		}
		shorter.cutOff(t, other, "u-bob", "")
		shorter.do(t, func(ctx context.Context, c store.Client) error {
			return c.ZScore(ctx, keys[2], p.Tenant).Err() // redis.Nil if the instances do not find the tenant any more
		})
		shorter.cutOff(t, p.Tenant, "u-bob", "")
		list, _, err := shorter.List(t.Context(), p.Tenant, store.Page{Limit: 10})
		require.NoError(t, err)
		require.Len(t, list, 2)
		shorter.do(t, func(ctx context.Context, c store.Client) error {
			for _, key := range keys {
				require.Greater(t, c.PTTL(ctx, key).Val(), month-time.Hour, key)
			}
			return nil
		})
	})
}

// TestCutOffs_PollsOnlyPartitionsInUse counts the reads of an idle instance.
func TestCutOffs_PollsOnlyPartitionsInUse(t *testing.T) {
	t.Parallel()
	reads := make(chan struct{}, 1000)
	s := storetest.Connect(t, store.Config{Observe: func(name string, _ time.Duration, _ error) {
		if name == "read_cut_off_tenants" {
			reads <- struct{}{}
		}
	}})
	d, p := newCutOffBench(s, func(cfg *customer.CutOffConfig) { cfg.PollEvery = time.Millisecond }), newPrincipal()
	running, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { d.Run(running); close(ended) }()
	defer func() { stop(); <-ended }()
	<-reads // the first read is of all partitions
	require.Never(t, func() bool { return len(reads) > 0 }, time.Second, 100*time.Millisecond, "an idle instance polls")
	require.False(t, d.refused(t, p))
	for range 3 {
		<-reads
	}
	d.clock.Advance(11 * time.Minute)
	require.Eventually(t, func() bool {
		before := len(reads)
		for range before {
			<-reads
		}
		return before == 0
	}, 10*time.Second, 500*time.Millisecond, "a partition is polled for ever")
}

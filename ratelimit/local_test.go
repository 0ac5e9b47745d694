package ratelimit_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/ratelimit"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// localClock is a clock that a test advances.
type localClock struct{ nanoseconds atomic.Int64 }

func (c *localClock) Now() time.Time          { return time.Unix(0, c.nanoseconds.Load()) }
func (c *localClock) Advance(d time.Duration) { c.nanoseconds.Add(int64(d)) }

func newLocal(subjects int) (*ratelimit.Local, *localClock) {
	clk := &localClock{}
	return ratelimit.NewLocal(ratelimit.LocalConfig{Interval: time.Second, Burst: 3, Subjects: subjects, Now: clk.Now}), clk
}

// takes counts the events of a subject that are allowed at once.
func takes(l *ratelimit.Local, subject string) (n int) {
	for l.Take(subject) == nil {
		n++
	}
	return n
}

func TestLocal_AllowsBurstThenRate(t *testing.T) {
	t.Parallel()
	l, clk := newLocal(64)
	require.False(t, l.Exhausted("a"))
	require.Equal(t, 3, takes(l, "a"))
	require.True(t, l.Exhausted("a"))
	var refused *fieldgate.Error
	require.ErrorAs(t, l.Take("a"), &refused)
	require.Equal(t, fieldgate.CodeRateLimited, refused.Code)
	require.Equal(t, time.Second, refused.RetryAfter)
	require.Equal(t, 3, takes(l, "b"), "another subject")
	clk.Advance(refused.RetryAfter)
	require.Equal(t, 1, takes(l, "a"))
	clk.Advance(time.Hour)
	require.Equal(t, 3, takes(l, "a"))
}

func TestLocal_ReturnGivesBack(t *testing.T) {
	t.Parallel()
	l, _ := newLocal(64)
	require.Equal(t, 3, takes(l, "a"))
	l.Return("a")
	require.Equal(t, 1, takes(l, "a"))
	l.Return("never taken")
	require.Equal(t, 0, takes(l, "a"), "another subject's event was returned")
	require.Equal(t, 3, takes(l, "never taken"), "more than the burst")
}

func TestLocal_ZeroIntervalIsNoLimit(t *testing.T) {
	t.Parallel()
	l := ratelimit.NewLocal(ratelimit.LocalConfig{})
	for range 1000 {
		require.NoError(t, l.Take("a"))
	}
	require.False(t, l.Exhausted("a"))
}

// TestLocal_RemembersWorstSubject fills the table many times over with subjects of one event.
// None of them may push out the subject that has used up its burst.
func TestLocal_RemembersWorstSubject(t *testing.T) {
	t.Parallel()
	l, _ := newLocal(64)
	require.Equal(t, 3, takes(l, "attacker"))
	for i := range 10_000 {
		require.NoError(t, l.Take(fmt.Sprint("other-", i)))
	}
	require.Error(t, l.Take("attacker"))
}

func TestLocal_CountsConcurrentEvents(t *testing.T) {
	t.Parallel()
	l, _ := newLocal(64)
	var allowed atomic.Int64
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			if l.Take("a") == nil {
				allowed.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 3, allowed.Load())
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	for address, want := range map[string][2]string{
		"192.0.2.1":            {"192.0.2.1", "192.0.2.1"},
		"::ffff:192.0.2.1":     {"192.0.2.1", "192.0.2.1"},
		"2001:db8:1:2:3:4:5:6": {"2001:db8:1:2::/64", "2001:db8:1::/48"},
		"2001:db8:1:2::%eth0":  {"2001:db8:1:2::/64", "2001:db8:1::/48"},
		"invalid":              {"invalid IP", "invalid IP"},
	} {
		require.Equal(t, want, [2]string{ratelimit.Network(address), ratelimit.Site(address)}, address)
	}
}

// TestAllow_RefusedSubjectIsNotAskedAgain refuses a subject, and then requires that further
// requests reach no store.
func TestAllow_RefusedSubjectIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	var scripts atomic.Int64
	observe := func(name string, _ time.Duration, _ error) {
		if name == "allow" {
			scripts.Add(1)
		}
	}
	l := ratelimit.New(storetest.Connect(t, store.Config{Observe: observe}), ratelimit.Limits{AuthPerAddress: ratelimit.Limit{PerMinute: 1, Burst: 1}})
	require.NoError(t, l.Allow(t.Context(), ratelimit.AuthAddress, "192.0.2.1"))
	for range 100 {
		err := l.Allow(t.Context(), ratelimit.AuthAddress, "192.0.2.1")
		var refused *fieldgate.Error
		require.True(t, errors.As(err, &refused) && refused.Code == fieldgate.CodeRateLimited, err)
		require.Greater(t, refused.RetryAfter, 50*time.Second)
	}
	require.EqualValues(t, 2, scripts.Load())
	require.NoError(t, l.Allow(t.Context(), ratelimit.AuthAddress, "192.0.2.2"))
}

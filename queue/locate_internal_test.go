package queue

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// locating is a queue that counts its round trips, with one device that has an open session.
type locating struct {
	*Queue
	store   *store.Store
	device  store.Device
	session string
	reads   atomic.Int64 // round trips that read a session
}

func newLocating(t *testing.T) *locating {
	t.Helper()
	l := &locating{}
	l.store = storetest.Connect(t, store.Config{Observe: func(name string, _ time.Duration, _ error) {
		if name == "locate_session" {
			l.reads.Add(1)
		}
	}})
	tenant := storetest.Tenant()
	l.Queue = New(Config{Store: l.store})
	l.device = store.Device{Tenant: tenant, ID: store.NewID(store.KindDevice, store.PartitionOf(tenant))}
	l.session = openSession(t, l.store, l.device)
	return l
}

func (l *locating) propose(t *testing.T, tenant string) (Command, error) {
	t.Helper()
	return l.Propose(t.Context(), Proposal{Tenant: tenant, SessionID: l.session, UserID: "u", RequestID: "r", Type: "diagnostic.dns"})
}

// neighbour returns another tenant of the same partition.
func neighbour(tenant string) string {
	for i := 0; ; i++ {
		if other := "c.other" + strconv.Itoa(i); store.PartitionOf(other) == store.PartitionOf(tenant) {
			return other
		}
	}
}

func TestPropose_SessionIsReadOnce(t *testing.T) {
	t.Parallel()
	l := newLocating(t)
	for range 5 {
		c, err := l.propose(t, l.device.Tenant)
		require.NoError(t, err)
		_, err = l.Get(t.Context(), l.device.Tenant, l.session, c.ID)
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, l.reads.Load())
}

func TestPropose_RememberedSessionOfAnotherTenantIsMissing(t *testing.T) {
	t.Parallel()
	l := newLocating(t)
	c, err := l.propose(t, l.device.Tenant)
	require.NoError(t, err)
	other := neighbour(l.device.Tenant)
	_, err = l.propose(t, other)
	require.Equal(t, fieldgate.CodeSessionNotFound, fieldgate.CodeOf(err))
	_, err = l.Get(t.Context(), other, l.session, c.ID)
	require.Equal(t, fieldgate.CodeSessionNotFound, fieldgate.CodeOf(err))
}

func TestPropose_RememberedSessionThatWasDeletedIsMissing(t *testing.T) {
	t.Parallel()
	l := newLocating(t)
	_, err := l.propose(t, l.device.Tenant)
	require.NoError(t, err)
	require.NoError(t, l.store.Do(t.Context(), "test", func(ctx context.Context, c store.Client) error {
		return c.Del(ctx, store.SessionKey(l.session), l.device.CommandsKey()).Err()
	}))
	_, err = l.propose(t, l.device.Tenant)
	require.Equal(t, fieldgate.CodeSessionNotFound, fieldgate.CodeOf(err))
	_, err = l.Get(t.Context(), l.device.Tenant, l.session, store.NewID(store.KindCommand, store.PartitionOf(l.device.Tenant)))
	require.Equal(t, fieldgate.CodeSessionNotFound, fieldgate.CodeOf(err))
	_, _, err = l.List(t.Context(), l.device.Tenant, l.session, "", store.Page{Limit: 10})
	require.Equal(t, fieldgate.CodeSessionNotFound, fieldgate.CodeOf(err))
}

// TestPropose_ReadsClockAgainIfItJumped proposes with a clock that was read before the store's
// clock jumped, for example in a failover.
func TestPropose_ReadsClockAgainIfItJumped(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{-time.Hour, time.Hour} {
		l := newLocating(t)
		_, err := l.propose(t, l.device.Tenant)
		require.NoError(t, err)
		l.clock.set(time.Now().Add(jump), time.Now())
		c, err := l.propose(t, l.device.Tenant)
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), c.CreatedAt, time.Minute)
		require.EqualValues(t, 2, l.reads.Load())
	}
}

func TestStoreClock(t *testing.T) {
	t.Parallel()
	var c storeClock
	_, set := c.now()
	require.False(t, set)
	reading := time.Now().Add(time.Hour)
	c.set(reading, time.Now().Add(-2*clockError))
	_, set = c.now()
	require.False(t, set, "the reading is too inaccurate")
	c.set(reading, time.Now())
	now, set := c.now()
	require.True(t, set)
	require.WithinDuration(t, reading, now, time.Minute)
	c.forget()
	_, set = c.now()
	require.False(t, set)
}

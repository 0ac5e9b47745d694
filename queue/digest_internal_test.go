package queue

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/refusal"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestPropose_RefusesTimeOfAnotherClock proposes with a time that differs from the store's clock,
// as after a failover. The digest would cover another deadline than the one that is stored.
func TestPropose_RefusesTimeOfAnotherClock(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		q := New(Config{Store: s})
		tenant := storetest.Tenant()
		device := store.Device{Tenant: tenant, ID: store.NewID(store.KindDevice, store.PartitionOf(tenant))}
		session := openSession(t, s, device)
		p := Proposal{
			Tenant: tenant, SessionID: session, UserID: "u", RequestID: "r", Type: "config.set", MaxAttempts: 1,
			Parameters: json.RawMessage(`{"a":"` + strings.Repeat("x", maxListedParameters) + `"}`), DeliverWithin: time.Hour,
		}
		for _, skew := range []time.Duration{-time.Hour, time.Hour} {
			_, err := q.proposeAt(t.Context(), p, place{Device: device}, time.Now().Add(skew))
			require.ErrorIs(t, err, refusal.Stale, "the clock was off by %s", skew)
		}
		c, err := q.Propose(t.Context(), p)
		require.NoError(t, err)
		require.WithinDuration(t, time.Now().Add(time.Hour), c.DeliverBy, time.Minute)
		want, err := Digest(c)
		require.NoError(t, err)
		require.Equal(t, want, c.Digest)

		listed, _, err := q.List(t.Context(), tenant, session, "", store.Page{Limit: 10})
		require.NoError(t, err)
		require.Len(t, listed, 1, "a proposal with a time of another clock was accepted")
		require.Equal(t, want, listed[0].Digest)
		require.True(t, listed[0].ParametersOmitted)
	})
}

// TestPropose_AcceptsTimeOfNodeAheadOrBehind proposes with the time of another node of a cluster, whose
// clock is a little ahead of or behind that of the node which runs the script.
func TestPropose_AcceptsTimeOfNodeAheadOrBehind(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		q := New(Config{Store: s})
		tenant := storetest.Tenant()
		device := store.Device{Tenant: tenant, ID: store.NewID(store.KindDevice, store.PartitionOf(tenant))}
		p := Proposal{
			Tenant: tenant, SessionID: openSession(t, s, device), UserID: "u", RequestID: "r",
			Type: "config.set", Parameters: noParameters, MaxAttempts: 1, DeliverWithin: time.Hour,
		}
		for _, skew := range []time.Duration{-5 * time.Second, 50 * time.Millisecond, 5 * time.Second} {
			_, now, err := q.locateNow(t.Context(), tenant, p.SessionID)
			require.NoError(t, err)
			for _, p.Type = range []string{"diagnostic.dns", "config.set"} {
				c, err := q.proposeAt(t.Context(), p, place{Device: device}, now.Add(skew))
				require.NoError(t, err, "the clock was off by %s", skew)
				require.Equal(t, now.Add(skew+time.Hour).UnixMilli(), c.DeliverBy.UnixMilli(), "the digest covers the deadline")
				want, err := Digest(c)
				require.NoError(t, err)
				require.Equal(t, want, c.Digest)
				require.False(t, c.CreatedAt.After(time.Now()), "created in the future")
			}
		}
	})
}

// openSession writes the records of an active device with an open session, and returns the id of
// the session.
func openSession(t testing.TB, s *store.Store, device store.Device) string {
	t.Helper()
	id, until := store.NewID(store.KindSession, store.PartitionOf(device.Tenant)), time.Now().Add(2*time.Hour).UnixMilli()
	require.NoError(t, s.Do(t.Context(), "test", func(ctx context.Context, c store.Client) error {
		return errors.Join(
			c.HSet(ctx, store.SessionKey(id), "tenant", device.Tenant, "device", device.ID, "status", "active", "expires", until).Err(),
			c.HSet(ctx, device.RecordKey(), "tenant", device.Tenant, "status", "active", "session", id, "session_until", until).Err(),
		)
	}))
	return id
}

package queue

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestPropose_DigestIsOfStoredDeadline proposes with a time that differs from the store's
// clock, as after a failover. The digest in replies and in lists must cover the deadline that
// is stored.
func TestPropose_DigestIsOfStoredDeadline(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		q := New(Config{Store: s})
		tenant := storetest.Tenant()
		device := store.Device{Tenant: tenant, ID: store.NewID(store.KindDevice, store.PartitionOf(tenant))}
		session := store.NewID(store.KindSession, store.PartitionOf(tenant))
		require.NoError(t, s.Do(t.Context(), "test", func(ctx context.Context, c store.Client) error {
			return c.HSet(ctx, store.SessionKey(session), "tenant", tenant, "device", device.ID,
				"status", "active", "expires", time.Now().Add(time.Hour).UnixMilli()).Err()
		}))
		for _, skew := range []time.Duration{0, -time.Hour, time.Hour} {
			p := Proposal{
				Tenant: tenant, SessionID: session, UserID: "u", RequestID: "r", Type: "config.set", MaxAttempts: 1,
				Parameters: json.RawMessage(`{"a":"` + strings.Repeat("x", maxListedParameters) + `"}`), DeliverWithin: time.Hour,
			}
			c, err := q.proposeAt(t.Context(), p, Review, device, time.Now().Add(skew))
			require.NoError(t, err)
			require.WithinDuration(t, time.Now().Add(time.Hour), c.DeliverBy, time.Minute)
			want, err := Digest(c)
			require.NoError(t, err)
			require.Equal(t, want, c.Digest, "the clock was off by %s", skew)
		}
		listed, _, err := q.List(t.Context(), tenant, session, store.Page{Limit: 10})
		require.NoError(t, err)
		require.Len(t, listed, 3)
		for _, c := range listed {
			whole, err := q.GetOwn(t.Context(), device, c.ID)
			require.NoError(t, err)
			require.Equal(t, whole.Digest, c.Digest)
			require.True(t, c.ParametersOmitted)
		}
	})
}

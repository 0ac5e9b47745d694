package session_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestOpen_ReturnsSession(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		opened := b.open()
		require.True(b.t, store.OwnsID(b.device.Tenant, store.KindSession, opened.ID))
		require.WithinDuration(b.t, time.Now(), opened.CreatedAt, 5*time.Second)
		require.Equal(b.t, session.Session{
			ID: opened.ID, Tenant: b.device.Tenant, DeviceID: b.device.ID, Type: "diagnostic", Status: session.Active,
			Description: "It is slow.", CreatedBy: "u1", Names: storetest.NamesOf("u1"),
			CreatedAt: opened.CreatedAt, ExpiresAt: opened.CreatedAt.Add(time.Hour),
		}, opened)
		require.Equal(b.t, opened, b.get(opened.ID))
	})
}

func TestOpen_KeepsDescriptionUnchanged(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		const text = "a \"quoted\" ': {{}} \\ \n\t\x00 line, ünïcode 🔧"
		opened := b.open(func(o *session.OpenRequest) { o.Description, o.IdempotencyKey = text, "key" })
		require.Equal(b.t, text, opened.Description)
		require.Equal(b.t, text, b.get(opened.ID).Description)
		again := b.open(func(o *session.OpenRequest) { o.Description, o.IdempotencyKey = text, "key" })
		require.Equal(b.t, opened, again)
	})
}

func TestOpen_OneActiveSessionPerDevice(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		first := b.open()
		_, err := b.sessions.Open(b.t.Context(), b.openRequest())
		requireCode(b.t, fieldgate.CodeSessionActive, err)
		var refusal *fieldgate.Error
		require.ErrorAs(b.t, err, &refusal)
		require.Equal(b.t, first.ID, refusal.SessionID)

		other := b.newDevice(b.device.Tenant)
		b.open(func(o *session.OpenRequest) { o.DeviceID = other.ID })
		b.close(first.ID)
		require.NotEqual(b.t, first.ID, b.open().ID)
	})
}

func TestOpen_OneOfFiftyConcurrentSucceeds(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		opened, active := make([]string, 50), make([]string, 50)
		var callers sync.WaitGroup
		for i := range opened {
			callers.Go(func() {
				s, err := b.sessions.Open(b.t.Context(), b.openRequest())
				opened[i] = s.ID
				var refusal *fieldgate.Error
				if errors.As(err, &refusal) && refusal.Code == fieldgate.CodeSessionActive {
					active[i] = refusal.SessionID
				}
			})
		}
		callers.Wait()
		winner := ""
		for _, id := range opened {
			if id != "" {
				require.Empty(b.t, winner, "two sessions were opened")
				winner = id
			}
		}
		for i := range opened {
			require.Contains(b.t, []string{opened[i], active[i]}, winner)
		}
		list, _, err := b.sessions.List(b.t.Context(), b.device.Tenant, session.Filter{}, store.Page{Limit: 50})
		require.NoError(b.t, err)
		require.Len(b.t, list, 1)
	})
}

func TestOpen_RequiresActiveDevice(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		for _, status := range []string{"provisioned", "suspended", "decommissioned", ""} {
			b.setStatus(b.device, status)
			_, err := b.sessions.Open(b.t.Context(), b.openRequest())
			requireCode(b.t, fieldgate.CodeDeviceNotActive, err)
		}
		b.setStatus(b.device, "active")
		b.open()
	})
}

// TestTenancy_OtherTenantsDeviceIsNotFound requires the same error for a device of another
// tenant as for a device that does not exist.
func TestTenancy_OtherTenantsDeviceIsNotFound(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		errs := map[string]bool{}
		ids := b.foreignIDs(store.KindDevice)
		ids["of another tenant"] = b.newDevice(storetest.Tenant()).ID
		ids["of another tenant in the same partition"] = b.newDevice(tenantInSamePartition(b.device.Tenant)).ID
		for name, id := range ids {
			o := b.openRequest()
			o.DeviceID = id
			_, err := b.sessions.Open(b.t.Context(), o)
			require.Equal(b.t, fieldgate.CodeDeviceNotFound, fieldgate.CodeOf(err), name)
			errs[err.Error()] = true
		}
		require.Len(b.t, errs, 1)
	})
}

// tenantInSamePartition returns another tenant in the same partition.
func tenantInSamePartition(tenant string) string {
	for {
		if other := storetest.Tenant(); store.PartitionOf(other) == store.PartitionOf(tenant) {
			return other
		}
	}
}

func TestOpen_RetryReturnsSameSession(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		withKey := func(o *session.OpenRequest) { o.IdempotencyKey = "key-1" }
		first := b.open(withKey)
		require.Equal(b.t, first, b.open(withKey))
		require.Equal(b.t, []string{"session.opened"}, typesOf(b.events(first.ID)))

		b.close(first.ID)
		require.Equal(b.t, first, b.open(withKey), "a retry must get the first reply even after the session has ended")
		require.NotEqual(b.t, first.ID, b.open().ID)
	})
}

func TestOpen_IdempotencyKeyReused(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		withKey := func(o *session.OpenRequest) { o.IdempotencyKey = "key-1" }
		first := b.open(withKey)
		request := b.openRequest()
		withKey(&request)
		refused := func(name string, o session.OpenRequest) {
			_, err := b.sessions.Open(b.t.Context(), o)
			require.Equal(b.t, fieldgate.CodeIdempotencyKeyReused, fieldgate.CodeOf(err), name)
		}
		storetest.ForEachChange(b.t, request, map[string]string{
			"Tenant": "keys belong to a tenant", "DeviceID": "changed below", "IdempotencyKey": "the test repeats it",
			"RequestID": "a retry has another", "Names": "a renewed token may have others",
		}, func(_ *testing.T, field string, changed session.OpenRequest) { refused(field, changed) })
		request.DeviceID = b.newDevice(b.device.Tenant).ID
		refused("DeviceID", request)
		other := newBench(b.t, b.store)
		require.NotEqual(b.t, first.ID, other.open(withKey).ID)
	})
}

// TestOpen_ReplyOfEarlierReleaseIsRepeated replaces the fingerprint of a stored reply by the one
// that earlier releases stored, which did not cover the user.
func TestOpen_ReplyOfEarlierReleaseIsRepeated(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		withKey := func(o *session.OpenRequest) { o.IdempotencyKey = "key-1" }
		first, request := b.open(withKey), b.openRequest()
		earlier := store.DigestOf(fmt.Sprintf("open %s %s %q %d", request.DeviceID, request.Type, request.Description, request.Duration))
		key := store.IdempotencyKeys(request.Tenant, "key-1")[0]
		require.NoError(b.t, b.store.Do(b.t.Context(), "test", func(ctx context.Context, c store.Client) error {
			kept := c.Get(ctx, key).Val()
			return c.Set(ctx, key, earlier+kept[len(earlier):], time.Hour).Err()
		}))
		require.Equal(b.t, first, b.open(withKey))
	})
}

func TestOpen_ConcurrentRetriesReturnSameSession(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		sessions := make([]session.Session, 20)
		var callers sync.WaitGroup
		for i := range sessions {
			callers.Go(func() {
				o := b.openRequest()
				o.IdempotencyKey = "key-1"
				sessions[i], _ = b.sessions.Open(b.t.Context(), o)
			})
		}
		callers.Wait()
		for _, s := range sessions {
			require.NotEmpty(b.t, s.ID)
			require.Equal(b.t, sessions[0], s)
		}
	})
}

// TestOpen_EndsExpiredSession opens a session while the device has an expired session. No
// sweeper runs, so the expired session was not settled.
func TestOpen_EndsExpiredSession(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		old := b.open()
		waiting := b.propose(old.ID, "diagnostic.ping")
		b.expire(old.ID)

		next := b.open()
		require.NotEqual(b.t, old.ID, next.ID)
		require.Equal(b.t, session.Active, b.get(next.ID).Status)
		require.Equal(b.t, session.Expired, b.get(old.ID).Status)
		require.Equal(b.t, queue.Expired, b.command(waiting.ID).Status)
		require.Equal(b.t, []string{"session.opened", "command.proposed", "command.expired", "session.expired"}, typesOf(b.events(old.ID)))
	})
}

// TestOpen_LostSessionDoesNotBlockDevice deletes the record of an expired session.
func TestOpen_LostSessionDoesNotBlockDevice(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		old := b.open()
		b.expire(old.ID)
		b.do(func(ctx context.Context, c store.Client) error { return c.Del(ctx, store.SessionKey(old.ID)).Err() })
		b.open()
		_, err := b.sessions.Get(b.t.Context(), b.device.Tenant, old.ID)
		requireCode(b.t, fieldgate.CodeSessionNotFound, err)
	})
}

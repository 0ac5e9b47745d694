package gateway_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/realtime"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// withFrequentRenewals sets the interval of the renewals of leases, so that an instance renews each lease
// within a twentieth of a second.
var withFrequentRenewals = withSockets(func(cfg *realtime.Config) { cfg.RenewEvery = 50 * time.Millisecond })

// TestRenewal_ClosesDeviceSocketWithoutWakeUp changes the record of a device in the store only, as
// if the wake-up and the event were lost. The socket of a user of the same tenant stays open.
func TestRenewal_ClosesDeviceSocketWithoutWakeUp(t *testing.T) {
	t.Parallel()
	url := storetest.SharedURL(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(url), withFrequentRenewals)
	for name, c := range map[string]struct {
		field, value string
		code         int
	}{
		"the device has a newer socket": {"connection", "con_newer", 4009},
		"the device is suspended":       {"status", "suspended", 4003},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, g)
			p, s, user := f.publisher(t, url), f.deviceSocket(t, g), f.customerSocket(t, g)
			s.Barrier()
			require.NoError(t, p.redis.HSet(t.Context(), store.DeviceKey(f.device.ID), c.field, c.value).Err())
			require.Equal(t, c.code, s.CloseCode())
			user.Barrier()
		})
	}
}

// TestRenewal_WritesLostRegistrationAgain removes parts of the registration of a device's socket and
// of a user's socket in the store.
func TestRenewal_WritesLostRegistrationAgain(t *testing.T) {
	t.Parallel()
	url := storetest.SharedURL(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(url), withFrequentRenewals)
	f := newFleet(t, g)
	p, device, user := f.publisher(t, url), f.deviceSocket(t, g), f.customerSocket(t, g)
	device.Barrier()
	tenant, record := store.Tenant(p.tenant), store.DeviceKey(f.device.ID)
	for _, id := range []string{device.ID, user.ID} {
		key := tenant.ConnectionKey(id)
		before := p.redis.Get(t.Context(), key).Val()
		require.NoError(t, p.redis.Del(t.Context(), key).Err())
		eventually(t, func() bool { return p.redis.Get(t.Context(), key).Val() == before }, "the record of a connection is not written again")
		require.NoError(t, p.redis.ZRem(t.Context(), tenant.ConnectionsKey(), id).Err())
		require.NoError(t, p.redis.ZRem(t.Context(), tenant.SocketLeasesKey(), id).Err())
		eventually(t, func() bool {
			return p.redis.ZScore(t.Context(), tenant.ConnectionsKey(), id).Err() == nil && p.redis.ZScore(t.Context(), tenant.SocketLeasesKey(), id).Err() == nil
		}, "a connection is not in the indexes again")
	}
	require.NoError(t, p.redis.HDel(t.Context(), record, "connection", "connection_until").Err())
	eventually(t, func() bool { return p.redis.HGet(t.Context(), record, "connection").Val() == device.ID }, "the device has no socket")
	require.NoError(t, p.redis.HSet(t.Context(), record, "presence", "stale").Err())
	eventually(t, func() bool { return p.redis.HGet(t.Context(), record, "presence").Val() == "online" }, "the device stays stale")
}

// TestRenewal_ExtendsEveryLease renews more sockets than one script does, of devices and of users.
func TestRenewal_ExtendsEveryLease(t *testing.T) {
	t.Parallel()
	url := storetest.SharedURL(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(url), withFrequentRenewals)
	f := newFleet(t, g)
	p, device := f.publisher(t, url), f.deviceSocket(t, g)
	tenant, record := store.Tenant(p.tenant), store.DeviceKey(f.device.ID)
	sockets := []*gatewaytest.Socket{device}
	for range 60 {
		sockets = append(sockets, f.customerSocket(t, g))
	}
	for _, s := range sockets {
		key := tenant.ConnectionKey(s.ID)
		require.NoError(t, p.redis.PExpire(t.Context(), key, 20*time.Second).Err())
		require.NoError(t, p.redis.ZAdd(t.Context(), tenant.SocketLeasesKey(), redis.Z{Score: 1, Member: s.ID}).Err())
		eventually(t, func() bool {
			end := p.redis.ZScore(t.Context(), tenant.SocketLeasesKey(), s.ID).Val()
			return p.redis.PTTL(t.Context(), key).Val() > 30*time.Second && end > float64(time.Now().Add(30*time.Second).UnixMilli())
		}, "a lease is not extended")
	}
	fields := []string{"connection_until", "online_until", "last_seen"}
	require.NoError(t, p.redis.HSet(t.Context(), record, fields[0], "1", fields[1], "1", fields[2], "1").Err())
	for _, field := range fields {
		eventually(t, func() bool { return p.redis.HGet(t.Context(), record, field).Val() != "1" }, field+" is not extended")
	}
}

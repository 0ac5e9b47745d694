package device_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func newHeartbeat(b *bench, id string) device.Heartbeat {
	return device.Heartbeat{
		Device: b.key(id), RequestID: "req-heartbeat", Status: "degraded", Reason: "the disk is full",
		Metrics: map[string]float64{"cpuPercent": 12.5, "temperatureCelsius": -4}, FirmwareVersion: "2.9.0",
	}
}

func (b *bench) sendHeartbeat(h device.Heartbeat) device.HeartbeatReply {
	b.t.Helper()
	reply, err := b.registry.Heartbeat(b.t.Context(), h)
	require.NoError(b.t, err)
	return reply
}

func TestHeartbeat_ReturnsReadyAndCancelRequests(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r := b.registered()
		before := b.sendHeartbeat(newHeartbeat(b, r.DeviceID))
		require.Zero(t, before.Ready)
		require.Empty(t, before.CancelRequested)
		require.WithinDuration(t, b.now(), before.ServerTime, time.Minute)

		d := b.key(r.DeviceID)
		b.do(func(ctx context.Context, c store.Client) error {
			return c.ZAdd(ctx, d.ReadyKey(), redis.Z{Member: "cmd_1"}, redis.Z{Member: "cmd_2"}).Err()
		})
		b.do(func(ctx context.Context, c store.Client) error {
			return c.SAdd(ctx, d.CancelsKey(), "cmd_3", "cmd_4").Err()
		})
		after := b.sendHeartbeat(newHeartbeat(b, r.DeviceID))
		require.EqualValues(t, 2, after.Ready)
		require.ElementsMatch(t, []string{"cmd_3", "cmd_4"}, after.CancelRequested)
		require.EqualValues(t, 2, b.get(r.DeviceID).PendingCommands)
	})
}

func TestHeartbeat_IntervalHasJitter(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Redis(t))
	r := b.registered()
	intervals := map[time.Duration]bool{}
	for range 50 {
		next := b.sendHeartbeat(newHeartbeat(b, r.DeviceID)).NextIn
		require.InDelta(t, 30*time.Second, next, float64(3*time.Second))
		intervals[next] = true
	}
	require.Greater(t, len(intervals), 10)
}

func TestHeartbeat_LatestIsStored(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r := b.registered()
		require.Nil(t, b.get(r.DeviceID).LastHeartbeat)
		reply := b.sendHeartbeat(newHeartbeat(b, r.DeviceID))
		d := b.get(r.DeviceID)
		require.Equal(t, &device.LastHeartbeat{Status: "degraded", Reason: "the disk is full", ReceivedAt: reply.ServerTime}, d.LastHeartbeat)
		require.Equal(t, map[string]float64{"cpuPercent": 12.5, "temperatureCelsius": -4}, d.Metrics)
		require.Equal(t, "2.9.0", d.FirmwareVersion)

		b.sendHeartbeat(device.Heartbeat{Device: b.key(r.DeviceID), Status: "ok"})
		d = b.get(r.DeviceID)
		require.Equal(t, "ok", d.LastHeartbeat.Status)
		require.Empty(t, d.LastHeartbeat.Reason, "the reason of the earlier status is kept")
		require.Empty(t, d.Metrics, "the metrics were not replaced")
		require.Equal(t, "2.9.0", d.FirmwareVersion, "an empty version must not replace the last one")
	})
}

func TestHeartbeat_RequiresActiveDevice(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		suspended, foreign := b.registered(), b.registered()
		require.NoError(t, suspend(b, suspended.DeviceID))
		unknown := store.NewID(store.KindDevice, store.PartitionOf(b.tenant))
		for name, h := range map[string]device.Heartbeat{
			"suspended":        newHeartbeat(b, suspended.DeviceID),
			"another tenant's": newHeartbeat(b.inSamePartition(), foreign.DeviceID),
			"unknown":          newHeartbeat(b, unknown),
		} {
			before := b.record(h.Device.ID)
			_, err := b.registry.Heartbeat(t.Context(), h)
			requireRefused(t, fieldgate.CodeUnauthorized, err)
			require.Equal(t, before, b.record(h.Device.ID), name)
		}
	})
}

func TestPresence_FollowsLastSeen(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		provisioned, activation := b.provision()
		require.Equal(t, device.NeverConnected, b.get(provisioned.ID).Presence)
		id := b.register(activation.Code).DeviceID
		for _, c := range []struct {
			elapsed time.Duration
			want    device.Presence
		}{
			{0, device.Online},
			{80 * time.Second, device.Online},
			{20 * time.Second, device.Stale},
			{3 * time.Minute, device.Stale},
			{time.Minute, device.Offline},
		} {
			b.advance(id, c.elapsed)
			d := b.get(id)
			require.Equal(t, c.want, d.Presence, "last seen %s ago", b.now().Sub(d.LastSeen))
		}
		b.sendHeartbeat(newHeartbeat(b, id))
		require.Equal(t, device.Online, b.get(id).Presence)
	})
}

func TestPresence_SuspendedOrDecommissionedIsOffline(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r := b.registered()
		require.NoError(t, suspend(b, r.DeviceID))
		require.Equal(t, device.Offline, b.get(r.DeviceID).Presence)
		b.decommission(r.DeviceID)
		require.Equal(t, device.Offline, b.get(r.DeviceID).Presence)
	})
}

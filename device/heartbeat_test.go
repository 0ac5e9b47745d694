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

func beat(b *bench, id string) device.Heartbeat {
	return device.Heartbeat{
		Device: b.key(id), RequestID: "req-heartbeat", Status: "busy",
		Metrics: map[string]float64{"cpuPercent": 12.5, "temperatureCelsius": -4}, FirmwareVersion: "2.9.0",
	}
}

func (b *bench) beat(h device.Heartbeat) device.Pulse {
	b.t.Helper()
	pulse, err := b.registry.Heartbeat(b.t.Context(), h)
	require.NoError(b.t, err)
	return pulse
}

func TestAHeartbeatTellsWhatWaits(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r := b.registered()
		quiet := b.beat(beat(b, r.DeviceID))
		require.Zero(t, quiet.Ready)
		require.Empty(t, quiet.Cancels)
		require.WithinDuration(t, b.now(), quiet.ServerTime, time.Minute)

		d := b.key(r.DeviceID)
		b.do(func(ctx context.Context, c store.Client) error {
			return c.ZAdd(ctx, d.ReadyKey(), redis.Z{Member: "cmd_1"}, redis.Z{Member: "cmd_2"}).Err()
		})
		b.do(func(ctx context.Context, c store.Client) error {
			return c.SAdd(ctx, d.CancelsKey(), "cmd_3", "cmd_4").Err()
		})
		busy := b.beat(beat(b, r.DeviceID))
		require.EqualValues(t, 2, busy.Ready)
		require.ElementsMatch(t, []string{"cmd_3", "cmd_4"}, busy.Cancels)
		require.EqualValues(t, 2, b.get(r.DeviceID).PendingCommands)
	})
}

func TestHeartbeatsAreSpread(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Redis(t))
	r := b.registered()
	different := map[time.Duration]bool{}
	for range 50 {
		next := b.beat(beat(b, r.DeviceID)).Next
		require.InDelta(t, 30*time.Second, next, float64(3*time.Second))
		different[next] = true
	}
	require.Greater(t, len(different), 10)
}

func TestTheNewestHeartbeatIsShown(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r := b.registered()
		require.Nil(t, b.get(r.DeviceID).LastHeartbeat)
		pulse := b.beat(beat(b, r.DeviceID))
		d := b.get(r.DeviceID)
		require.Equal(t, &device.LastHeartbeat{Status: "busy", ReceivedAt: pulse.ServerTime}, d.LastHeartbeat)
		require.Equal(t, map[string]float64{"cpuPercent": 12.5, "temperatureCelsius": -4}, d.Metrics)
		require.Equal(t, "2.9.0", d.FirmwareVersion)

		b.beat(device.Heartbeat{Device: b.key(r.DeviceID), Status: "ok"})
		d = b.get(r.DeviceID)
		require.Equal(t, "ok", d.LastHeartbeat.Status)
		require.Empty(t, d.Metrics, "the newest replace all before")
		require.Equal(t, "2.9.0", d.FirmwareVersion, "what is not said stays as it was")
	})
}

func TestOnlyAnActiveDeviceLeavesATrace(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		suspended, foreign := b.registered(), b.registered()
		require.NoError(t, suspend(b, suspended.DeviceID))
		unknown := store.NewID(store.KindDevice, store.PartitionOf(b.tenant))
		for name, h := range map[string]device.Heartbeat{
			"suspended":        beat(b, suspended.DeviceID),
			"another tenant's": beat(b.beside(), foreign.DeviceID),
			"unknown":          beat(b, unknown),
		} {
			before := b.record(h.Device.ID)
			_, err := b.registry.Heartbeat(t.Context(), h)
			requireRefused(t, fieldgate.CodeUnauthorized, err)
			require.Equal(t, before, b.record(h.Device.ID), name)
		}
	})
}

func TestPresenceFollowsFromWhenADeviceWasHeardOf(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		waiting, activation := b.provision()
		require.Equal(t, device.NeverConnected, b.get(waiting.ID).Presence)
		id := b.register(activation.Code).DeviceID
		for _, c := range []struct {
			passes time.Duration
			want   device.Presence
		}{
			{0, device.Online},
			{80 * time.Second, device.Online},
			{20 * time.Second, device.Stale},
			{3 * time.Minute, device.Stale},
			{time.Minute, device.Offline},
		} {
			b.pass(id, c.passes)
			d := b.get(id)
			require.Equal(t, c.want, d.Presence, "heard of %s ago", b.now().Sub(d.LastSeen))
		}
		b.beat(beat(b, id))
		require.Equal(t, device.Online, b.get(id).Presence)
	})
}

func TestADeviceThatIsShutOutIsOffline(t *testing.T) {
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

package admin

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestRestoreCheck_DescribesStore(t *testing.T) {
	t.Parallel()
	server, tenant := storetest.Start(t), storetest.Tenant()
	_, err := runCommand(t, server.URL(), "restore-check")
	require.ErrorContains(t, err, "the store is empty")

	s := storetest.Connect(t, store.Config{URL: server.URL()})
	out, err := runCommand(t, server.URL(), "restore-check")
	require.ErrorIs(t, err, errRestore)
	require.Regexp(t, `data +fail +the store has no device`, out)

	d := newActiveDevice(t, s, tenant)
	_, err = session.New(session.Config{Store: s}).Open(t.Context(), session.OpenRequest{
		Tenant: tenant, DeviceID: d.ID, UserID: "alice", Type: "diagnostic", Duration: time.Hour,
	})
	require.NoError(t, err)
	expired := time.Now().Add(-time.Second).UnixMilli()
	require.NoError(t, s.Do(t.Context(), "test", func(ctx context.Context, c store.Client) error {
		return c.ZAdd(ctx, d.AliveKeys()[2], redis.Z{Score: float64(expired), Member: "cmd_1"}).Err()
	}))
	before := storetest.Dump(t, server)
	out, err = runCommand(t, server.URL(), "restore-check", "--json")
	require.NoError(t, err)
	require.Equal(t, before, storetest.Dump(t, server), "the check has changed the store")
	var r restored
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.Equal(t, []int64{1, 1, 1, 1, 1}, []int64{
		int64(r.Survey.Tenants), int64(r.Survey.Devices), int64(r.Survey.ActiveSessions), r.Survey.Claimed, r.Survey.ExpiredLeases,
	})
	require.WithinDuration(t, time.Now(), r.Survey.NewestChange, time.Minute)
	require.Less(t, r.LostMs, time.Minute.Milliseconds())
	require.Contains(t, r.Next[0], "sessions close --all")
	results := map[string]string{}
	for _, check := range r.Checks {
		results[check.Name] = check.Result
	}
	require.Equal(t, map[string]string{
		"id": "warn", "schema": "ok", "canary": "ok", "eviction": "ok", "data": "ok", "persistence": "ok",
	}, results)

	_, err = runCommand(t, server.URL(), "restore-check", "--store-id=another")
	require.ErrorContains(t, err, "requires the store another")
}

// newActiveDevice adds a device and makes it active, as a registration does.
func newActiveDevice(t testing.TB, s *store.Store, tenant string) store.Device {
	t.Helper()
	devices := device.New(device.Config{Store: s})
	added, activation, err := devices.Provision(t.Context(), device.Provisioning{
		Tenant: tenant, UserID: "alice", Name: "Pump 7", ExternalID: storetest.Tenant(), Tags: map[string]string{"site": "berlin"},
	})
	require.NoError(t, err)
	_, err = devices.Register(t.Context(), device.Registration{Code: activation.Code})
	require.NoError(t, err)
	return store.Device{Tenant: tenant, ID: added.ID}
}

package admin

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
	"github.com/fieldgate/fieldgate/verify"
)

func TestVerify_PrintsViolationsAndFails(t *testing.T) {
	t.Parallel()
	server, tenant := storetest.Start(t), storetest.Tenant()
	_, err := runCommand(t, server.URL(), "verify")
	require.ErrorContains(t, err, "the store is empty")

	s := storetest.Connect(t, store.Config{URL: server.URL()})
	added, _, err := device.New(device.Config{Store: s}).Provision(t.Context(), device.Provisioning{Tenant: tenant, UserID: "alice", Name: "Pump 7"})
	require.NoError(t, err)
	_, err = runCommand(t, server.URL(), "verify")
	require.ErrorIs(t, err, store.ErrNoRetention)
	s.RecordRetention(t.Context(), store.DefaultRetention)
	out, err := runCommand(t, server.URL(), "verify")
	require.NoError(t, err)
	require.Contains(t, out, "1 tenants, 1 devices, 0 sessions, 0 commands")
	require.Regexp(t, `nothingLost +0`, out)

	require.NoError(t, s.Do(t.Context(), "test", func(ctx context.Context, c store.Client) error {
		return c.ZAdd(ctx, store.PartitionOf(tenant).DueKey(), redis.Z{Score: 1, Member: "session ses_lost " + added.ID + " " + tenant}).Err()
	}))
	out, err = runCommand(t, server.URL(), "verify", "--tenant="+tenant)
	require.ErrorContains(t, err, "1 violations")
	require.Regexp(t, `nothingLost +due session has no record +ses_lost +`+added.ID, out)

	out, err = runCommand(t, server.URL(), "verify", "--json")
	require.Error(t, err)
	var report verify.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Equal(t, 1, report.Violations[store.NothingLost])
	require.Equal(t, "ses_lost", report.Listed[0].ID)

	_, err = runCommand(t, server.URL(), "verify", "--tenant=acme")
	require.ErrorContains(t, err, "such as c.acme")
}

package admin

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestAdminQuota_ChangesLimitsOfTenant(t *testing.T) {
	t.Parallel()
	url, tenant := storetest.Start(t).URL(), storetest.Tenant()
	quotas := quota.New(quota.Config{Store: storetest.Connect(t, store.Config{URL: url}), Limits: quota.Amounts{Devices: 9, Sockets: 9}})
	limits := func() quota.Amounts {
		limits, _, err := quotas.Usage(t.Context(), tenant)
		require.NoError(t, err)
		return limits
	}
	run := func(arguments ...string) error {
		_, err := runCommand(t, url, append([]string{"quota", "--tenant=" + tenant}, arguments...)...)
		return err
	}
	err := run("--set=devices=500;storedBytes=0", "--set=sockets=3")
	require.NoError(t, err)
	require.Equal(t, quota.Amounts{Devices: 500, Sockets: 3}, limits())
	err = run("--reset=devices", "--reset=storedBytes")
	require.NoError(t, err)
	require.Equal(t, quota.Amounts{Devices: 9, Sockets: 3}, limits())

	err = run("--set=device=1")
	require.ErrorContains(t, err, "devices, openSessions")
	err = run("--set=devices=-1")
	require.ErrorContains(t, err, "negative")
	require.Equal(t, quota.Amounts{Devices: 9, Sockets: 3}, limits())
}

func TestAdminQuota_PrintsUsage(t *testing.T) {
	t.Parallel()
	url, tenant := storetest.Start(t).URL(), storetest.Tenant()
	arguments := []string{"quota", "--tenant=" + tenant, "--set=devices=500;sockets=0"}
	_, err := runCommand(t, url, arguments...)
	require.ErrorContains(t, err, "the store is empty")
	storetest.Connect(t, store.Config{URL: url})
	out, err := runCommand(t, url, arguments...)
	require.NoError(t, err)
	require.Regexp(t, `devices +0 +500`, out)
	require.Regexp(t, `sockets +0 +no limit`, out)
	require.Regexp(t, `storedBytes +0 +of the installation`, out)
	require.Regexp(t, `waitingClaims +- +of the installation`, out)

	out, err = runCommand(t, url, "quota", "--tenant="+tenant, "--json")
	require.NoError(t, err)
	require.JSONEq(t, `{"tenant":"`+tenant+`","ownLimits":{"devices":500,"sockets":0},
		"used":{"devices":0,"openSessions":0,"pendingApprovals":0,"readyCommands":0,"sockets":0,"storedBytes":0}}`, out)
	_, err = runCommand(t, url, "quota", "--tenant=acme")
	require.ErrorContains(t, err, "such as c.acme")
}

func TestAdminQuota_DryRunPrintsLimitsAndChangesNothing(t *testing.T) {
	t.Parallel()
	server, tenant := storetest.Start(t), storetest.Tenant()
	storetest.Connect(t, store.Config{URL: server.URL()})
	run := func(arguments ...string) string {
		out, err := runCommand(t, server.URL(), append([]string{"quota", "--tenant=" + tenant}, arguments...)...)
		require.NoError(t, err)
		return out
	}
	run("--set=devices=500;sockets=3")
	before := storetest.Dump(t, server)
	out := run("--set=devices=0", "--reset=sockets", "--dry-run")
	require.Regexp(t, `WOULD HAVE`, out)
	require.Regexp(t, `devices +0 +no limit`, out)
	require.Regexp(t, `sockets +0 +of the installation`, out)
	require.Contains(t, run("--set=devices=7", "--dry-run", "--json"), `"ownLimits":{"devices":7,"sockets":3}`)
	require.Equal(t, before, storetest.Dump(t, server))
}

// TestAdminQuota_StopsAtFirstError lets the first of two changes fail.
func TestAdminQuota_StopsAtFirstError(t *testing.T) {
	t.Parallel()
	server, tenant := storetest.Start(t), storetest.Tenant()
	storetest.Connect(t, store.Config{URL: server.URL()})
	require.NoError(t, server.Client(t).Set(t.Context(), store.Tenant(tenant).UsageKey(), "no hash", 0).Err())
	_, err := runCommand(t, server.URL(), "quota", "--tenant="+tenant, "--set=devices=5", "--reset=sockets")
	require.Error(t, err)
	require.Equal(t, 1, strings.Count(err.Error(), "WRONGTYPE"), "%v", err)
}

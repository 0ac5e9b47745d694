package main

import (
	"bytes"
	"io"
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
		var cli commands
		_, err := newParser(t, &cli).Parse(append([]string{"admin", "quota", "--redis-url=" + url, "--tenant=" + tenant}, arguments...))
		require.NoError(t, err)
		cli.Admin.Quota.out = io.Discard
		return cli.Admin.Quota.Run(t.Context())
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
	out := new(bytes.Buffer)
	url, tenant := storetest.Start(t).URL(), storetest.Tenant()
	c := adminQuotaCommand{RedisURL: url, Tenant: tenant, Set: map[string]int64{"devices": 500, "sockets": 0}, out: out}
	require.ErrorContains(t, c.Run(t.Context()), "the store is empty")
	storetest.Connect(t, store.Config{URL: url})
	require.NoError(t, c.Run(t.Context()))
	require.Regexp(t, `devices +0 +500`, out.String())
	require.Regexp(t, `sockets +0 +no limit`, out.String())
	require.Regexp(t, `storedBytes +0 +of the installation`, out.String())
	require.Regexp(t, `waitingClaims +- +of the installation`, out.String())
	c.Tenant = "acme"
	require.ErrorContains(t, c.Run(t.Context()), "such as c.acme")
}

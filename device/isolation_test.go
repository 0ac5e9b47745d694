package device_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestTenancy_OtherTenantsDeviceIsNotFound(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r, login := b.loggedIn()
		before, events := b.record(r.DeviceID), b.eventTypes(r.DeviceID)
		others := map[string]*bench{"in the same partition": b.inSamePartition(), "in another partition": b.inOtherPartition()}
		for name, other := range others {
			missing := store.NewID(store.KindDevice, store.PartitionOf(other.tenant))
			for operation, call := range tenantOperations() {
				err := call(other, r.DeviceID)
				refused := requireRefused(t, fieldgate.CodeDeviceNotFound, err)
				require.Equal(t, call(other, missing), err, "%s %s: the error differs from that of a missing device", operation, name)
				require.Nil(t, refused.Cause)
			}
			require.Empty(t, other.listNames(device.Filter{}, 10))
		}
		require.Equal(t, before, b.record(r.DeviceID), "the record has changed")
		require.Equal(t, events, b.eventTypes(r.DeviceID))
		require.NoError(t, b.check(login.Token))
	})
}

// inOtherPartition returns a bench of another tenant in another partition.
func (b *bench) inOtherPartition() *bench {
	other := *b
	for store.PartitionOf(other.tenant) == store.PartitionOf(b.tenant) {
		other.tenant = storetest.Tenant()
	}
	return &other
}

// tenantOperations returns all operations of a user on a device, by name. Each function
// gets the id of the device.
func tenantOperations() map[string]func(b *bench, id string) error {
	name := "stolen"
	return map[string]func(b *bench, id string) error{
		"get":    func(b *bench, id string) error { _, err := b.registry.Get(b.t.Context(), b.tenant, id); return err },
		"revoke": revoke, "suspend": suspend, "resume": resume,
		"decommission": func(b *bench, id string) error { return b.registry.Decommission(b.t.Context(), b.adminRequest(id)) },
		"issue": func(b *bench, id string) error {
			_, err := b.registry.IssueActivationCode(b.t.Context(), device.IssueRequest{Tenant: b.tenant, DeviceID: id})
			return err
		},
		"update": func(b *bench, id string) error {
			_, err := b.registry.Update(b.t.Context(), device.Change{Tenant: b.tenant, DeviceID: id, Name: &name})
			return err
		},
	}
}

func TestTenancy_InvalidIDIsNotFound(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Redis(t))
	p := store.PartitionOf(b.tenant).String()
	for _, id := range []string{"", "dev_", "PX4-001873", "dev_" + p + strings.Repeat(":", 26), "ses_" + p + strings.Repeat("0", 26)} {
		for operation, call := range tenantOperations() {
			require.Equal(t, fieldgate.CodeDeviceNotFound, fieldgate.CodeOf(call(b, id)), "%s %q", operation, id)
		}
	}
}

// TestDevice_LifecycleOnCluster runs every script on a Redis Cluster, which refuses
// scripts whose keys are in several slots.
func TestDevice_LifecycleOnCluster(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Connect(t, store.Config{URL: storetest.StartCluster(t, 3).URL()}))
	r, login := b.loggedIn()
	require.NoError(t, b.check(login.Token))
	b.sendHeartbeat(newHeartbeat(b, r.DeviceID))
	_, err := b.registry.Update(t.Context(), device.Change{Tenant: b.tenant, DeviceID: r.DeviceID, Tags: map[string]string{"site": "berlin"}})
	require.NoError(t, err)
	require.Len(t, b.listNames(device.Filter{Tag: "site:berlin", Status: device.Active}, 10), 1)
	require.NoError(t, suspend(b, r.DeviceID))
	require.NoError(t, resume(b, r.DeviceID))
	require.NoError(t, revoke(b, r.DeviceID))
	require.NoError(t, b.registry.Logout(t.Context(), login.Token))
	b.register(b.issue(r.DeviceID).Code)
	b.decommission(r.DeviceID)
	require.Equal(t, device.Decommissioned, b.get(r.DeviceID).Status)
}

// TestStore_ContainsNoSecrets searches the whole store for secrets, codes and tokens.
// A copy of the store must not be enough to log in.
func TestStore_ContainsNoSecrets(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"embedded": "", "redis": storetest.Start(t).URL()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, storetest.Connect(t, store.Config{URL: url}))
			d, first := b.provision(func(p *device.Provisioning) { p.IdempotencyKey = "key-1" })
			second, err := b.registry.IssueActivationCode(t.Context(), device.IssueRequest{Tenant: b.tenant, DeviceID: d.ID, IdempotencyKey: "key-2"})
			require.NoError(t, err)
			g := registration(second.Code)
			g.IdempotencyKey = "key-3"
			registered, err := b.registry.Register(t.Context(), g)
			require.NoError(t, err)
			login := b.login(registered)
			require.NoError(t, b.check(login.Token))
			b.sendHeartbeat(newHeartbeat(b, d.ID))

			dump := b.dump()
			require.Contains(t, dump, d.ID, "the dump is incomplete")
			for _, secret := range []string{first.Code, second.Code, registered.Secret, login.Token, login.Token[33:]} {
				require.NotContains(t, dump, secret)
				require.NotContains(t, dump, strings.ReplaceAll(secret, "-", ""))
			}
			require.NotContains(t, dump, "key-3")
		})
	}
}

// dump returns all keys of the store with their contents.
func (b *bench) dump() string {
	b.t.Helper()
	var out strings.Builder
	b.do(func(ctx context.Context, c store.Client) error {
		keys, err := c.Keys(ctx, "*").Result()
		for _, key := range keys {
			kind := c.Type(ctx, key).Val()
			read := map[string]func() any{
				"string": func() any { return c.Get(ctx, key).Val() },
				"hash":   func() any { return c.HGetAll(ctx, key).Val() },
				"zset":   func() any { return c.ZRange(ctx, key, 0, -1).Val() },
				"set":    func() any { return c.SMembers(ctx, key).Val() },
				"list":   func() any { return c.LRange(ctx, key, 0, -1).Val() },
				"stream": func() any { return c.XRange(ctx, key, "-", "+").Val() },
			}[kind]
			require.NotNil(b.t, read, "the dump cannot read keys of type %s", kind)
			fmt.Fprintln(&out, key, kind, read())
		}
		return err
	})
	return out.String()
}

package store_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
)

// keysOf returns a map whose values are all store keys of a tenant and of one of its
// devices. The keys of the map describe these store keys.
func keysOf(tenant string, d store.Device) map[string]string {
	t, p := store.Tenant(tenant), store.PartitionOf(tenant)
	session, command := store.NewID(store.KindSession, p), store.NewID(store.KindCommand, p)
	keys := map[string]string{
		"stream": t.StreamKey(), "inbox": t.InboxKey(), "devices": t.DevicesKey(), "external": t.ExternalIDsKey(),
		"sessions": t.SessionsKey(), "rate": t.RateKey(), "idempotency": store.IdempotencyKeys(tenant, "key-1")[0],
		"usage": t.UsageKey(), "socket leases": t.SocketLeasesKey(), "by status": t.DevicesByKey("status", "active"), "by tag": t.DevicesByKey("tag", "site=berlin"),
		"cut-offs": t.CutOffsKey(), "cut-off details": t.CutOffDetailsKey(),
		"device sessions": d.SessionsKey(), "device rate": d.RateKey(), "device claim": d.ClaimKey("d1"), "registration": d.RegistrationKey("d1"),
		"login": store.LoginKey(d.ID, "h1"), "logins": store.LoginsKey(d.ID), "session": store.SessionKey(session), "result": store.ResultKey(command),
	}
	for i, key := range d.Keys()[:8] { // the other keys belong to the tenant or the partition
		keys[fmt.Sprint("device key ", i)] = key
	}
	return keys
}

// deviceOf returns a new device of a tenant.
func deviceOf(tenant string) store.Device {
	return store.Device{Tenant: tenant, ID: store.NewID(store.KindDevice, store.PartitionOf(tenant))}
}

// adversaries returns names of tenants that resemble parts of other tenants' keys.
// Together they use all characters that the name of a tenant may contain.
func adversaries() []string {
	tenants := []string{"c.a", "u.a", "c.", "u.", "c.a.b", "c.a-b", "c.a_b", "u.auth0~7c1", "u.auth0~3a1", "c.fg", "c.%7B00%7D"}
	for _, word := range []string{
		"events", "inbox", "usage", "leases", "devices", "external", "sessions", "rate", "idempotency", "tenant", "device", "due", "status", "tag",
	} {
		tenants = append(tenants, word, "c."+word, "c.a."+word)
	}
	return tenants
}

// TestKeys_HaveHashTagOfPartition checks that all keys of a tenant are in one slot. A
// Cluster refuses a script with keys of several slots.
func TestKeys_HaveHashTagOfPartition(t *testing.T) {
	t.Parallel()
	for _, tenant := range adversaries() {
		tag := "fg:{" + store.PartitionOf(tenant).String() + "}:"
		for what, key := range keysOf(tenant, deviceOf(tenant)) {
			require.True(t, strings.HasPrefix(key, tag), "%s of %s: %s", what, tenant, key)
		}
	}
}

func TestKeys_AreDistinct(t *testing.T) {
	t.Parallel()
	owner := map[string]string{}
	add := func(key, what string) {
		shared := owner[key] != "" && owner[key] != what
		require.False(t, shared, "%s is the key of the %s and of the %s", key, owner[key], what)
		owner[key] = what
	}
	for _, tenant := range adversaries() {
		for what, key := range keysOf(tenant, deviceOf(tenant)) {
			if strings.HasPrefix(key, "fg:{"+store.PartitionOf(tenant).String()+"}:tenant:") {
				what += " of " + tenant
			}
			add(key, what)
		}
		add(store.RateKey("register", tenant), "register rate of "+tenant)
		add(store.RateKey("auth", tenant), "auth rate of "+tenant)
		add(store.ActivationKey(store.DigestOf(tenant)), "activation of "+tenant)
		add(store.PartitionOf(tenant).DueKey(), "due index")
		add(store.PartitionOf(tenant).QuarantineKey(), "quarantine")
		add(store.PartitionOf(tenant).CutOffTenantsKey(), "index of cut-offs")
	}
}

// TestKeys_WithTextOfCaller checks keys that contain text from a caller. The text must be
// the last part of the key, or be replaced by a digest, so that it cannot resemble
// another part.
func TestKeys_WithTextOfCaller(t *testing.T) {
	t.Parallel()
	tenant := store.Tenant("c.acme")
	seen := map[string]string{}
	for _, value := range []string{"", "a", "a:b", ":", "x:events", "}", "{00}", "a b", "\n", "é"} {
		key := tenant.DevicesByKey("tag", value)
		require.True(t, strings.HasPrefix(key, tenant.DevicesByKey("tag", "")))
		require.Empty(t, seen[key])
		seen[key] = value
		require.Equal(t, tenant.StreamKey()[:8], key[:8])
	}
	require.Nil(t, store.IdempotencyKeys("c.acme", ""))
	require.NotEqual(t, store.IdempotencyKeys("c.acme", "a"), store.IdempotencyKeys("c.acme", "b"))
	require.NotContains(t, store.IdempotencyKeys("c.acme", "chosen:freely")[0], "chosen")
}

// TestDeviceKeys_OrderMatchesScripts compares the order of Device.Keys with
// lua/device.lua, which names each key of the set by its index.
func TestDeviceKeys_OrderMatchesScripts(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("lua/device.lua")
	require.NoError(t, err)
	d := deviceOf("c.acme")
	named := map[string]string{
		"record": d.RecordKey(), "commands": d.CommandsKey(), "index": d.IndexKey(), "ready": d.ReadyKey(),
		"cancels": d.CancelsKey(), "timeline": d.TimelineKey(),
		"stream": store.Tenant("c.acme").StreamKey(), "usage": store.Tenant("c.acme").UsageKey(), "inbox": store.Tenant("c.acme").InboxKey(),
		"due": store.PartitionOf("c.acme").DueKey(), "quarantine": store.PartitionOf("c.acme").QuarantineKey(),
	}
	keys := d.Keys()
	matches := regexp.MustCompile(`(\w+) = KEYS\[key(?: \+ (\d+))?\]`).FindAllStringSubmatch(string(file), -1)
	require.Len(t, matches, len(keys))
	for i, match := range matches {
		if match[2] != "" {
			require.Equal(t, fmt.Sprint(i), match[2])
		}
		want, ok := named[match[1]]
		if !ok {
			want = d.RecordKey() + ":" + match[1]
		}
		require.Equal(t, want, keys[i], match[1])
	}
	require.Contains(t, string(file), fmt.Sprintf("DEVICE_KEYS = %d\n", len(keys)))
	require.Contains(t, string(file), fmt.Sprintf("DEVICE_ARGS = %d\n", len(store.Scope{Device: d}.Args())))
}

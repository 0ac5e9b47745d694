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

// keysOf are all keys of a tenant and of one of its devices, by what built them.
func keysOf(tenant string, d store.Device) map[string]string {
	t, p := store.Tenant(tenant), store.PartitionOf(tenant)
	session, command := store.NewID(store.KindSession, p), store.NewID(store.KindCommand, p)
	keys := map[string]string{
		"stream": t.StreamKey(), "inbox": t.InboxKey(), "devices": t.DevicesKey(), "external": t.ExternalIDsKey(),
		"sessions": t.SessionsKey(), "rate": t.RateKey(), "idempotency": store.IdempotencyKeys(tenant, "key-1")[0],
		"by status": t.DevicesByKey("status", "active"), "by tag": t.DevicesByKey("tag", "site=berlin"),
		"device sessions": d.SessionsKey(), "device rate": d.RateKey(), "device claim": d.ClaimKey("d1"), "registration": d.RegistrationKey("d1"),
		"login": store.LoginKey(d.ID, "h1"), "logins": store.LoginsKey(d.ID), "session": store.SessionKey(session), "result": store.ResultKey(command),
	}
	for i, key := range d.Keys()[:8] { // the others are the tenant's and the partition's
		keys[fmt.Sprint("device key ", i)] = key
	}
	return keys
}

func deviceOf(tenant string) store.Device {
	return store.Device{Tenant: tenant, ID: store.NewID(store.KindDevice, store.PartitionOf(tenant))}
}

// adversaries are tenants that try to look like a part of another one's keys. A
// tenant may hold nothing else than these characters.
func adversaries() []string {
	tenants := []string{"c.a", "u.a", "c.", "u.", "c.a.b", "c.a-b", "c.a_b", "u.auth0~7c1", "u.auth0~3a1", "c.fg", "c.%7B00%7D"}
	for _, word := range []string{
		"events", "inbox", "devices", "external", "sessions", "rate", "idempotency", "tenant", "device", "due", "status", "tag",
	} {
		tenants = append(tenants, word, "c."+word, "c.a."+word)
	}
	return tenants
}

// All that a transition touches is in one slot, or a Cluster refuses it.
func TestEveryKeyOfATenantHasItsHashTag(t *testing.T) {
	t.Parallel()
	for _, tenant := range adversaries() {
		tag := "fg:{" + store.PartitionOf(tenant).String() + "}:"
		for what, key := range keysOf(tenant, deviceOf(tenant)) {
			require.True(t, strings.HasPrefix(key, tag), "%s of %s: %s", what, tenant, key)
		}
	}
}

func TestNoTwoThingsShareAKey(t *testing.T) {
	t.Parallel()
	owner := map[string]string{}
	claim := func(key, what string) {
		shared := owner[key] != "" && owner[key] != what
		require.False(t, shared, "%s belongs to %s and to %s", key, owner[key], what)
		owner[key] = what
	}
	for _, tenant := range adversaries() {
		for what, key := range keysOf(tenant, deviceOf(tenant)) {
			if strings.HasPrefix(key, "fg:{"+store.PartitionOf(tenant).String()+"}:tenant:") {
				what += " of " + tenant
			}
			claim(key, what)
		}
		claim(store.RateKey("register", tenant), "register rate of "+tenant)
		claim(store.RateKey("auth", tenant), "auth rate of "+tenant)
		claim(store.ActivationKey(store.DigestOf(tenant)), "activation of "+tenant)
		claim(store.PartitionOf(tenant).DueKey(), "due index")
		claim(store.PartitionOf(tenant).QuarantineKey(), "quarantine")
	}
}

// A value that a customer chose freely is the last part of its key, so that it
// cannot pass for another part.
func TestWhatACustomerChoosesCannotLeaveItsKey(t *testing.T) {
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

// lua/device.lua names the keys of a device by their place.
func TestTheKeySetIsInTheOrderOfTheScripts(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("lua/device.lua")
	require.NoError(t, err)
	d := deviceOf("c.acme")
	named := map[string]string{
		"record": d.RecordKey(), "commands": d.CommandsKey(), "index": d.IndexKey(), "ready": d.ReadyKey(),
		"cancels": d.CancelsKey(), "timeline": d.TimelineKey(),
		"stream": store.Tenant("c.acme").StreamKey(), "inbox": store.Tenant("c.acme").InboxKey(),
		"due": store.PartitionOf("c.acme").DueKey(), "quarantine": store.PartitionOf("c.acme").QuarantineKey(),
	}
	keys := d.Keys()
	places := regexp.MustCompile(`(\w+) = KEYS\[key(?: \+ (\d+))?\]`).FindAllStringSubmatch(string(file), -1)
	require.Len(t, places, len(keys))
	for i, place := range places {
		if place[2] != "" {
			require.Equal(t, fmt.Sprint(i), place[2])
		}
		want, ok := named[place[1]]
		if !ok {
			want = d.RecordKey() + ":" + place[1]
		}
		require.Equal(t, want, keys[i], place[1])
	}
	require.Contains(t, string(file), fmt.Sprintf("DEVICE_KEYS = %d\n", len(keys)))
	require.Contains(t, string(file), fmt.Sprintf("DEVICE_ARGS = %d\n", len(store.Scope{Device: d}.Args())))
}

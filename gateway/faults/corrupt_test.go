package faults_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// structures are the Redis structures that the store keeps for a device. Damage to a structure
// that devices share may affect all devices of the tenant.
var structures = map[string]struct {
	at     int
	shared bool
}{
	"record":     {recordKey, false},
	"commands":   {commandsKey, false},
	"index":      {indexKey, false},
	"ready":      {readyKey, false},
	"pending":    {pendingKey, false},
	"leases":     {leasesKey, false},
	"cancels":    {cancelsKey, false},
	"timeline":   {timelineKey, false},
	"stream":     {streamKey, true},
	"inbox":      {inboxKey, true},
	"due":        {dueKey, true},
	"quarantine": {quarantineKey, true},
	"session":    {-1, false},
}

const wrongType = "of the wrong type"

// damages are ways to damage a structure.
var damages = map[string]func(t testing.TB, c *redis.Client, key string){
	wrongType: func(t testing.TB, c *redis.Client, key string) {
		require.NoError(t, c.Set(t.Context(), key, "nonsense", 0).Err())
	},
	"full of garbage": func(t testing.TB, c *redis.Client, key string) { fillWithGarbage(t, c, key) },
}

// fillWithGarbage adds and replaces values in a structure, but keeps the structure's type.
func fillWithGarbage(t testing.TB, c *redis.Client, key string) {
	t.Helper()
	ctx := t.Context()
	switch c.Type(ctx, key).Val() {
	case "hash":
		for field := range c.HGetAll(ctx, key).Val() {
			require.NoError(t, c.HSet(ctx, key, field, "\x00garbage\xff").Err())
		}
		require.NoError(t, c.HSet(ctx, key, "garbage", "{").Err())
	case "stream":
		require.NoError(t, c.XAdd(ctx, &redis.XAddArgs{Stream: key, Values: []string{"garbage", "\x00\xff"}}).Err())
	case "list":
		require.NoError(t, c.RPush(ctx, key, "garbage").Err())
	case "set":
		require.NoError(t, c.SAdd(ctx, key, "garbage").Err())
	default:
		for i := range 150 { // more entries than the sweeper reads at once
			require.NoError(t, c.ZAdd(ctx, key, redis.Z{Score: float64(i), Member: fmt.Sprint("garbage ", i)}).Err())
		}
	}
}

// TestCorruption_DoesNotSpread damages a structure of one device. Other devices must continue
// to work. If all devices of the tenant share the structure, only the devices of other tenants
// must continue to work.
func TestCorruption_DoesNotSpread(t *testing.T) {
	t.Parallel()
	for name, structure := range structures {
		for what, damage := range damages {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				forEachSeed(t, func(t *testing.T, seed uint64) {
					server := storetest.Start(t)
					direct := server.Client(t)
					s := newSite(t, plan{seed: seed, allowedErrors: []string{"ERROR"}}, server.URL(), direct)
					victim, all := s.tenants[0].devices[0], structure.shared && what == wrongType
					s.runWithFault(func() {
						victim.markDamaged(all)
						damage(t, direct, victim.structureKey(structure.at))
						before := s.progress(all)
						sleep(t.Context(), time.Second)
						requireProgress(t, before, func() map[*device]int64 { return s.progress(all) })
					})
					s.verify()
				})
			})
		}
	}
}

// structureKey returns the key of a structure. The argument index is an index into Keys. A
// negative index stands for the current session, whose key is not in Keys.
func (d *device) structureKey(index int) string {
	if index < 0 {
		session, _ := d.currentSession()
		return store.SessionKey(session)
	}
	return d.key.Keys()[index]
}

// markDamaged excludes a device, or all devices of its tenant, from verification.
func (d *device) markDamaged(all bool) {
	d.damaged.Store(true)
	d.tenant.damaged.Store(all)
	for _, other := range d.tenant.devices {
		other.damaged.Store(all || other == d)
	}
}

// progress returns the number of commands that each undamaged device has claimed. If shared
// is true, all devices of a tenant share the damaged structure. Then progress omits the
// tenant of the damaged device.
func (s *site) progress(shared bool) map[*device]int64 {
	claimed := map[*device]int64{}
	for i, c := range s.tenants {
		for j, d := range c.devices {
			if i > 0 || (j > 0 && !shared) {
				claimed[d] = d.claimed.Load()
			}
		}
	}
	return claimed
}

// requireProgress waits until each device has claimed another command. The time limit is long,
// so that only a fault and not a slow machine can exceed it.
func requireProgress(t testing.TB, before map[*device]int64, now func() map[*device]int64) {
	t.Helper()
	require.Eventually(t, func() bool {
		for d, n := range now() {
			if n <= before[d] {
				return false
			}
		}
		return true
	}, 30*time.Second, 50*time.Millisecond, "a device claims no more commands")
}

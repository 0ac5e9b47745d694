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

// structures are what the store keeps of a device, and how far the harm may go when
// one of them is damaged: to the device, or to all of the customer.
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

// damages are what may have become of a structure.
var damages = map[string]func(t testing.TB, c *redis.Client, key string){
	wrongType: func(t testing.TB, c *redis.Client, key string) {
		require.NoError(t, c.Set(t.Context(), key, "nonsense", 0).Err())
	},
	"full of garbage": func(t testing.TB, c *redis.Client, key string) { fillWithGarbage(t, c, key) },
}

// fillWithGarbage keeps the type of a structure and spoils what is in it.
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
		for i := range 150 { // more than the sweeper takes at once
			require.NoError(t, c.ZAdd(ctx, key, redis.Z{Score: float64(i), Member: fmt.Sprint("garbage ", i)}).Err())
		}
	}
}

func TestCorruption_DoesNotSpread(t *testing.T) {
	t.Parallel()
	for name, structure := range structures {
		for what, damage := range damages {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				each(t, func(t *testing.T, seed uint64) {
					server := storetest.Start(t)
					direct := server.Client(t)
					s := newSite(t, plan{seed: seed, expected: []string{"ERROR"}}, server.URL(), direct)
					victim, all := s.customers[0].devices[0], structure.shared && what == wrongType
					s.under(func() {
						victim.spoil(all)
						damage(t, direct, victim.structure(structure.at))
						before := s.progress(all)
						pause(t.Context(), time.Second)
						requireProgress(t, before, func() map[*device]int64 { return s.progress(all) })
					})
					s.account()
				})
			})
		}
	}
}

// structure gives the key of a structure; the session's has no place of its own.
func (d *device) structure(at int) string {
	if at < 0 {
		session, _ := d.current()
		return store.SessionKey(session)
	}
	return d.key.Keys()[at]
}

// spoil says that nothing can be expected of a device any more, or of its customer.
func (d *device) spoil(all bool) {
	d.spoiled.Store(true)
	d.customer.spoiled.Store(all)
	for _, other := range d.customer.devices {
		other.spoiled.Store(all || other == d)
	}
}

// progress counts the commands that were claimed by each device that must be well.
func (s *site) progress(shared bool) map[*device]int64 {
	claimed := map[*device]int64{}
	for i, c := range s.customers {
		for j, d := range c.devices {
			if i > 0 || (j > 0 && !shared) {
				claimed[d] = d.claimed.Load()
			}
		}
	}
	return claimed
}

// requireProgress waits until each device has claimed since. How long that takes is the
// machine's affair; that it never happens is the gateway's.
func requireProgress(t testing.TB, before map[*device]int64, now func() map[*device]int64) {
	t.Helper()
	require.Eventually(t, func() bool {
		for d, n := range now() {
			if n <= before[d] {
				return false
			}
		}
		return true
	}, 30*time.Second, 50*time.Millisecond, "a device does nothing any more")
}

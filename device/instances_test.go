package device_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// loginAs logs a device in as the instance, and returns the principal of the login.
func (b *bench) loginAs(r device.Registered, instance string) device.Principal {
	b.t.Helper()
	c := credentials(r)
	c.InstanceID, c.Addr, c.RequestID = instance, "192.0.2.7", "req-login"
	login, err := b.registry.Login(b.t.Context(), c)
	require.NoError(b.t, err)
	p, err := b.registry.Check(b.t.Context(), login.Token)
	require.NoError(b.t, err)
	return p
}

// act sends a heartbeat with a login.
func (b *bench) act(p device.Principal) {
	b.t.Helper()
	b.sendHeartbeat(device.Heartbeat{Device: p.Device(), Login: p.Login, Status: "ok", RequestID: "req-beat"})
}

// inConflict registers a device whose instances "a" and "b" are in conflict. It returns the logins of both.
func (b *bench) inConflict() (r device.Registered, both []device.Principal) {
	b.t.Helper()
	r = b.registered()
	both = []device.Principal{b.loginAs(r, "a"), b.loginAs(r, "b")}
	b.act(both[0])
	require.NotNil(b.t, b.get(r.DeviceID).IdentityConflict)
	return r, both
}

// identityEvents returns the types and the data of the events about the device's instances.
func (b *bench) identityEvents(id string) (found []string) {
	b.t.Helper()
	for _, event := range b.events(id) {
		if strings.HasPrefix(event.Type, "device.identity_") {
			found = append(found, event.Type+" "+event.Data)
		}
	}
	return found
}

func TestInstances_RestartIsNoConflict(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r := b.registered()
		for _, instance := range []string{"a", "b", "c", "d", "e", "f"} {
			p := b.loginAs(r, instance)
			b.act(p)
			b.act(b.loginAs(r, instance))
		}
		require.Nil(t, b.get(r.DeviceID).IdentityConflict)
		require.Empty(t, b.identityEvents(r.DeviceID))
	})
}

// TestInstances_ManyInTurnAreConflict lets more instances act in turn than the list of a device has. Each
// logs in, and later acts with its login or logs in again.
func TestInstances_ManyInTurnAreConflict(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for _, n := range []int{5, 19, 60} {
			b := newBench(t, s)
			r := b.registered()
			var names []string
			for i := range n {
				names = append(names, fmt.Sprint("copy-", i))
				b.act(b.loginAs(r, names[i]))
			}
			require.Nil(t, b.get(r.DeviceID).IdentityConflict, "%d restarts", n)
			for _, name := range names {
				b.act(b.loginAs(r, name))
			}
			conflict := b.get(r.DeviceID).IdentityConflict
			require.NotNil(t, conflict, "%d instances", n)
			require.Len(t, conflict.Instances, min(n, 16))
			require.Len(t, b.identityEvents(r.DeviceID), 1)
		}
	})
}

// TestInstances_RecordIsBounded lets a device name another instance at each login, before and during a
// conflict.
func TestInstances_RecordIsBounded(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Redis(t))
	r := b.registered()
	for i := range 150 {
		b.loginAs(r, strings.Repeat("x", 120)+fmt.Sprint(i%60))
	}
	conflict := b.get(r.DeviceID).IdentityConflict
	require.NotNil(t, conflict)
	require.Len(t, conflict.Instances, 16)
	record := b.record(r.DeviceID)
	require.LessOrEqual(t, len(record["earlier_instances"]), 64*11)
	require.Less(t, len(record["instances"]), 16*256)
}

func TestInstances_LoginsWithoutInstanceAreNoConflict(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r := b.registered()
		first, second := b.loginAs(r, ""), b.loginAs(r, "")
		named := b.loginAs(r, "a")
		for _, p := range []device.Principal{first, second, named, first, second, named} {
			b.act(p)
		}
		require.Nil(t, b.get(r.DeviceID).IdentityConflict)
	})
}

// TestInstances_EarlierOneThatActsIsConflict covers both ways in which an earlier instance shows that it
// is alive: with its login, and with a new one.
func TestInstances_EarlierOneThatActsIsConflict(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for name, again := range map[string]func(b *bench, r device.Registered, first device.Principal){
			"heartbeat": func(b *bench, _ device.Registered, first device.Principal) { b.act(first) },
			"login":     func(b *bench, r device.Registered, _ device.Principal) { b.loginAs(r, "a") },
		} {
			b := newBench(t, s)
			r := b.registered()
			first, second := b.loginAs(r, "a"), b.loginAs(r, "b")
			b.act(second)
			require.Nil(t, b.get(r.DeviceID).IdentityConflict, name)
			for range 3 {
				again(b, r, first)
				b.act(second)
			}
			conflict := b.get(r.DeviceID).IdentityConflict
			require.NotNil(t, conflict, name)
			require.WithinDuration(t, b.now(), conflict.Since, time.Minute)
			require.Equal(t, []string{"a", "b"}, []string{conflict.Instances[0].ID, conflict.Instances[1].ID})
			require.Equal(t, "192.0.2.7", conflict.Instances[0].Addr)
			require.Equal(t, []string{`device.identity_conflict {"instances":["b","a"]}`}, b.identityEvents(r.DeviceID), name)

			list, _, err := b.registry.List(t.Context(), b.tenant, device.Filter{}, store.Page{Limit: 1})
			require.NoError(t, err)
			require.Equal(t, conflict, list[0].IdentityConflict)
		}
	})
}

func TestResolveIdentity_EndsConflictUntilAnotherInstanceActs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for keep, right := range map[string]int{"a": 0, "b": 1, device.NewestInstance: 1} {
			b := newBench(t, s)
			r, both := b.inConflict()
			resolved, err := b.registry.ResolveIdentity(t.Context(), b.adminRequest(r.DeviceID), keep)
			require.NoError(t, err)
			require.Nil(t, resolved.IdentityConflict)

			b.act(both[right])
			require.Nil(t, b.get(r.DeviceID).IdentityConflict, keep)
			b.act(both[1-right])
			require.NotNil(t, b.get(r.DeviceID).IdentityConflict, keep)
			require.Len(t, b.identityEvents(r.DeviceID), 3, "conflict, resolved and conflict")
		}
	})
}

func TestResolveIdentity_WithoutConflictChangesNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r := b.registered()
		b.loginAs(r, "a")
		before := b.record(r.DeviceID)
		_, err := b.registry.ResolveIdentity(t.Context(), b.adminRequest(r.DeviceID), "x")
		require.NoError(t, err)
		require.Equal(t, before, b.record(r.DeviceID))
		require.Empty(t, b.identityEvents(r.DeviceID))
	})
}

func TestResolveIdentity_UnknownInstanceIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r, _ := b.inConflict()
		_, err := b.registry.ResolveIdentity(t.Context(), b.adminRequest(r.DeviceID), "x")
		requireRefused(t, fieldgate.CodeValidationFailed, err)
		require.NotNil(t, b.get(r.DeviceID).IdentityConflict)
	})
}

func TestRegister_EndsIdentityConflict(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r, _ := b.inConflict()
		b.act(b.loginAs(b.register(b.issue(r.DeviceID).Code), "a"))
		require.Nil(t, b.get(r.DeviceID).IdentityConflict)
	})
}

// TestInstances_DamagedListIsReplaced damages the list of instances. The device must stay usable.
func TestInstances_DamagedListIsReplaced(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r := b.registered()
		b.loginAs(r, "a")
		for _, damaged := range []string{"{", "7", ""} {
			b.setField(r.DeviceID, "instances", damaged)
			b.setField(r.DeviceID, "conflict", "7")
			require.NotNil(t, b.get(r.DeviceID).IdentityConflict)
			b.act(b.loginAs(r, "b"+damaged))
		}
	})
}

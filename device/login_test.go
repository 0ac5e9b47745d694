package device_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

const day = 24 * time.Hour

func TestALoginTellsWhoTheDeviceIs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r, login := b.loggedIn()
		require.Regexp(t, `^fgd_`+r.DeviceID[4:]+`_[A-Za-z0-9_-]{43}$`, login.Token)
		require.Equal(t, 7*day, login.ExpiresIn)
		p, err := b.registry.Check(t.Context(), login.Token)
		require.NoError(t, err)
		require.Equal(t, device.Principal{
			Tenant: b.tenant, DeviceID: r.DeviceID, ExpiresAt: login.ExpiresAt, Epoch: b.record(r.DeviceID)["epoch"],
		}, p)
		require.Equal(t, b.key(r.DeviceID), p.Device())
	})
}

func TestAPrincipalTravelsInTheContext(t *testing.T) {
	t.Parallel()
	_, found := device.FromContext(t.Context())
	require.False(t, found)
	p := device.Principal{Tenant: "c.acme", DeviceID: "dev_1"}
	carried, found := device.FromContext(device.NewContext(t.Context(), p))
	require.True(t, found)
	require.Equal(t, p, carried)
}

func TestWrongCredentialsAreOneAnswer(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		good, waiting, gone := b.registered(), provisioned(b), b.registered()
		b.decommission(gone.DeviceID)
		unknown := store.NewID(store.KindDevice, store.PartitionOf(b.tenant))
		for name, c := range map[string]device.Credentials{
			"wrong secret":      {DeviceID: good.DeviceID, Secret: b.registered().Secret},
			"no secret":         {DeviceID: good.DeviceID},
			"hash for a secret": {DeviceID: good.DeviceID, Secret: b.record(good.DeviceID)["secret"]},
			"unknown device":    {DeviceID: unknown, Secret: good.Secret},
			"no device id":      {DeviceID: "PX4-001873", Secret: good.Secret},
			"not registered":    {DeviceID: waiting, Secret: good.Secret},
			"dots for a secret": {DeviceID: waiting, Secret: strings.Repeat(".", 64)},
			"decommissioned":    credentials(gone),
		} {
			_, err := b.registry.Login(t.Context(), c)
			refused := requireRefused(t, fieldgate.CodeInvalidCredentials, err)
			require.Equal(t, "The device id or the secret is wrong.", refused.Detail, name)
		}
	})
}

func provisioned(b *bench) string {
	d, _ := b.provision()
	return d.ID
}

func TestOnlyTheRightSecretIsToldOfASuspension(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r := b.registered()
		_, err := b.registry.Suspend(t.Context(), b.order(r.DeviceID))
		require.NoError(t, err)
		_, err = b.registry.Login(t.Context(), credentials(r))
		requireRefused(t, fieldgate.CodeDeviceSuspended, err)
		_, err = b.registry.Login(t.Context(), device.Credentials{DeviceID: r.DeviceID, Secret: "guess"})
		requireRefused(t, fieldgate.CodeInvalidCredentials, err)
	})
}

// The secret may be replaced between the comparison and the login.
func TestASecretThatIsReplacedMeanwhileOpensNoLogin(t *testing.T) {
	t.Parallel()
	var interference func()
	s := interfere(t, "read_secret", func() { interference() })
	b := newBench(t, s)
	r := b.registered()
	code := b.issue(r.DeviceID).Code
	interference = func() { b.register(code) }
	_, err := b.registry.Login(t.Context(), credentials(r))
	requireRefused(t, fieldgate.CodeInvalidCredentials, err)
}

func TestALoginIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(b *bench, id string) error{
		"when logins are revoked":            revoke,
		"when the device is suspended":       suspend,
		"when it was suspended and resumed":  func(b *bench, id string) error { return errors.Join(suspend(b, id), resume(b, id)) },
		"when the device is decommissioned":  func(b *bench, id string) error { return b.registry.Decommission(b.t.Context(), b.order(id)) },
		"when the device is registered anew": func(b *bench, id string) error { b.register(b.issue(id).Code); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				b, instance := newBench(t, s), newBench(t, s)
				r, first := b.loggedIn()
				second := b.login(r)
				require.NoError(t, instance.check(first.Token))
				require.NoError(t, end(b, r.DeviceID))
				for _, login := range []device.Login{first, second} {
					requireRefused(t, fieldgate.CodeUnauthorized, instance.check(login.Token))
				}
			})
		})
	}
}

// Suspending and decommissioning end logins twice over: by the device's status,
// and by its epoch. Each alone is enough.
func TestStatusAndEpochEachEndALogin(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(b *bench, id string) error{
		"suspended":      suspend,
		"decommissioned": func(b *bench, id string) error { return b.registry.Decommission(b.t.Context(), b.order(id)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, storetest.Redis(t))
			r, login := b.loggedIn()
			b.set(r.DeviceID, "status", name)
			requireRefused(t, fieldgate.CodeUnauthorized, b.check(login.Token))
			b.set(r.DeviceID, "status", "active")
			require.NoError(t, b.check(login.Token))
			require.NoError(t, end(b, r.DeviceID))
			b.set(r.DeviceID, "status", "active")
			requireRefused(t, fieldgate.CodeUnauthorized, b.check(login.Token))
		})
	}
}

func revoke(b *bench, id string) error {
	_, err := b.registry.RevokeLogins(b.t.Context(), b.order(id))
	return err
}

func suspend(b *bench, id string) error {
	_, err := b.registry.Suspend(b.t.Context(), b.order(id))
	return err
}

func resume(b *bench, id string) error {
	_, err := b.registry.Resume(b.t.Context(), b.order(id))
	return err
}

func TestADeviceLogsInAgainAfterItsLoginsWereRevoked(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r, _ := b.loggedIn()
		require.NoError(t, revoke(b, r.DeviceID))
		require.NoError(t, b.check(b.login(r).Token))
		require.Equal(t, []string{"device.registered", "device.logins_revoked"}, b.eventTypes(r.DeviceID))
	})
}

func TestLoggingOutEndsOneLogin(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r, over := b.loggedIn()
		stays := b.login(r)
		require.NoError(t, b.registry.Logout(t.Context(), over.Token))
		requireRefused(t, fieldgate.CodeUnauthorized, b.check(over.Token))
		require.NoError(t, b.check(stays.Token))
		require.NoError(t, b.registry.Logout(t.Context(), over.Token), "it may be repeated")
		require.NoError(t, b.registry.Logout(t.Context(), "no token"))
	})
}

func TestUseRenewsALogin(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r, login := b.loggedIn()
		for range 3 {
			b.pass(r.DeviceID, 6*day)
			p, err := b.registry.Check(t.Context(), login.Token)
			require.NoError(t, err)
			require.WithinDuration(t, b.now().Add(7*day), p.ExpiresAt, time.Minute)
		}
	})
}

func TestAnUnusedLoginEnds(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r, login := b.loggedIn()
		b.pass(r.DeviceID, 7*day)
		requireRefused(t, fieldgate.CodeUnauthorized, b.check(login.Token))
	})
}

func TestALoginEndsHoweverMuchItIsUsed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r, login := b.loggedIn()
		for range 29 {
			b.pass(r.DeviceID, day)
			require.NoError(t, b.check(login.Token))
		}
		b.pass(r.DeviceID, day)
		requireRefused(t, fieldgate.CodeUnauthorized, b.check(login.Token))
	})
}

// The same by the clock: used all the time, it outlives its idle time and ends
// with its own.
func TestLoginsSlideUpToTheirEnd(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		const idle, whole = 1500 * time.Millisecond, 4 * time.Second
		b := newBench(t, s, func(c *device.Config) { c.LoginIdle, c.LoginMax = idle, whole })
		r, used := b.loggedIn()
		unused, start := b.login(r), time.Now()
		var refused error
		require.Eventually(t, func() bool {
			refused = b.check(used.Token)
			return refused != nil
		}, 20*time.Second, 10*time.Millisecond)
		requireRefused(t, fieldgate.CodeUnauthorized, refused)
		require.Greater(t, time.Since(start), idle+idle/2, "it did not slide")
		requireRefused(t, fieldgate.CodeUnauthorized, b.check(unused.Token))
		require.Eventually(t, func() bool { return b.keys("login:") == 0 }, 10*time.Second, 50*time.Millisecond,
			"what is left of logins goes away by itself")
	})
}

func TestAnIdleTimeBeyondTheEndIsCutToIt(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Redis(t), func(c *device.Config) { c.LoginIdle, c.LoginMax = 10*day, 2*day })
	_, login := b.loggedIn()
	require.Equal(t, 2*day, login.ExpiresIn)
	require.WithinDuration(t, b.now().Add(2*day), login.ExpiresAt, time.Minute)
}

func TestABusyDeviceCausesFewWrites(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r, login := b.loggedIn()
		b.pass(r.DeviceID, 30*time.Minute)
		require.NoError(t, b.check(login.Token))
		seen, expires := b.get(r.DeviceID).LastSeen, b.expiry(login.Token)
		require.WithinDuration(t, b.now(), seen, time.Minute, "a device that asks is seen")
		require.WithinDuration(t, b.now().Add(7*day-30*time.Minute), expires, time.Minute, "half an hour is not worth a write")

		b.pass(r.DeviceID, time.Second)
		require.NoError(t, b.check(login.Token))
		require.Equal(t, seen.Add(-time.Second), b.get(r.DeviceID).LastSeen)

		b.pass(r.DeviceID, time.Hour)
		require.NoError(t, b.check(login.Token))
		require.WithinDuration(t, b.now().Add(7*day), b.expiry(login.Token), time.Minute)
	})
}

func TestTheOldestOfTooManyLoginsGivesWay(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r, oldest := b.loggedIn()
		var others []device.Login
		for range 20 {
			others = append(others, b.login(r))
		}
		requireRefused(t, fieldgate.CodeUnauthorized, b.check(oldest.Token))
		for _, login := range others {
			require.NoError(t, b.check(login.Token))
		}
	})
}

func TestLoginsThatWereEndedCrowdNobodyOut(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r, stays := b.loggedIn()
		for range 25 {
			require.NoError(t, b.registry.Logout(t.Context(), b.login(r).Token))
		}
		require.NoError(t, b.check(stays.Token))
	})
}

func TestATokenOfAnotherDeviceOpensNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		victim, _ := b.loggedIn()
		_, own := b.loggedIn()
		forged := "fgd_" + victim.DeviceID[4:] + own.Token[32:]
		requireRefused(t, fieldgate.CodeUnauthorized, b.check(forged))
	})
}

func TestAMalformedTokenAsksNobody(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	b := newBench(t, storetest.Connect(t, store.Config{URL: server.URL()}))
	_, login := b.loggedIn()
	server.Kill()
	for _, token := range []string{
		"", "Bearer", login.Token[1:], login.Token + "A", "xyz_" + login.Token[4:],
		login.Token[:32] + "-" + login.Token[33:], "fgd_zz" + login.Token[6:], "fgd_00" + strings.Repeat(":", 26) + login.Token[32:],
	} {
		requireRefused(t, fieldgate.CodeUnauthorized, b.check(token))
	}
}

func TestAnOutageIsNeverARefusal(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	b := newBench(t, storetest.Connect(t, store.Config{URL: server.URL(), Timeout: 500 * time.Millisecond}))
	r, login := b.loggedIn()
	server.Kill()
	for name, call := range map[string]func(ctx context.Context) error{
		"check":  func(ctx context.Context) error { _, err := b.registry.Check(ctx, login.Token); return err },
		"login":  func(ctx context.Context) error { _, err := b.registry.Login(ctx, credentials(r)); return err },
		"logout": func(ctx context.Context) error { return b.registry.Logout(ctx, login.Token) },
		"register": func(ctx context.Context) error {
			_, err := b.registry.Register(ctx, registration("0000-0000-0000"))
			return err
		},
		"provision":  func(ctx context.Context) error { _, _, err := b.registry.Provision(ctx, b.provisioning()); return err },
		"heartbeat":  func(ctx context.Context) error { _, err := b.registry.Heartbeat(ctx, beat(b, r.DeviceID)); return err },
		"get":        func(ctx context.Context) error { _, err := b.registry.Get(ctx, b.tenant, r.DeviceID); return err },
		"suspend":    func(ctx context.Context) error { return suspend(b, r.DeviceID) },
		"end it all": func(ctx context.Context) error { return b.registry.Decommission(ctx, b.order(r.DeviceID)) },
	} {
		refused := requireRefused(t, fieldgate.CodeStoreUnavailable, call(t.Context()))
		require.Positive(t, refused.RetryAfter, name)
	}
	server.Restart(t)
	require.Eventually(t, func() bool { return b.check(login.Token) == nil }, 10*time.Second, 20*time.Millisecond,
		"the login outlives the outage")
}

func TestADeviceThatAsksTooOftenIsToldToWait(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s, func(c *device.Config) { c.DeviceRate = device.Rate{PerMinute: 1, Burst: 5} })
		r, login := b.loggedIn()
		_, other := b.loggedIn()
		for range 5 {
			require.NoError(t, b.check(login.Token))
		}
		refused := requireRefused(t, fieldgate.CodeRateLimited, b.check(login.Token))
		require.InDelta(t, time.Minute, refused.RetryAfter, float64(10*time.Second))
		requireRefused(t, fieldgate.CodeRateLimited, b.check(b.login(r).Token))
		require.NoError(t, b.check(other.Token))
	})
}

func TestWrongTokensDoNotUseUpTheDevicesLimit(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s, func(c *device.Config) { c.DeviceRate = device.Rate{PerMinute: 1, Burst: 1} })
		_, login := b.loggedIn()
		for range 10 {
			requireRefused(t, fieldgate.CodeUnauthorized, b.check(login.Token[:33]+strings.Repeat("A", 43)))
		}
		require.NoError(t, b.check(login.Token))
	})
}

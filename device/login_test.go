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

func TestLogin_CheckReturnsPrincipal(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r, login := b.loggedIn()
		require.Regexp(t, `^fgd_`+r.DeviceID[4:]+`_[A-Za-z0-9_-]{43}$`, login.Token)
		require.Equal(t, 7*day, login.ExpiresIn)
		p, err := b.registry.Check(t.Context(), login.Token)
		require.NoError(t, err)
		require.Equal(t, device.Principal{
			Tenant: b.tenant, DeviceID: r.DeviceID, ExpiresAt: login.ExpiresAt,
			Login: p.Login,
		}, p)
		require.Len(t, p.Login.Login, 64, "it is the hash of the token")
		require.True(t, p.Login.Made())
		require.Equal(t, b.key(r.DeviceID), p.Device())
	})
}

func TestPrincipal_Context(t *testing.T) {
	t.Parallel()
	_, found := device.FromContext(t.Context())
	require.False(t, found)
	p := device.Principal{Tenant: "c.acme", DeviceID: "dev_1"}
	carried, found := device.FromContext(device.NewContext(t.Context(), p))
	require.True(t, found)
	require.Equal(t, p, carried)
}

func TestLogin_WrongCredentialsAreRefusedAlike(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		active, provisioned, decommissioned := b.registered(), b.provisionedID(), b.registered()
		b.decommission(decommissioned.DeviceID)
		unknown := store.NewID(store.KindDevice, store.PartitionOf(b.tenant))
		for name, c := range map[string]device.Credentials{
			"wrong secret":       {DeviceID: active.DeviceID, Secret: b.registered().Secret},
			"no secret":          {DeviceID: active.DeviceID},
			"hash as the secret": {DeviceID: active.DeviceID, Secret: b.record(active.DeviceID)["secret"]},
			"unknown device":     {DeviceID: unknown, Secret: active.Secret},
			"invalid device id":  {DeviceID: "PX4-001873", Secret: active.Secret},
			"not registered":     {DeviceID: provisioned, Secret: active.Secret},
			"dots as the secret": {DeviceID: provisioned, Secret: strings.Repeat(".", 64)},
			"decommissioned":     credentials(decommissioned),
		} {
			_, err := b.registry.Login(t.Context(), c)
			refused := requireRefused(t, fieldgate.CodeInvalidCredentials, err)
			require.Equal(t, "The device id or the secret is wrong.", refused.Detail, name)
		}
	})
}

// provisionedID provisions a device and returns its id.
func (b *bench) provisionedID() string {
	d, _ := b.provision()
	return d.ID
}

func TestLogin_SuspensionIsRevealedOnlyToRightSecret(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r := b.registered()
		_, err := b.registry.Suspend(t.Context(), b.adminRequest(r.DeviceID))
		require.NoError(t, err)
		_, err = b.registry.Login(t.Context(), credentials(r))
		requireRefused(t, fieldgate.CodeDeviceSuspended, err)
		_, err = b.registry.Login(t.Context(), device.Credentials{DeviceID: r.DeviceID, Secret: "guess"})
		requireRefused(t, fieldgate.CodeInvalidCredentials, err)
	})
}

// TestLogin_SecretReplacedConcurrently replaces the device's secret after Login has
// compared it, but before the login script runs.
func TestLogin_SecretReplacedConcurrently(t *testing.T) {
	t.Parallel()
	var hook func()
	s := hookAfter(t, "read_secret", func() { hook() })
	b := newBench(t, s)
	r := b.registered()
	code := b.issue(r.DeviceID).Code
	hook = func() { b.register(code) }
	_, err := b.registry.Login(t.Context(), credentials(r))
	requireRefused(t, fieldgate.CodeInvalidCredentials, err)
}

func TestLogin_EndsImmediately(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(b *bench, id string) error{
		"logins revoked":               revoke,
		"device suspended":             suspend,
		"device suspended and resumed": func(b *bench, id string) error { return errors.Join(suspend(b, id), resume(b, id)) },
		"device decommissioned":        func(b *bench, id string) error { return b.registry.Decommission(b.t.Context(), b.adminRequest(id)) },
		"device registered again":      func(b *bench, id string) error { b.register(b.issue(id).Code); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				b, other := newBench(t, s), newBench(t, s)
				r, first := b.loggedIn()
				second := b.login(r)
				require.NoError(t, other.check(first.Token))
				require.NoError(t, end(b, r.DeviceID))
				for _, login := range []device.Login{first, second} {
					requireRefused(t, fieldgate.CodeUnauthorized, other.check(login.Token))
				}
			})
		})
	}
}

// TestLogin_StatusAndEpochEachEndIt changes the status and the epoch of a device
// separately. Suspending or decommissioning a device changes both. Each change alone must
// end a login.
func TestLogin_StatusAndEpochEachEndIt(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(b *bench, id string) error{
		"suspended":      suspend,
		"decommissioned": func(b *bench, id string) error { return b.registry.Decommission(b.t.Context(), b.adminRequest(id)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, storetest.Redis(t))
			r, login := b.loggedIn()
			b.setField(r.DeviceID, "status", name)
			requireRefused(t, fieldgate.CodeUnauthorized, b.check(login.Token))
			b.setField(r.DeviceID, "status", "active")
			require.NoError(t, b.check(login.Token))
			require.NoError(t, end(b, r.DeviceID))
			b.setField(r.DeviceID, "status", "active")
			requireRefused(t, fieldgate.CodeUnauthorized, b.check(login.Token))
		})
	}
}

func revoke(b *bench, id string) error {
	_, err := b.registry.RevokeLogins(b.t.Context(), b.adminRequest(id))
	return err
}

func suspend(b *bench, id string) error {
	_, err := b.registry.Suspend(b.t.Context(), b.adminRequest(id))
	return err
}

func resume(b *bench, id string) error {
	_, err := b.registry.Resume(b.t.Context(), b.adminRequest(id))
	return err
}

func TestRevokeLogins_DeviceMayLogInAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r, _ := b.loggedIn()
		require.NoError(t, revoke(b, r.DeviceID))
		require.NoError(t, b.check(b.login(r).Token))
		require.Equal(t, []string{"device.registered", "device.logins_revoked"}, b.eventTypes(r.DeviceID))
	})
}

func TestLogout_EndsOneLogin(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r, ended := b.loggedIn()
		other := b.login(r)
		require.NoError(t, b.registry.Logout(t.Context(), ended.Token))
		requireRefused(t, fieldgate.CodeUnauthorized, b.check(ended.Token))
		require.NoError(t, b.check(other.Token))
		require.NoError(t, b.registry.Logout(t.Context(), ended.Token), "Logout may be repeated")
		require.NoError(t, b.registry.Logout(t.Context(), "no token"))
	})
}

func TestLogin_UseRenewsIt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r, login := b.loggedIn()
		for range 3 {
			b.advance(r.DeviceID, 6*day)
			p, err := b.registry.Check(t.Context(), login.Token)
			require.NoError(t, err)
			require.WithinDuration(t, b.now().Add(7*day), p.ExpiresAt, time.Minute)
		}
	})
}

func TestLogin_UnusedExpires(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r, login := b.loggedIn()
		b.advance(r.DeviceID, 7*day)
		requireRefused(t, fieldgate.CodeUnauthorized, b.check(login.Token))
	})
}

func TestLogin_MaximumLifetime(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r, login := b.loggedIn()
		for range 29 {
			b.advance(r.DeviceID, day)
			require.NoError(t, b.check(login.Token))
		}
		b.advance(r.DeviceID, day)
		requireRefused(t, fieldgate.CodeUnauthorized, b.check(login.Token))
	})
}

// TestLogin_SlidesUpToMaximum lets real time pass. A login in use must outlive its idle
// time, and expire at its maximum lifetime.
func TestLogin_SlidesUpToMaximum(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		const idle, maximum = 1500 * time.Millisecond, 4 * time.Second
		b := newBench(t, s, func(c *device.Config) { c.LoginIdle, c.LoginMax = idle, maximum })
		r, used := b.loggedIn()
		unused, start := b.login(r), time.Now()
		require.Equal(t, 2, b.storedLogins(used.Token, unused.Token))
		var refused error
		require.Eventually(t, func() bool {
			refused = b.check(used.Token)
			return refused != nil
		}, 20*time.Second, 10*time.Millisecond)
		requireRefused(t, fieldgate.CodeUnauthorized, refused)
		require.Greater(t, time.Since(start), idle+idle/2, "the login was not renewed")
		requireRefused(t, fieldgate.CodeUnauthorized, b.check(unused.Token))
		require.Eventually(t, func() bool { return b.storedLogins(used.Token, unused.Token) == 0 }, 10*time.Second,
			50*time.Millisecond, "the records of expired logins were not deleted")
	})
}

func TestLogin_IdleTimeIsCappedAtMaximum(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Redis(t), func(c *device.Config) { c.LoginIdle, c.LoginMax = 10*day, 2*day })
	_, login := b.loggedIn()
	require.Equal(t, 2*day, login.ExpiresIn)
	require.WithinDuration(t, b.now().Add(2*day), login.ExpiresAt, time.Minute)
}

func TestCheck_BusyDeviceCausesFewWrites(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r, login := b.loggedIn()
		b.advance(r.DeviceID, 30*time.Minute)
		require.NoError(t, b.check(login.Token))
		seen, expires := b.get(r.DeviceID).LastSeen, b.expiry(login.Token)
		require.WithinDuration(t, b.now(), seen, time.Minute, "last_seen was not written")
		require.WithinDuration(t, b.now().Add(7*day-30*time.Minute), expires, time.Minute, "the login was renewed too early")

		b.advance(r.DeviceID, time.Second)
		require.NoError(t, b.check(login.Token))
		require.Equal(t, seen.Add(-time.Second), b.get(r.DeviceID).LastSeen)

		b.advance(r.DeviceID, time.Hour)
		require.NoError(t, b.check(login.Token))
		require.WithinDuration(t, b.now().Add(7*day), b.expiry(login.Token), time.Minute)
	})
}

func TestLogin_TooManyEndsOldest(t *testing.T) {
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

func TestLogin_EndedLoginsDoNotCount(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r, first := b.loggedIn()
		for range 25 {
			require.NoError(t, b.registry.Logout(t.Context(), b.login(r).Token))
		}
		require.NoError(t, b.check(first.Token))
	})
}

func TestCheck_TokenWithOtherDeviceIDIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		victim, _ := b.loggedIn()
		_, own := b.loggedIn()
		forged := "fgd_" + victim.DeviceID[4:] + own.Token[32:]
		requireRefused(t, fieldgate.CodeUnauthorized, b.check(forged))
	})
}

func TestCheck_MalformedTokenCausesNoStoreCall(t *testing.T) {
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

func TestOutage_IsStoreUnavailable(t *testing.T) {
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
		"provision": func(ctx context.Context) error { _, _, err := b.registry.Provision(ctx, b.provisioning()); return err },
		"heartbeat": func(ctx context.Context) error {
			_, err := b.registry.Heartbeat(ctx, newHeartbeat(b, r.DeviceID))
			return err
		},
		"get":          func(ctx context.Context) error { _, err := b.registry.Get(ctx, b.tenant, r.DeviceID); return err },
		"suspend":      func(ctx context.Context) error { return suspend(b, r.DeviceID) },
		"decommission": func(ctx context.Context) error { return b.registry.Decommission(ctx, b.adminRequest(r.DeviceID)) },
	} {
		refused := requireRefused(t, fieldgate.CodeStoreUnavailable, call(t.Context()))
		require.Positive(t, refused.RetryAfter, name)
	}
	server.Restart(t)
	require.Eventually(t, func() bool { return b.check(login.Token) == nil }, 10*time.Second, 20*time.Millisecond,
		"the login did not survive the outage")
}

func TestCheck_RateLimit(t *testing.T) {
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

func TestCheck_InvalidTokensDoNotCountTowardsRateLimit(t *testing.T) {
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

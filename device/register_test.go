package device_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/refusal"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestRegister_ActivatesDevice(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		d, activation := b.provision()
		registered := b.register(activation.Code)
		require.Equal(t, d.ID, registered.DeviceID)
		require.Len(t, registered.Secret, 43, "256 bits in base64")

		current := b.get(d.ID)
		require.Equal(t, device.Active, current.Status)
		require.Equal(t, device.Online, current.Presence)
		require.Equal(t, registered.RegisteredAt, current.RegisteredAt)
		require.Equal(t, "PX-400", current.Model)
		require.Equal(t, "2.8.1", current.FirmwareVersion)
		require.Equal(t, registration("").Metadata, current.Metadata)
	})
}

func TestRegister_EmitsEvent(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		registered := b.registered()
		events := b.events(registered.DeviceID)
		require.Len(t, events, 1)
		event := events[0]
		require.Equal(t, "device.registered", event.Type)
		require.Equal(t, "device:"+registered.DeviceID, event.Actor)
		require.Equal(t, "req-register", event.Request)
		require.JSONEq(t, `{"model":"PX-400","firmwareVersion":"2.8.1","address":"192.0.2.7"}`, event.Data)
	})
}

func TestRegister_CodeAsTyped(t *testing.T) {
	t.Parallel()
	digits := strings.NewReplacer("1", "I", "0", "O")
	for name, typed := range map[string]func(code string) string{
		"as displayed":         func(code string) string { return code },
		"in lower case":        strings.ToLower,
		"without dashes":       func(code string) string { return strings.ReplaceAll(code, "-", "") },
		"with spaces":          func(code string) string { return " " + strings.ReplaceAll(code, "-", " ") + " " },
		"with dashes anywhere": func(code string) string { return strings.Join(strings.Split(code, ""), "-") },
		"with I for 1, O for 0": func(code string) string {
			return digits.Replace(code)
		},
		"with l for 1": func(code string) string { return strings.ReplaceAll(strings.ToLower(code), "1", "l") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, storetest.Redis(t))
			d, activation := b.provision()
			for !strings.ContainsAny(activation.Code, "1") || !strings.ContainsAny(activation.Code, "0") {
				activation = b.issue(d.ID)
			}
			require.Equal(t, d.ID, b.register(typed(activation.Code)).DeviceID)
		})
	}
}

func TestRegister_CodeIsUsedOnceUnderConcurrency(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		_, activation := b.provision()
		secrets, errs := concurrently(50, func(i int) (device.Registered, error) {
			g := registration(activation.Code)
			if i%2 == 0 {
				g.IdempotencyKey = "key-" + string(rune('A'+i))
			}
			return b.registry.Register(t.Context(), g)
		})
		requireOneSucceeds(t, fieldgate.CodeInvalidActivationCode, errs)
		for i, err := range errs {
			if err == nil {
				b.login(secrets[i])
			}
		}
	})
}

func TestRegister_RetryReturnsSameSecret(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		_, activation := b.provision()
		g := registration(activation.Code)
		g.IdempotencyKey = "key-1"
		replies, errs := concurrently(20, func(int) (device.Registered, error) { return b.registry.Register(t.Context(), g) })
		for i := range replies {
			require.NoError(t, errs[i])
			require.Equal(t, replies[0], replies[i])
		}
		b.login(replies[0])
		require.Equal(t, []string{"device.registered"}, b.eventTypes(replies[0].DeviceID))

		b.advance(replies[0].DeviceID, 25*time.Hour)
		again, err := b.registry.Register(t.Context(), g)
		require.NoError(t, err, "the retry failed after the code had expired")
		require.Equal(t, replies[0].Secret, again.Secret)
	})
}

// TestRegister_RetryReturnsSameSecretUntilLogin repeats a registration long after its code has expired,
// with the metadata of a firmware that was updated meanwhile.
func TestRegister_RetryReturnsSameSecretUntilLogin(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s, func(c *device.Config) { c.RepeatWithin = 100 * time.Millisecond })
		_, activation := b.provision()
		g := registration(activation.Code)
		g.IdempotencyKey = "key-1"
		first, err := b.registry.Register(t.Context(), g)
		require.NoError(t, err)
		b.advance(first.DeviceID, 30*24*time.Hour)
		requireLives(t, b, store.ActivationKey(b.record(first.DeviceID)["activation"]), 300*24*time.Hour)
		requireLives(t, b, b.key(first.DeviceID).RegistrationKey(store.DigestOf("key-1")), 300*24*time.Hour)

		g.Metadata = map[string]string{"model": "PX-400", "firmwareVersion": "2.9.0"}
		again, err := b.registry.Register(t.Context(), g)
		require.NoError(t, err)
		require.Equal(t, first.Secret, again.Secret)
	})
}

// requireLives requires that a key expires, but not within the given time.
func requireLives(t *testing.T, b *bench, key string, within time.Duration) {
	t.Helper()
	var left time.Duration
	b.do(func(ctx context.Context, c store.Client) (err error) {
		left, err = c.PTTL(ctx, key).Result()
		return err
	})
	require.Greater(t, left, within, key)
}

// TestRegister_LoginKeepsNewerCode logs in with the secret of an earlier registration, after a new
// activation code was issued. That code must stay valid.
func TestRegister_LoginKeepsNewerCode(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s, func(c *device.Config) { c.RepeatWithin = time.Millisecond })
		_, activation := b.provision()
		g := registration(activation.Code)
		g.IdempotencyKey = "key-1"
		registered, err := b.registry.Register(t.Context(), g)
		require.NoError(t, err)
		code := b.issue(registered.DeviceID)
		b.login(registered)
		requireLives(t, b, store.ActivationKey(b.record(registered.DeviceID)["activation"]), 23*time.Hour)
		b.register(code.Code)
	})
}

func TestRegister_RetryExpiresAfterLogin(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s, func(c *device.Config) { c.RepeatWithin = 300 * time.Millisecond })
		_, activation := b.provision()
		g := registration(activation.Code)
		g.IdempotencyKey = "key-1"
		registered, err := b.registry.Register(t.Context(), g)
		require.NoError(t, err)
		b.login(registered)
		require.Eventually(t, func() bool {
			_, err := b.registry.Register(t.Context(), g)
			return fieldgate.CodeOf(err) == fieldgate.CodeInvalidActivationCode
		}, 10*time.Second, 20*time.Millisecond)
	})
}

// activationKeys returns the number of keys that a server has for activation codes, and of those for the
// replies to registrations that live for longer than a day.
func (b *bench) activationKeys() (n int) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) error {
		codes, err := c.Keys(ctx, "fg:*:activation:*").Result()
		replies, otherErr := c.Keys(ctx, "fg:*:registration:*").Result()
		for _, key := range replies {
			if c.PTTL(ctx, key).Val() > 24*time.Hour {
				n++
			}
		}
		n += len(codes)
		return errors.Join(err, otherErr)
	})
	return n
}

// TestRegister_RepetitionAfterLoginKeepsNothing repeats a registration after the login, which must not make
// its code and its reply live longer.
func TestRegister_RepetitionAfterLoginKeepsNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Connect(t, store.Config{URL: storetest.Start(t).URL()}), func(c *device.Config) { c.RepeatWithin = time.Second })
	_, activation := b.provision()
	g := registration(activation.Code)
	g.IdempotencyKey = "key-1"
	registered, err := b.registry.Register(t.Context(), g)
	require.NoError(t, err)
	require.Equal(t, 2, b.activationKeys())
	b.login(registered)
	for range 2 {
		again, err := b.registry.Register(t.Context(), g)
		require.NoError(t, err)
		require.Equal(t, registered.Secret, again.Secret)
	}
	require.Eventually(t, func() bool { return b.activationKeys() == 0 }, 10*time.Second, 20*time.Millisecond)
}

// TestActivationCode_OnlyTheNewestIsKept requires that a device has one code and one registration at most,
// however many were issued, and none after it was decommissioned.
func TestActivationCode_OnlyTheNewestIsKept(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Connect(t, store.Config{URL: storetest.Start(t).URL()}), func(c *device.Config) { c.Limits.Devices = 1 })
	d, activation := b.provision()
	for i := range 3 {
		g := registration(activation.Code)
		g.IdempotencyKey = fmt.Sprint("key-", i)
		_, err := b.registry.Register(t.Context(), g)
		require.NoError(t, err)
		require.Equal(t, 2, b.activationKeys(), "a code and a registration")
		activation = b.issue(d.ID)
		require.Equal(t, 1, b.activationKeys(), "a code")
	}
	request := device.IssueRequest{Tenant: b.tenant, DeviceID: d.ID, UserID: admin, IdempotencyKey: "again"}
	for range 3 {
		issued, err := b.registry.IssueActivationCode(t.Context(), request)
		require.NoError(t, err)
		activation = issued
	}
	require.Equal(t, 1, b.activationKeys(), "a repetition")
	_, _, err := b.registry.Provision(t.Context(), b.provisioning())
	requireRefused(t, fieldgate.CodeQuotaExceeded, err)
	require.Equal(t, 1, b.activationKeys(), "a refusal")
	require.NoError(t, b.registry.Decommission(t.Context(), b.adminRequest(b.register(activation.Code).DeviceID)))
	require.Zero(t, b.activationKeys())
}

func TestRegister_RetryWithOtherBodyIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		d, activation := b.provision()
		g := registration(activation.Code)
		g.IdempotencyKey = "key-1"
		_, err := b.registry.Register(t.Context(), g)
		require.NoError(t, err)
		g.DeviceID = d.ID
		_, err = b.registry.Register(t.Context(), g)
		requireRefused(t, fieldgate.CodeIdempotencyKeyReused, err)

		g.Code = b.issue(d.ID).Code
		_, err = b.registry.Register(t.Context(), g)
		requireRefused(t, fieldgate.CodeIdempotencyKeyReused, err)
	})
}

// TestRegister_KeyWithoutCodeIsRefused repeats a registration with its Idempotency-Key,
// but with a wrong code. The error must not reveal that a device registered with that key.
func TestRegister_KeyWithoutCodeIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		d, activation := b.provision()
		g := registration(activation.Code)
		g.IdempotencyKey = "key-1"
		_, err := b.registry.Register(t.Context(), g)
		require.NoError(t, err)
		g.Code, g.DeviceID = "0000-0000-0000", d.ID
		_, err = b.registry.Register(t.Context(), g)
		requireRefused(t, fieldgate.CodeInvalidActivationCode, err)
	})
}

func TestRegister_RetryAfterNewCodeIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		d, activation := b.provision()
		g := registration(activation.Code)
		g.IdempotencyKey = "key-1"
		_, err := b.registry.Register(t.Context(), g)
		require.NoError(t, err)
		b.issue(d.ID)
		_, err = b.registry.Register(t.Context(), g)
		requireRefused(t, fieldgate.CodeInvalidActivationCode, err)
	})
}

func TestRegister_InvalidCodesAreRefusedAlike(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		other, _ := b.provision()
		for name, spoil := range map[string]func(d device.Device, g *device.Registration){
			"malformed":          func(_ device.Device, g *device.Registration) { g.Code = "no code" },
			"with the letter U":  func(_ device.Device, g *device.Registration) { g.Code = "UUUU-UUUU-UUUU" },
			"empty":              func(_ device.Device, g *device.Registration) { g.Code = "" },
			"wrong":              func(_ device.Device, g *device.Registration) { g.Code = "0000-0000-0000" },
			"used":               func(_ device.Device, g *device.Registration) { b.register(g.Code) },
			"expired":            func(d device.Device, _ *device.Registration) { b.advance(d.ID, 24*time.Hour) },
			"replaced":           func(d device.Device, _ *device.Registration) { b.issue(d.ID) },
			"of another device":  func(_ device.Device, g *device.Registration) { g.DeviceID = other.ID },
			"of an invalid id":   func(_ device.Device, g *device.Registration) { g.DeviceID = "PX4-001873" },
			"decommissioned":     func(d device.Device, _ *device.Registration) { b.decommission(d.ID) },
			"with a lost record": func(d device.Device, _ *device.Registration) { b.deleteRecord(d.ID) },
		} {
			d, activation := b.provision()
			g := registration(activation.Code)
			spoil(d, &g)
			_, err := b.registry.Register(t.Context(), g)
			refused := requireRefused(t, fieldgate.CodeInvalidActivationCode, err)
			require.Equal(t, refusal.New(fieldgate.CodeInvalidActivationCode).Detail, refused.Detail, name)
			require.NotEmpty(t, refused.Reason, "%s: the reason must be logged", name)
		}
	})
}

func TestRegister_WrongGuessesDoNotInvalidateCode(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		d, activation := b.provision()
		for range 50 {
			g := registration("0000-0000-0000")
			g.DeviceID = d.ID
			_, err := b.registry.Register(t.Context(), g)
			requireRefused(t, fieldgate.CodeInvalidActivationCode, err)
		}
		g := registration(activation.Code)
		g.DeviceID = "dev_0000000000000000000000000000"
		_, err := b.registry.Register(t.Context(), g)
		requireRefused(t, fieldgate.CodeInvalidActivationCode, err)
		g.DeviceID = d.ID
		_, err = b.registry.Register(t.Context(), g)
		require.NoError(t, err)
	})
}

func TestRegister_AgainInvalidatesOldSecretAndLogins(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		old, login := b.loggedIn()
		code := b.issue(old.DeviceID).Code
		require.NoError(t, b.check(login.Token), "issuing a code must not end logins")

		b.advance(old.DeviceID, time.Hour)
		fresh := b.register(code)
		require.NotEqual(t, old.Secret, fresh.Secret)
		require.Equal(t, old.RegisteredAt.Add(-time.Hour), fresh.RegisteredAt, "RegisteredAt must be the time of the first registration")
		requireRefused(t, fieldgate.CodeUnauthorized, b.check(login.Token))
		_, err := b.registry.Login(t.Context(), credentials(old))
		requireRefused(t, fieldgate.CodeInvalidCredentials, err)
		require.NoError(t, b.check(b.login(fresh).Token))
	})
}

// TestRegister_SuspendedDeviceStaysSuspended registers a suspended device again and then
// resumes it. The old secret, which may be stolen, must be invalid.
func TestRegister_SuspendedDeviceStaysSuspended(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		old := b.registered()
		_, err := b.registry.Suspend(t.Context(), b.adminRequest(old.DeviceID))
		require.NoError(t, err)
		fresh := b.register(b.issue(old.DeviceID).Code)
		require.Equal(t, device.Suspended, b.get(old.DeviceID).Status)
		_, err = b.registry.Login(t.Context(), credentials(fresh))
		requireRefused(t, fieldgate.CodeDeviceSuspended, err)

		_, err = b.registry.Resume(t.Context(), b.adminRequest(old.DeviceID))
		require.NoError(t, err)
		_, err = b.registry.Login(t.Context(), credentials(old))
		requireRefused(t, fieldgate.CodeInvalidCredentials, err)
		b.login(fresh)
	})
}

func TestRegister_CodeOfOtherCodeKeyIsRefused(t *testing.T) {
	t.Parallel()
	s := storetest.Redis(t)
	b := newBench(t, s, func(c *device.Config) { c.CodeKey = []byte("a key of the operator's own") })
	_, activation := b.provision()
	_, err := newBench(t, s).registry.Register(t.Context(), registration(activation.Code))
	requireRefused(t, fieldgate.CodeInvalidActivationCode, err)
	b.register(activation.Code)
}

func (b *bench) decommission(id string) {
	b.t.Helper()
	require.NoError(b.t, b.registry.Decommission(b.t.Context(), b.adminRequest(id)))
}

// deleteRecord deletes a device's record directly in the store.
func (b *bench) deleteRecord(id string) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) error { return c.Del(ctx, store.DeviceKey(id)).Err() })
}

package device_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"maps"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// admin is the id of the user who manages the devices.
const admin = "u-admin"

// bench is a test fixture: a registry and a tenant that no other test uses.
type bench struct {
	t        testing.TB
	store    *store.Store
	registry *device.Registry
	tenant   string
}

func newBench(t testing.TB, s *store.Store, change ...func(*device.Config)) *bench {
	t.Helper()
	cfg := device.Config{Store: s, Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&cfg)
	}
	return &bench{t: t, store: s, registry: device.New(cfg), tenant: storetest.Tenant()}
}

// inSamePartition returns a bench for another tenant in the same partition. The ids of
// their devices therefore contain the same partition.
func (b *bench) inSamePartition() *bench {
	other := *b
	for other.tenant == b.tenant || store.PartitionOf(other.tenant) != store.PartitionOf(b.tenant) {
		other.tenant = storetest.Tenant()
	}
	return &other
}

func (b *bench) provisioning() device.Provisioning {
	return device.Provisioning{
		Tenant: b.tenant, UserID: admin, Names: storetest.NamesOf(admin), RequestID: "req-provision",
		Name: "Pump station 12", Location: "Hall 3",
		Tags: map[string]string{"site": "leipzig", "line": "cooling"},
	}
}

func (b *bench) provision(change ...func(*device.Provisioning)) (device.Device, device.Activation) {
	b.t.Helper()
	p := b.provisioning()
	for _, f := range change {
		f(&p)
	}
	d, activation, err := b.registry.Provision(b.t.Context(), p)
	require.NoError(b.t, err)
	return d, activation
}

// registration returns the request with which a device registers.
func registration(code string) device.Registration {
	return device.Registration{
		Code: code, Addr: "192.0.2.7", RequestID: "req-register",
		Metadata: map[string]string{"model": "PX-400", "firmwareVersion": "2.8.1", "serialNumber": "PX4-001873"},
	}
}

func (b *bench) register(code string) device.Registered {
	b.t.Helper()
	registered, err := b.registry.Register(b.t.Context(), registration(code))
	require.NoError(b.t, err)
	return registered
}

// registered provisions and registers a device.
func (b *bench) registered(change ...func(*device.Provisioning)) device.Registered {
	b.t.Helper()
	_, activation := b.provision(change...)
	return b.register(activation.Code)
}

func credentials(r device.Registered) device.Credentials {
	return device.Credentials{DeviceID: r.DeviceID, Secret: r.Secret}
}

func (b *bench) login(r device.Registered) device.Login {
	b.t.Helper()
	login, err := b.registry.Login(b.t.Context(), credentials(r))
	require.NoError(b.t, err)
	return login
}

// loggedIn returns an active device with a login.
func (b *bench) loggedIn(change ...func(*device.Provisioning)) (device.Registered, device.Login) {
	b.t.Helper()
	r := b.registered(change...)
	return r, b.login(r)
}

func (b *bench) check(token string) error {
	b.t.Helper()
	_, err := b.registry.Check(b.t.Context(), token)
	return err
}

func (b *bench) get(id string) device.Device {
	b.t.Helper()
	d, err := b.registry.Get(b.t.Context(), b.tenant, id)
	require.NoError(b.t, err)
	return d
}

func (b *bench) adminRequest(id string) device.AdminRequest {
	return device.AdminRequest{Tenant: b.tenant, DeviceID: id, UserID: admin, Names: storetest.NamesOf(admin), RequestID: "req-admin", Reason: "because"}
}

func (b *bench) issue(id string) device.Activation {
	b.t.Helper()
	activation, err := b.registry.IssueActivationCode(b.t.Context(), device.IssueRequest{Tenant: b.tenant, DeviceID: id, UserID: admin})
	require.NoError(b.t, err)
	return activation
}

func (b *bench) key(id string) store.Device { return store.Device{Tenant: b.tenant, ID: id} }

func (b *bench) do(f func(ctx context.Context, c store.Client) error) {
	b.t.Helper()
	require.NoError(b.t, b.store.Do(b.t.Context(), "test", f))
}

func (b *bench) record(id string) (fields map[string]string) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) (err error) {
		fields, err = c.HGetAll(ctx, store.DeviceKey(id)).Result()
		return err
	})
	return fields
}

// setField sets a field of a device's record directly in the store.
func (b *bench) setField(id, field, value string) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) error {
		return c.HSet(ctx, store.DeviceKey(id), field, value).Err()
	})
}

// advance simulates that the time d has passed for a device. It moves all times in the
// device's record and logins into the past.
func (b *bench) advance(id string, d time.Duration) {
	b.t.Helper()
	keys := []string{store.DeviceKey(id)}
	b.do(func(ctx context.Context, c store.Client) error {
		logins, err := c.LRange(ctx, store.LoginsKey(id), 0, -1).Result()
		for _, hash := range logins {
			keys = append(keys, store.LoginKey(id, hash))
		}
		return err
	})
	for _, key := range keys {
		b.shift(key, d)
	}
}

func (b *bench) shift(key string, d time.Duration) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) error {
		fields, err := c.HGetAll(ctx, key).Result()
		if err != nil {
			return err
		}
		for _, name := range []string{"created", "registered", "last_seen", "online_until", "connection_until", "activation_until", "session_until", "expires", "ends"} {
			if at, err := strconv.ParseInt(fields[name], 10, 64); err == nil {
				fields[name] = strconv.FormatInt(at-d.Milliseconds(), 10)
			}
		}
		if len(fields) == 0 {
			return nil
		}
		return c.HSet(ctx, key, fields).Err()
	})
}

// events returns the timeline of a device, oldest first.
func (b *bench) events(id string) (timeline []store.Event) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) (err error) {
		entries, err := c.XRange(ctx, b.key(id).TimelineKey(), "-", "+").Result()
		for _, entry := range entries {
			timeline = append(timeline, store.ParseEvent(entry))
		}
		return err
	})
	return timeline
}

func (b *bench) eventTypes(id string) (types []string) {
	b.t.Helper()
	for _, event := range b.events(id) {
		types = append(types, event.Type)
	}
	return types
}

func requireRefused(t testing.TB, code fieldgate.Code, err error) *fieldgate.Error {
	t.Helper()
	var refused *fieldgate.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, code, refused.Code)
	return refused
}

// concurrently runs n calls at the same time and returns their results.
func concurrently[R any](n int, call func(i int) (R, error)) (results []R, errs []error) {
	results, errs = make([]R, n), make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			results[i], errs[i] = call(i)
		})
	}
	close(start)
	wg.Wait()
	return results, errs
}

// hookAfter returns a new store that calls hook after each operation with the given name.
// The hook simulates another instance.
func hookAfter(t *testing.T, name string, hook func()) *store.Store {
	t.Helper()
	return storetest.Connect(t, store.Config{Observe: func(what string, _ time.Duration, _ error) {
		if what == name {
			hook()
		}
	}})
}

func withTags(tags map[string]string) func(*device.Provisioning) {
	return func(p *device.Provisioning) { p.Tags = maps.Clone(tags) }
}

// now returns the time by the store's clock.
func (b *bench) now() (now time.Time) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) (err error) {
		now, err = c.Time(ctx).Result()
		return err
	})
	return now
}

// storedLogins returns how many of the tokens have a login in the store.
func (b *bench) storedLogins(tokens ...string) (n int) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) error {
		for _, token := range tokens {
			found, err := c.Exists(ctx, loginKey(token)).Result()
			if err != nil {
				return err
			}
			n += int(found)
		}
		return nil
	})
	return n
}

// loginKey returns the key of the login record for a token.
func loginKey(token string) string {
	sum := sha256.Sum256([]byte(token))
	return store.LoginKey("dev_"+token[4:32], hex.EncodeToString(sum[:]))
}

// expiry returns the time at which a token's login expires if it is not used.
func (b *bench) expiry(token string) (at time.Time) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) error {
		ms, err := c.HGet(ctx, loginKey(token), "expires").Int64()
		at = time.UnixMilli(ms).UTC()
		return err
	})
	return at
}

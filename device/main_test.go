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

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// admin is the person who looks after the fleet.
const admin = "u-admin"

// bench is a registry and a tenant of the test's own.
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

// beside is a bench of another tenant in the same partition of the store, where
// no id gives the tenant away.
func (b *bench) beside() *bench {
	other := *b
	for other.tenant == b.tenant || store.PartitionOf(other.tenant) != store.PartitionOf(b.tenant) {
		other.tenant = storetest.Tenant()
	}
	return &other
}

func (b *bench) provisioning() device.Provisioning {
	return device.Provisioning{
		Tenant: b.tenant, UserID: admin, RequestID: "req-provision", Name: "Pump station 12", Location: "Hall 3",
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

// registration is what a device sends.
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

// registered is a device that has its secret.
func (b *bench) registered() device.Registered {
	b.t.Helper()
	_, activation := b.provision()
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

// loggedIn is an active device and a token of it.
func (b *bench) loggedIn() (device.Registered, device.Login) {
	b.t.Helper()
	r := b.registered()
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

func (b *bench) order(id string) device.Order {
	return device.Order{Tenant: b.tenant, DeviceID: id, UserID: admin, RequestID: "req-order", Reason: "because"}
}

func (b *bench) issue(id string) device.Activation {
	b.t.Helper()
	activation, err := b.registry.IssueActivationCode(b.t.Context(), device.Issue{Tenant: b.tenant, DeviceID: id, UserID: admin})
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

// set changes a field of a device's record behind the registry's back.
func (b *bench) set(id, field, value string) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) error {
		return c.HSet(ctx, store.DeviceKey(id), field, value).Err()
	})
}

// pass makes it as if the time had passed for a device: every moment in its
// record and in its logins lies that much further back.
func (b *bench) pass(id string, d time.Duration) {
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

// events are the device's timeline, the oldest first.
func (b *bench) events(id string) (timeline []redis.XMessage) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) (err error) {
		timeline, err = c.XRange(ctx, b.key(id).TimelineKey(), "-", "+").Result()
		return err
	})
	return timeline
}

func (b *bench) eventTypes(id string) (types []string) {
	b.t.Helper()
	for _, event := range b.events(id) {
		types = append(types, event.Values["type"].(string))
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

// atOnce runs n calls at the same time and gives what came of each.
func atOnce[R any](n int, call func(i int) (R, error)) (results []R, errs []error) {
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

// interfere connects to a store of the test's own. After each round trip of the
// given name the interference runs, as another instance would.
func interfere(t *testing.T, name string, interference func()) *store.Store {
	t.Helper()
	return storetest.Connect(t, store.Config{Observe: func(what string, _ time.Duration, _ error) {
		if what == name {
			interference()
		}
	}})
}

func tagged(tags map[string]string) func(*device.Provisioning) {
	return func(p *device.Provisioning) { p.Tags = maps.Clone(tags) }
}

// now is the store's clock.
func (b *bench) now() (now time.Time) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) (err error) {
		now, err = c.Time(ctx).Result()
		return err
	})
	return now
}

// keys counts the keys of the tenant's partition whose name goes on with a prefix.
func (b *bench) keys(prefix string) (n int) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) error {
		found, err := c.Keys(ctx, "fg:{"+store.PartitionOf(b.tenant).String()+"}:"+prefix+"*").Result()
		n = len(found)
		return err
	})
	return n
}

// expiry is when the login of a token ends unless it is used.
func (b *bench) expiry(token string) (at time.Time) {
	b.t.Helper()
	sum := sha256.Sum256([]byte(token))
	key := store.LoginKey("dev_"+token[4:32], hex.EncodeToString(sum[:]))
	b.do(func(ctx context.Context, c store.Client) error {
		ms, err := c.HGet(ctx, key, "expires").Int64()
		at = time.UnixMilli(ms).UTC()
		return err
	})
	return at
}

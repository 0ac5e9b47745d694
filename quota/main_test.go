package quota_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// These are types of commands. The default policy requires approval for the second type.
const (
	auto   = "diagnostic.dns"
	review = "config.set"
)

// bench has the services of an installation and a tenant that no other test uses.
type bench struct {
	t        testing.TB
	store    *store.Store
	limits   quota.Amounts
	quotas   *quota.Service
	devices  *device.Registry
	sessions *session.Service
	queue    *queue.Queue
	log      *storetest.Buffer
	tenant   string
}

func newBench(t testing.TB, s *store.Store, limits quota.Amounts) *bench {
	b := &bench{t: t, store: s, limits: limits, log: new(storetest.Buffer), tenant: storetest.Tenant()}
	b.start(30 * 24 * time.Hour)
	return b
}

// start replaces the services by ones with another retention.
func (b *bench) start(retention time.Duration) {
	log := slog.New(slog.NewTextHandler(b.log, nil))
	b.quotas = quota.New(quota.Config{Store: b.store, Limits: b.limits, Logger: log})
	b.devices = device.New(device.Config{Store: b.store, Limits: b.limits, Retention: retention, Logger: log})
	b.sessions = session.New(session.Config{Store: b.store, Limits: b.limits, Retention: retention, Logger: log})
	b.queue = queue.New(queue.Config{Store: b.store, Limits: b.limits, Retention: retention, Logger: log})
}

// each runs a test with each kind of store. No other test uses the store, so it may be swept.
func each(t *testing.T, limits quota.Amounts, test func(b *bench)) {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(newBench(t, storetest.Connect(t, store.Config{Logger: quiet}), limits))
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		test(newBench(t, storetest.Connect(t, store.Config{URL: storetest.Start(t).URL(), Logger: quiet}), limits))
	})
}

func (b *bench) do(call func(ctx context.Context, c store.Client) error) {
	b.t.Helper()
	require.NoError(b.t, b.store.Do(b.t.Context(), "test", call))
}

func (b *bench) provisioning() device.Provisioning {
	return device.Provisioning{Tenant: b.tenant, UserID: "u-admin", Name: "Pump", Tags: map[string]string{"site": "leipzig"}}
}

// provision adds a device that has registered.
func (b *bench) provision() store.Device {
	b.t.Helper()
	d, activation, err := b.devices.Provision(b.t.Context(), b.provisioning())
	require.NoError(b.t, err)
	_, err = b.devices.Register(b.t.Context(), device.Registration{Code: activation.Code, Metadata: map[string]string{"model": "PX-400"}})
	require.NoError(b.t, err)
	return store.Device{Tenant: b.tenant, ID: d.ID}
}

func (b *bench) decommission(d store.Device) {
	b.t.Helper()
	require.NoError(b.t, b.devices.Decommission(b.t.Context(), device.AdminRequest{Tenant: d.Tenant, DeviceID: d.ID, UserID: "u-admin"}))
}

func (b *bench) opening(d store.Device) session.OpenRequest {
	return session.OpenRequest{Tenant: d.Tenant, DeviceID: d.ID, UserID: "u1", Type: "diagnostic", Description: "why", Duration: time.Hour}
}

func (b *bench) open(d store.Device) session.Session {
	b.t.Helper()
	s, err := b.sessions.Open(b.t.Context(), b.opening(d))
	require.NoError(b.t, err)
	return s
}

func (b *bench) close(s session.Session) {
	b.t.Helper()
	_, err := b.sessions.Close(b.t.Context(), session.CloseRequest{Tenant: b.tenant, SessionID: s.ID, UserID: "u1"})
	require.NoError(b.t, err)
}

func (b *bench) proposal(s session.Session, commandType string) queue.Proposal {
	return queue.Proposal{Tenant: b.tenant, SessionID: s.ID, UserID: "u1", Type: commandType, Parameters: []byte(`{"a":1}`), Priority: 5}
}

func (b *bench) propose(s session.Session, commandType string) queue.Command {
	b.t.Helper()
	c, err := b.queue.Propose(b.t.Context(), b.proposal(s, commandType))
	require.NoError(b.t, err)
	return c
}

func (b *bench) cancel(c queue.Command) {
	b.t.Helper()
	_, err := b.queue.Cancel(b.t.Context(), queue.Cancel{Tenant: b.tenant, SessionID: c.SessionID, CommandID: c.ID, UserID: "u1"})
	require.NoError(b.t, err)
}

func (b *bench) decide(c queue.Command, approved bool) {
	b.t.Helper()
	_, err := b.queue.Decide(b.t.Context(), queue.Decision{Tenant: b.tenant, SessionID: c.SessionID, CommandID: c.ID, UserID: "u2", Approved: approved})
	require.NoError(b.t, err)
}

// claim claims one command of a device.
func (b *bench) claim(d store.Device) queue.Lease {
	b.t.Helper()
	leases, err := b.queue.Claim(b.t.Context(), b.claimRequest(d))
	require.NoError(b.t, err)
	require.Len(b.t, leases, 1)
	return leases[0]
}

func (b *bench) claimRequest(d store.Device) queue.ClaimRequest {
	return queue.ClaimRequest{Device: d, Limit: 1, Visibility: time.Hour}
}

func (b *bench) submit(d store.Device, l queue.Lease, output string) {
	b.t.Helper()
	_, err := b.queue.SubmitResult(b.t.Context(), queue.ClaimRef{Device: d, CommandID: l.ID, Token: l.Token}, queue.Succeeded, queue.Result{Output: output})
	require.NoError(b.t, err)
}

func (b *bench) used() quota.Amounts {
	b.t.Helper()
	_, used, err := b.quotas.Usage(b.t.Context(), b.tenant)
	require.NoError(b.t, err)
	return used
}

// requireExceeded requires the refusal for a quota.
func requireExceeded(t testing.TB, name quota.Name, err error) {
	t.Helper()
	var refused *fieldgate.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, fieldgate.CodeQuotaExceeded, refused.Code, refused.Detail)
	require.Equal(t, string(name), refused.Quota)
	require.Positive(t, refused.RetryAfter)
}

// endRetention makes the retention of everything pass that has ended, and sweeps until
// nothing is left to do.
func (b *bench) endRetention() {
	b.t.Helper()
	b.start(time.Millisecond)
	for range 4 { // commands end, then sessions, then devices
		b.makeDue()
		b.sweep()
	}
}

// makeDue makes every entry of the due indexes due.
func (b *bench) makeDue() {
	b.do(func(ctx context.Context, c store.Client) error {
		key := store.PartitionOf(b.tenant).DueKey()
		for _, member := range c.ZRange(ctx, key, 0, -1).Val() {
			if err := c.ZAdd(ctx, key, redis.Z{Score: 1, Member: member}).Err(); err != nil {
				return err
			}
		}
		return nil
	})
}

// addDue adds a member to the due index that is due.
func (b *bench) addDue(member string) {
	b.do(func(ctx context.Context, c store.Client) error {
		return c.ZAdd(ctx, store.PartitionOf(b.tenant).DueKey(), redis.Z{Score: 1, Member: member}).Err()
	})
}

func (b *bench) sweep() {
	b.t.Helper()
	for more := true; more; {
		var err error
		more, err = b.store.SweepOnce(b.t.Context(), map[string]store.Settle{
			"command": b.queue.Settle, "session": b.sessions.Settle, "presence": b.devices.SettlePresence, "device": b.devices.SettleRemoval,
		})
		require.NoError(b.t, err)
	}
}

// reconcile reconciles all devices of the tenant, and the tenant.
func (b *bench) reconcile(devices ...store.Device) {
	b.t.Helper()
	for _, d := range devices {
		require.NoError(b.t, b.devices.Reconcile(b.t.Context(), d))
		require.NoError(b.t, b.quotas.ReconcileDevice(b.t.Context(), d, func(ctx context.Context) (int64, error) {
			sessions, err := b.sessions.Reconcile(ctx, d)
			if err != nil {
				return 0, err
			}
			commands, err := b.queue.Reconcile(ctx, d)
			return sessions + commands.Bytes, err
		}))
	}
	require.NoError(b.t, b.quotas.ReconcileTenant(b.t.Context(), b.tenant))
}

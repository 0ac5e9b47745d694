package quota_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestDevices_RefusesAtLimit(t *testing.T) {
	t.Parallel()
	each(t, quota.Amounts{Devices: 2}, func(b *bench) {
		first := b.provision()
		b.provision()
		_, _, err := b.devices.Provision(b.t.Context(), b.provisioning())
		requireExceeded(b.t, quota.Devices, err)
		require.EqualValues(b.t, 2, b.used().Devices)
		b.decommission(first)
		require.EqualValues(b.t, 1, b.used().Devices)
		b.provision()
	})
}

func TestOpenSessions_RefusesAtLimit(t *testing.T) {
	t.Parallel()
	each(t, quota.Amounts{OpenSessions: 1}, func(b *bench) {
		first, second := b.provision(), b.provision()
		s := b.open(first)
		_, err := b.sessions.Open(b.t.Context(), b.opening(second))
		requireExceeded(b.t, quota.OpenSessions, err)
		b.close(s)
		b.open(second)
		_, err = b.sessions.Open(b.t.Context(), b.opening(first))
		requireExceeded(b.t, quota.OpenSessions, err)
		b.decommission(second)
		b.open(first)
		require.EqualValues(b.t, 1, b.used().OpenSessions)
	})
}

func TestReadyCommands_RefusesAtLimit(t *testing.T) {
	t.Parallel()
	each(t, quota.Amounts{ReadyCommands: 2}, func(b *bench) {
		d := b.provision()
		s := b.open(d)
		other := b.open(b.provision())
		b.propose(s, auto)
		last := b.propose(other, auto)
		for _, commandType := range []string{auto, review} {
			_, err := b.queue.Propose(b.t.Context(), b.proposal(s, commandType))
			requireExceeded(b.t, quota.ReadyCommands, err)
		}
		b.cancel(last)
		_, err := b.queue.Retry(b.t.Context(), queue.Retry{Tenant: b.tenant, SessionID: other.ID, CommandID: last.ID, UserID: "u1"})
		require.NoError(b.t, err)
		_, err = b.queue.Retry(b.t.Context(), queue.Retry{Tenant: b.tenant, SessionID: other.ID, CommandID: last.ID, UserID: "u1"})
		requireExceeded(b.t, quota.ReadyCommands, err)
		b.claim(d)
		b.propose(s, auto)
		b.close(s)
		require.EqualValues(b.t, 1, b.used().ReadyCommands)
	})
}

func TestPendingApprovals_RefusesAtLimit(t *testing.T) {
	t.Parallel()
	each(t, quota.Amounts{PendingApprovals: 1}, func(b *bench) {
		s := b.open(b.provision())
		for _, approved := range []bool{true, false} {
			pending := b.propose(s, review)
			_, err := b.queue.Propose(b.t.Context(), b.proposal(s, review))
			requireExceeded(b.t, quota.PendingApprovals, err)
			b.propose(s, auto)
			b.decide(pending, approved)
		}
		b.propose(s, review)
		require.EqualValues(b.t, 1, b.used().PendingApprovals)
	})
}

// TestReadyCommands_ApprovalIsNeverRefused approves a command although the quota of ready
// commands is reached.
func TestReadyCommands_ApprovalIsNeverRefused(t *testing.T) {
	t.Parallel()
	each(t, quota.Amounts{ReadyCommands: 1}, func(b *bench) {
		s := b.open(b.provision())
		pending := b.propose(s, review)
		b.propose(s, auto)
		b.decide(pending, true)
		require.EqualValues(b.t, 2, b.used().ReadyCommands)
	})
}

// TestStoredBytes_RefusesOnlyWhatCreates fills the quota with a result, which is accepted.
func TestStoredBytes_RefusesOnlyWhatCreates(t *testing.T) {
	t.Parallel()
	each(t, quota.Amounts{StoredBytes: 40_000}, func(b *bench) {
		d := b.provision()
		idle := b.provision()
		s := b.open(d)
		pending, done := b.propose(s, review), b.propose(s, auto)
		b.submit(d, b.claim(d), strings.Repeat("x", 100_000))
		require.Greater(b.t, b.used().StoredBytes, int64(100_000))

		_, err := b.queue.Propose(b.t.Context(), b.proposal(s, auto))
		requireExceeded(b.t, quota.StoredBytes, err)
		_, err = b.queue.Retry(b.t.Context(), queue.Retry{Tenant: b.tenant, SessionID: s.ID, CommandID: done.ID, UserID: "u1"})
		requireExceeded(b.t, quota.StoredBytes, err)
		_, err = b.sessions.Open(b.t.Context(), b.opening(idle))
		requireExceeded(b.t, quota.StoredBytes, err)
		_, _, err = b.devices.Provision(b.t.Context(), b.provisioning())
		requireExceeded(b.t, quota.StoredBytes, err)
		long, short := strings.Repeat("x", 64), "P"
		_, err = b.devices.Update(b.t.Context(), device.Change{Tenant: b.tenant, DeviceID: d.ID, Name: &long})
		requireExceeded(b.t, quota.StoredBytes, err)
		_, err = b.devices.Update(b.t.Context(), device.Change{Tenant: b.tenant, DeviceID: d.ID, Name: &short})
		require.NoError(b.t, err, "a change that frees bytes is accepted")

		b.decide(pending, true)
		b.submit(d, b.claim(d), "done")
		b.close(s)
		b.endRetention()
		b.open(idle)
	})
}

// TestQuota_LastPlaceIsGivenOnce sends proposals at once that need the last place of a quota.
func TestQuota_LastPlaceIsGivenOnce(t *testing.T) {
	t.Parallel()
	each(t, quota.Amounts{ReadyCommands: 1}, func(b *bench) {
		s := b.open(b.provision())
		errs := make([]error, 16)
		var callers sync.WaitGroup
		for i := range errs {
			callers.Go(func() { _, errs[i] = b.queue.Propose(b.t.Context(), b.proposal(s, auto)) })
		}
		callers.Wait()
		accepted := 0
		for _, err := range errs {
			if err == nil {
				accepted++
			} else {
				requireExceeded(b.t, quota.ReadyCommands, err)
			}
		}
		require.Equal(b.t, 1, accepted)
		require.EqualValues(b.t, 1, b.used().ReadyCommands)
	})
}

// TestQuota_RepeatIsAnsweredAtLimit repeats creations with their Idempotency-Key after the
// limits are reached.
func TestQuota_RepeatIsAnsweredAtLimit(t *testing.T) {
	t.Parallel()
	each(t, quota.Amounts{Devices: 1, OpenSessions: 1, ReadyCommands: 1}, func(b *bench) {
		ctx := b.t.Context()
		adding := b.provisioning()
		adding.IdempotencyKey = "device"
		provisioned, _, err := b.devices.Provision(ctx, adding)
		require.NoError(b.t, err)
		again, _, err := b.devices.Provision(ctx, adding)
		require.NoError(b.t, err)
		require.Equal(b.t, provisioned.ID, again.ID)

		require.NoError(b.t, b.quotas.SetLimits(ctx, b.tenant, map[quota.Name]int64{quota.Devices: 2}))
		opening := b.opening(b.provision())
		opening.IdempotencyKey = "session"
		opened, err := b.sessions.Open(ctx, opening)
		require.NoError(b.t, err)
		openedAgain, err := b.sessions.Open(ctx, opening)
		require.NoError(b.t, err)
		require.Equal(b.t, opened.ID, openedAgain.ID)

		proposal := b.proposal(opened, auto)
		proposal.IdempotencyKey = "command"
		proposed, err := b.queue.Propose(ctx, proposal)
		require.NoError(b.t, err)
		proposedAgain, err := b.queue.Propose(ctx, proposal)
		require.NoError(b.t, err)
		require.Equal(b.t, proposed.ID, proposedAgain.ID)
	})
}

func TestSetLimits_AppliesToOneTenant(t *testing.T) {
	t.Parallel()
	each(t, quota.Amounts{ReadyCommands: 2, Devices: 5}, func(b *bench) {
		ctx := b.t.Context()
		neighbour := *b
		for neighbour.tenant == b.tenant || store.PartitionOf(neighbour.tenant) != store.PartitionOf(b.tenant) {
			neighbour.tenant = newTenant()
		}
		require.NoError(b.t, b.quotas.SetLimits(ctx, b.tenant, map[quota.Name]int64{quota.ReadyCommands: 1, quota.Devices: 0}))
		limits, _, err := b.quotas.Usage(ctx, b.tenant)
		require.NoError(b.t, err)
		require.Equal(b.t, quota.Amounts{ReadyCommands: 1}, limits)

		s, other := b.open(b.provision()), neighbour.open(neighbour.provision())
		b.propose(s, auto)
		_, err = b.queue.Propose(ctx, b.proposal(s, auto))
		requireExceeded(b.t, quota.ReadyCommands, err)
		neighbour.propose(other, auto)
		neighbour.propose(other, auto)

		require.NoError(b.t, b.quotas.ResetLimits(ctx, b.tenant, quota.ReadyCommands))
		b.propose(s, auto)
		_, err = b.queue.Propose(ctx, b.proposal(s, auto))
		requireExceeded(b.t, quota.ReadyCommands, err)
	})
}

// TestSetLimits_InFullStore bounds a tenant while Redis uses more than maxmemory.
func TestSetLimits_InFullStore(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	quotas, tenant := quota.New(quota.Config{Store: storetest.Connect(t, store.Config{URL: server.URL()})}), newTenant()
	require.NoError(t, server.Client(t).ConfigSet(t.Context(), "maxmemory", "1mb").Err())
	require.ErrorContains(t, server.Client(t).HSet(t.Context(), "fg:x", "y", "z").Err(), "OOM")

	require.NoError(t, quotas.SetLimits(t.Context(), tenant, map[quota.Name]int64{quota.StoredBytes: 1, quota.Devices: 2}))
	require.NoError(t, quotas.ResetLimits(t.Context(), tenant, quota.Devices))
	own, err := quotas.OwnLimits(t.Context(), tenant)
	require.NoError(t, err)
	require.Equal(t, map[quota.Name]int64{quota.StoredBytes: 1}, own)
}

// TestUsage_IsWhatWasMade compares the usage with what was created, and requires that nothing
// is in use after the retention of everything.
func TestUsage_IsWhatWasMade(t *testing.T) {
	t.Parallel()
	each(t, quota.Amounts{}, func(b *bench) {
		d, idle := b.provision(), b.provision()
		s := b.open(d)
		statements := 0 // length of all
		for _, commandType := range []string{auto, auto, auto, review} {
			statements += len(b.propose(s, commandType).Statement)
		}
		b.submit(d, b.claim(d), "done")
		b.claim(d)

		const result = len(`{"output":"done"}`)
		const ofDevice = 6144 + len("Pump") + 256 + 3*len(`{"site":"leipzig"}`) + len(`{"model":"PX-400"}`)
		stored := 2*ofDevice + 1024 + len("why") + 4*2048 + statements + result
		want := quota.Amounts{Devices: 2, OpenSessions: 1, ReadyCommands: 1, PendingApprovals: 1, StoredBytes: int64(stored)}
		require.Equal(b.t, want, b.used())
		b.reconcile(d, idle)
		want.StoredBytes += 256 * b.events(d, idle)
		require.Equal(b.t, want, b.used(), "only the events are to be counted")
		require.NotContains(b.t, b.log.String(), "corrected")

		b.decommission(d)
		b.decommission(idle)
		b.expireLeases(d)
		b.endRetention()
		require.Equal(b.t, quota.Amounts{}, b.used())
	})
}

// events returns the number of events in the timelines of devices.
func (b *bench) events(devices ...store.Device) (n int64) {
	b.do(func(ctx context.Context, c store.Client) error {
		for _, d := range devices {
			n += c.XLen(ctx, d.TimelineKey()).Val()
		}
		return nil
	})
	require.Positive(b.t, n)
	return n
}

func newTenant() string { return "c.quota-" + store.NewID("t", 0) }

// expireLeases ends the leases of a device.
func (b *bench) expireLeases(d store.Device) {
	b.t.Helper()
	for _, c := range b.commands(d) {
		b.edit(d, c, `"visible":`, `"visible":1,"was":`)
	}
	b.makeDue()
	b.sweep()
}

// commands returns the ids of all commands of a device.
func (b *bench) commands(d store.Device) (ids []string) {
	b.do(func(ctx context.Context, c store.Client) error {
		fields, err := c.HKeys(ctx, d.CommandsKey()).Result()
		for _, field := range fields {
			if !strings.Contains(field, ":") {
				ids = append(ids, field)
			}
		}
		return err
	})
	return ids
}

// edit replaces a part of the stored state of a command.
func (b *bench) edit(d store.Device, id, old, replacement string) {
	b.do(func(ctx context.Context, c store.Client) error {
		state, err := c.HGet(ctx, d.CommandsKey(), id).Result()
		if err != nil {
			return err
		}
		if state, err = storetest.StateJSON(ctx, c, state); err != nil {
			return err
		}
		return c.HSet(ctx, d.CommandsKey(), id, strings.Replace(state, old, replacement, 1)).Err()
	})
}

// TestReconcile_CorrectsNothingUnderLoad uses the quotas while they are reconciled. No
// correction may be made, because nothing is damaged.
func TestReconcile_CorrectsNothingUnderLoad(t *testing.T) {
	t.Parallel()
	each(t, quota.Amounts{}, func(b *bench) {
		d := b.provision()
		ctx, stop := context.WithTimeout(b.t.Context(), time.Second)
		defer stop()
		var load sync.WaitGroup
		for range 2 {
			load.Go(func() {
				for ctx.Err() == nil {
					b.reconcile(d)
				}
			})
		}
		load.Go(func() {
			for ctx.Err() == nil {
				s := b.open(d)
				b.propose(s, auto)
				b.propose(s, auto)
				b.submit(d, b.claim(d), "done")
				b.close(s)
			}
		})
		load.Wait()
		require.NotContains(b.t, b.log.String(), "corrected")
		b.reconcile(d) // it counts the last events
		before := b.used()
		b.reconcile(d)
		require.Equal(b.t, before, b.used())
	})
}

package queue_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// tenantInPartitionOf returns another tenant in the same partition. An id names only the
// partition, so only the tenant stored in a record shows who owns the record.
func tenantInPartitionOf(tenant string) string {
	for {
		if other := storetest.Tenant(); store.PartitionOf(other) == store.PartitionOf(tenant) {
			return other
		}
	}
}

// callAll calls every function that takes the id of a command, and returns the errors. The
// arguments tenant, sessionID and device belong to the caller. The command in l may belong to
// another tenant, session or device.
func (f *fixture) callAll(tenant, sessionID string, device store.Device, l queue.Lease) map[string]error {
	ctx := f.t.Context()
	ref := queue.ClaimRef{Device: device, CommandID: l.ID, Token: l.Token}
	errs := map[string]error{}
	_, errs["get"] = f.queue.Get(ctx, tenant, sessionID, l.ID)
	_, errs["decide"] = f.queue.Decide(ctx, queue.Decision{Tenant: tenant, SessionID: sessionID, CommandID: l.ID, UserID: approver, Approved: true})
	_, errs["cancel"] = f.queue.Cancel(ctx, queue.Cancel{Tenant: tenant, SessionID: sessionID, CommandID: l.ID, UserID: approver})
	_, errs["retry"] = f.queue.Retry(ctx, queue.Retry{Tenant: tenant, SessionID: sessionID, CommandID: l.ID, UserID: approver})
	_, errs["getOwn"] = f.queue.GetOwn(ctx, device, l.ID)
	_, errs["extend"] = f.queue.Extend(ctx, ref, longLease)
	_, errs["progress"] = f.queue.ReportProgress(ctx, ref, queue.Report{Seq: 1, Output: "working"})
	_, errs["output"] = f.queue.Output(ctx, tenant, sessionID, l.ID, 0)
	_, errs["release"] = f.queue.Release(ctx, ref, "")
	_, errs["submitResult"] = f.queue.SubmitResult(ctx, ref, queue.Succeeded, queue.Result{})
	return errs
}

func TestTenancy_ForeignCommandIsNotFound(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		lease := f.claimOne()
		before := f.get(lease.ID)

		for name, tenant := range map[string]string{
			"another device of the tenant":         f.device.Tenant,
			"another tenant of the same partition": tenantInPartitionOf(f.device.Tenant),
			"another tenant":                       storetest.Tenant(),
			"an empty tenant":                      "",
		} {
			other := f.withDevice(f.newDevice(tenant))
			missing := queue.Lease{Command: queue.Command{ID: store.NewID(store.KindCommand, store.PartitionOf(tenant))}, Token: lease.Token}
			want := other.callAll(tenant, other.session.ID, other.device, missing)
			got := other.callAll(tenant, other.session.ID, other.device, lease)
			for call, err := range got {
				require.Equal(t, fieldgate.CodeCommandNotFound, fieldgate.CodeOf(err), "%s by %s", call, name)
				require.Equal(t, want[call], err, "%s by %s", call, name)
			}
			require.Empty(t, other.claim())
		}
		require.Equal(t, before, f.get(lease.ID), "the command has changed")
	})
}

func TestTenancy_ForeignSessionIsNotFound(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		lease := f.claimOne()
		for _, tenant := range []string{tenantInPartitionOf(f.device.Tenant), storetest.Tenant()} {
			p := f.proposal(auto)
			p.Tenant = tenant
			_, err := f.queue.Propose(t.Context(), p)
			requireRefusal(t, err, fieldgate.CodeSessionNotFound)
			_, _, err = f.queue.List(t.Context(), tenant, f.session.ID, "", store.Page{Limit: 10})
			requireRefusal(t, err, fieldgate.CodeSessionNotFound)
			errs := f.callAll(tenant, f.session.ID, store.Device{Tenant: tenant, ID: f.device.ID}, lease)
			for _, call := range []string{"get", "decide", "cancel", "retry"} {
				requireRefusal(t, errs[call], fieldgate.CodeSessionNotFound)
			}
			pending, _, err := f.queue.Pending(t.Context(), tenant, store.Page{Limit: 10})
			require.NoError(t, err)
			require.Empty(t, pending)
		}
		require.Len(t, f.listAll(f.session.ID, 10), 1)
	})
}

func TestGet_CommandOfAnotherSessionIsNotFound(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		c := f.propose(review)
		f.closeSession()
		f.session = f.open(f.device, sessionLength)
		errs := f.callAll(f.device.Tenant, f.session.ID, f.device, queue.Lease{Command: c})
		for _, call := range []string{"get", "decide", "cancel", "retry"} {
			requireRefusal(t, errs[call], fieldgate.CodeCommandNotFound)
		}
	})
}

func TestGet_MalformedIDIsNotFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	c := f.propose(auto)
	for _, id := range []string{
		"", "cmd_", c.ID + ":body", c.ID[:len(c.ID)-1], strings.ToUpper(c.ID), strings.Replace(c.ID, "cmd_", "dev_", 1), "cmd_**" + c.ID[6:], f.session.ID,
	} {
		for call, err := range f.callAll(f.device.Tenant, f.session.ID, f.device, queue.Lease{Command: queue.Command{ID: id}}) {
			require.Equal(t, fieldgate.CodeCommandNotFound, fieldgate.CodeOf(err), "%s of %q", call, id)
		}
		p := f.proposal(auto)
		p.SessionID = id
		if id != f.session.ID {
			_, err := f.queue.Propose(t.Context(), p)
			requireRefusal(t, err, fieldgate.CodeSessionNotFound)
		}
	}
}

func TestGet_OutageIsNotTakenForMissingCommand(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	f := newFixture(t, storetest.Connect(t, store.Config{URL: server.URL()}))
	f.propose(auto)
	lease := f.claimOne()
	server.Kill()

	errs := f.callAll(f.device.Tenant, f.session.ID, f.device, lease)
	_, errs["propose"] = f.queue.Propose(t.Context(), f.proposal(auto))
	_, errs["claim"] = f.queue.Claim(t.Context(), f.claimRequest())
	_, errs["claim with wait"] = f.queue.Claim(t.Context(), f.claimRequest(waitFor(longLease)))
	_, _, errs["list"] = f.queue.List(t.Context(), f.device.Tenant, f.session.ID, "", store.Page{Limit: 1})
	_, _, errs["pending"] = f.queue.Pending(t.Context(), f.device.Tenant, store.Page{Limit: 1})
	_, _, errs["backlog"] = f.queue.Backlog(t.Context(), f.device)
	errs["settle"] = f.queue.Settle(t.Context(), []store.Due{{Kind: "command", ID: lease.ID, Device: f.device}})
	for call, err := range errs {
		require.Equal(t, fieldgate.CodeStoreUnavailable, fieldgate.CodeOf(err), call)
	}
}

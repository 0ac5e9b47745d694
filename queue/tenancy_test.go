package queue_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// neighbour is another tenant that lives in the same partition, so that nothing
// but the records themselves keeps the two apart.
func neighbour(tenant string) string {
	for {
		if other := storetest.Tenant(); store.PartitionOf(other) == store.PartitionOf(tenant) {
			return other
		}
	}
}

// asks are all calls that name a command, made by somebody for a command that
// need not be theirs.
func (b *bench) asks(tenant, sessionID string, device store.Device, l queue.Lease) map[string]error {
	ctx := b.t.Context()
	hold := queue.ClaimRef{Device: device, CommandID: l.ID, Token: l.Token}
	errs := map[string]error{}
	_, errs["get"] = b.queue.Get(ctx, tenant, sessionID, l.ID)
	_, errs["decide"] = b.queue.Decide(ctx, queue.Decision{Tenant: tenant, SessionID: sessionID, CommandID: l.ID, UserID: approver, Approved: true})
	_, errs["cancel"] = b.queue.Cancel(ctx, queue.Cancel{Tenant: tenant, SessionID: sessionID, CommandID: l.ID, UserID: approver})
	_, errs["retry"] = b.queue.Retry(ctx, queue.Retry{Tenant: tenant, SessionID: sessionID, CommandID: l.ID, UserID: approver})
	_, errs["get own"] = b.queue.GetOwn(ctx, device, l.ID)
	_, errs["extend"] = b.queue.Extend(ctx, hold, time.Minute)
	_, errs["release"] = b.queue.Release(ctx, hold, "")
	_, errs["result"] = b.queue.SubmitResult(ctx, hold, queue.Succeeded, queue.Result{})
	return errs
}

func TestAnothersCommandAnswersExactlyAsAMissingOne(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		b.propose(auto)
		lease := b.take()
		before := b.get(lease.ID)

		for name, tenant := range map[string]string{
			"another device of the tenant":     b.device.Tenant,
			"a tenant of the same partition":   neighbour(b.device.Tenant),
			"a tenant of whatever partition":   storetest.Tenant(),
			"and a tenant without a partition": "",
		} {
			stranger := b.beside(b.newDevice(tenant))
			missing := queue.Lease{Command: queue.Command{ID: store.NewID(store.KindCommand, store.PartitionOf(tenant))}, Token: lease.Token}
			want := stranger.asks(tenant, stranger.session.ID, stranger.device, missing)
			got := stranger.asks(tenant, stranger.session.ID, stranger.device, lease)
			for call, err := range got {
				require.Equal(t, fieldgate.CodeCommandNotFound, fieldgate.CodeOf(err), "%s by %s", call, name)
				require.Equal(t, want[call], err, "%s by %s", call, name)
			}
			require.Empty(t, stranger.claim())
		}
		require.Equal(t, before, b.get(lease.ID), "nothing of it was touched")
	})
}

func TestAnothersSessionAnswersExactlyAsAMissingOne(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		b.propose(auto)
		lease := b.take()
		for _, tenant := range []string{neighbour(b.device.Tenant), storetest.Tenant()} {
			p := b.proposal(auto)
			p.Tenant = tenant
			_, err := b.queue.Propose(t.Context(), p)
			refused(t, err, fieldgate.CodeSessionNotFound)
			_, _, err = b.queue.List(t.Context(), tenant, b.session.ID, store.Page{Limit: 10})
			refused(t, err, fieldgate.CodeSessionNotFound)
			asked := b.asks(tenant, b.session.ID, store.Device{Tenant: tenant, ID: b.device.ID}, lease)
			for _, call := range []string{"get", "decide", "cancel", "retry"} {
				refused(t, asked[call], fieldgate.CodeSessionNotFound)
			}
			pending, _, err := b.queue.Pending(t.Context(), tenant, store.Page{Limit: 10})
			require.NoError(t, err)
			require.Empty(t, pending)
		}
		require.Len(t, b.listAll(b.session.ID, 10), 1)
	})
}

func TestACommandIsFoundInItsOwnSessionOnly(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		c := b.propose(review)
		b.closeSession()
		b.session = b.open(b.device, time.Hour)
		asked := b.asks(b.device.Tenant, b.session.ID, b.device, queue.Lease{Command: c})
		for _, call := range []string{"get", "decide", "cancel", "retry"} {
			refused(t, asked[call], fieldgate.CodeCommandNotFound)
		}
	})
}

func TestAnIDThatIsNoneIsNotFound(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Redis(t))
	c := b.propose(auto)
	for _, id := range []string{
		"", "cmd_", c.ID + ":body", c.ID[:len(c.ID)-1], strings.ToUpper(c.ID), strings.Replace(c.ID, "cmd_", "dev_", 1), "cmd_**" + c.ID[6:], b.session.ID,
	} {
		for call, err := range b.asks(b.device.Tenant, b.session.ID, b.device, queue.Lease{Command: queue.Command{ID: id}}) {
			require.Equal(t, fieldgate.CodeCommandNotFound, fieldgate.CodeOf(err), "%s of %q", call, id)
		}
		p := b.proposal(auto)
		p.SessionID = id
		if id != b.session.ID {
			_, err := b.queue.Propose(t.Context(), p)
			refused(t, err, fieldgate.CodeSessionNotFound)
		}
	}
}

func TestAnOutageIsNeverTakenForAMissingCommand(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	b := newBench(t, storetest.Connect(t, store.Config{URL: server.URL()}))
	b.propose(auto)
	lease := b.take()
	server.Kill()

	errs := b.asks(b.device.Tenant, b.session.ID, b.device, lease)
	_, errs["propose"] = b.queue.Propose(t.Context(), b.proposal(auto))
	_, errs["claim"] = b.queue.Claim(t.Context(), b.claimRequest())
	_, errs["waiting claim"] = b.queue.Claim(t.Context(), b.claimRequest(waitFor(time.Minute)))
	_, _, errs["list"] = b.queue.List(t.Context(), b.device.Tenant, b.session.ID, store.Page{Limit: 1})
	_, _, errs["pending"] = b.queue.Pending(t.Context(), b.device.Tenant, store.Page{Limit: 1})
	_, _, errs["backlog"] = b.queue.Backlog(t.Context(), b.device)
	errs["settle"] = b.queue.Settle(t.Context(), []store.Due{{Kind: "command", ID: lease.ID, Device: b.device}})
	for call, err := range errs {
		require.Equal(t, fieldgate.CodeStoreUnavailable, fieldgate.CodeOf(err), call)
	}
}

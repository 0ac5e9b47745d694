package session_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
)

func TestClose_EndsWaitingCommandsAndKeepsClaimed(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		opened := b.open()
		claimed := b.propose(opened.ID, "diagnostic.ping")
		lease := b.claim()
		queued := b.propose(opened.ID, "diagnostic.ping")
		pending := b.propose(opened.ID, "reboot")
		require.Equal(b.t, queue.PendingApproval, pending.Status)

		closed := b.close(opened.ID)
		require.Equal(b.t, session.Closed, closed.Status)
		require.WithinRange(b.t, closed.ClosedAt, opened.CreatedAt, opened.CreatedAt.Add(time.Minute))
		require.Equal(b.t, closed, b.get(opened.ID))
		require.Equal(b.t, queue.Expired, b.command(queued.ID).Status)
		require.Equal(b.t, queue.Expired, b.command(pending.ID).Status)
		require.Equal(b.t, queue.Claimed, b.command(claimed.ID).Status)

		b.submitResult(lease)
		require.Equal(b.t, queue.Succeeded, b.command(claimed.ID).Status)
	})
}

func TestClose_RefusesLaterProposalsAndDecisions(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		opened := b.open()
		pending := b.propose(opened.ID, "reboot")
		b.close(opened.ID)
		_, err := b.queue.Propose(b.t.Context(), queue.Proposal{
			Tenant: b.device.Tenant, SessionID: opened.ID, UserID: "u1", Type: "diagnostic.ping", Priority: 5,
		})
		requireCode(b.t, fieldgate.CodeSessionClosed, err)
		_, err = b.queue.Decide(b.t.Context(), queue.Decision{
			Tenant: b.device.Tenant, SessionID: opened.ID, CommandID: pending.ID, UserID: "u2", Approved: true,
		})
		requireCode(b.t, fieldgate.CodeSessionClosed, err)
	})
}

func TestClose_AgainChangesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		opened := b.open()
		closed := b.close(opened.ID)
		next := b.open()
		again, err := b.sessions.Close(b.t.Context(), session.CloseRequest{
			Tenant: b.device.Tenant, SessionID: opened.ID, UserID: "u3", Reason: "Again.",
		})
		require.NoError(b.t, err)
		require.Equal(b.t, closed, again)
		require.Equal(b.t, session.Active, b.get(next.ID).Status, "closing the first session again closed the next one")
		events := b.events(opened.ID)
		require.Equal(b.t, []string{"session.opened", "session.closed"}, typesOf(events))
		require.Equal(b.t, "user:u2", events[1].Actor)
		require.Equal(b.t, "r-close", events[1].RequestID)
		require.JSONEq(b.t, `{"reason":"Done."}`, string(events[1].Data))
	})
}

func TestClose_ExpiredSessionStaysExpired(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		opened := b.open()
		b.expire(opened.ID)
		closed := b.close(opened.ID)
		require.Equal(b.t, session.Expired, closed.Status)
		require.Equal(b.t, closed.ExpiresAt, closed.ClosedAt)
		events := b.events(opened.ID)
		require.Equal(b.t, []string{"session.opened", "session.expired"}, typesOf(events))
		require.Equal(b.t, "system", events[1].Actor)
		b.open()
	})
}

// TestTenancy_OtherTenantsSessionIsNotFound requires the same error for a session of another
// tenant as for a session that does not exist.
func TestTenancy_OtherTenantsSessionIsNotFound(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		other := newBench(b.t, b.store)
		other.device = other.newDevice(tenantInSamePartition(b.device.Tenant))
		foreign := other.open()
		ids := b.foreignIDs(store.KindSession)
		ids["of another tenant"] = foreign.ID
		errs := map[error]bool{}
		for name, id := range ids {
			_, err := b.sessions.Get(b.t.Context(), b.device.Tenant, id)
			require.Equal(b.t, fieldgate.CodeSessionNotFound, fieldgate.CodeOf(err), name)
			errs[err] = true
			_, err = b.sessions.Close(b.t.Context(), session.CloseRequest{Tenant: b.device.Tenant, SessionID: id, UserID: "u1"})
			errs[err] = true
			_, _, err = b.sessions.Events(b.t.Context(), b.device.Tenant, id, time.Time{}, store.Page{Limit: 10})
			errs[err] = true
		}
		require.Len(b.t, errs, 1)
		require.Equal(b.t, session.Active, other.get(foreign.ID).Status)
	})
}

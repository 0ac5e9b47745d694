package gateway_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

func TestCommand_RunsOnceApproved(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		parameters := `{"service":"telemetry","big":9007199254740993}`
		proposed := f.propose(t, review, func(r *client.ProposeCommandRequest) { r.Parameters = json.RawMessage(parameters) })
		require.Equal(t, client.CommandStatusPendingApproval, proposed.Status)
		require.Equal(t, 1, proposed.MaxAttempts, "an approval is for one execution")
		f.requireNothingToClaim(t)

		require.Equal(t, client.CommandStatusQueued, f.decide(t, proposed, true).Status)
		claimed := f.claim(t)
		require.Equal(t, proposed.ID, claimed.ID)
		require.JSONEq(t, parameters, string(claimed.Parameters))
		require.Contains(t, string(claimed.Parameters), "9007199254740993", "a large number lost digits")
		require.Equal(t, "bob", claimed.Approval.DecidedBy)

		result := succeeded(claimed)
		result.Data, result.DurationMs = json.RawMessage(`{"pid":4711}`), 12
		recorded, err := f.device.SubmitResult(t.Context(), claimed.ID, result)
		require.NoError(t, err)
		require.Equal(t, client.CommandStatusSucceeded, recorded.Status)
		require.False(t, recorded.Late || recorded.Duplicate)
		seen := f.command(t, proposed.ID)
		require.Equal(t, "done", seen.Result.Output)
		require.JSONEq(t, `{"pid":4711}`, string(seen.Result.Data))
		require.Equal(t, client.DecisionApproved, seen.Approval.Decision)
		require.Len(t, seen.Attempts, 1)
		f.requireNothingToClaim(t)
	})
}

func TestCommand_RejectedNeverRuns(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		rejected := f.decide(t, f.propose(t, review), false)
		require.Equal(t, client.CommandStatusRejected, rejected.Status)
		require.Equal(t, "looked at it", rejected.Approval.Reason)
		f.requireNothingToClaim(t)
	})
}

func TestClaim_WaitingGetsNewCommandAtOnce(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		requireDelivered(t, f, g, f.device, func() { f.propose(t, auto) })

		waiting := f.propose(t, review)
		requireDelivered(t, f, g, f.device, func() { f.decide(t, waiting, true) })
	})
}

// deliveredWithin is the time limit for the delivery of a command to a waiting claim. It is
// shorter than the 5 s between two checks of a waiting claim. So only a wake-up can deliver the
// command in time.
const deliveredWithin = 4 * time.Second

// requireDelivered starts a waiting claim of a device on an instance. It then calls act, which
// makes a command claimable. The claim must receive the command through a wake-up.
func requireDelivered(t testing.TB, f *fleet, instance *gatewaytest.Gateway, device gatewaytest.Device, act func()) {
	t.Helper()
	delivered := make(chan []client.ClaimedCommand, 1)
	go func() {
		claimed, _ := device.Claim(t.Context(), client.ClaimRequest{WaitMs: 20_000})
		delivered <- claimed
	}()
	awaitWaitingClaims(t, instance, 1)
	act()
	select {
	case claimed := <-delivered:
		require.Len(t, claimed, 1)
		_, err := f.device.SubmitResult(t.Context(), claimed[0].ID, succeeded(claimed[0]))
		require.NoError(t, err)
	case <-time.After(deliveredWithin):
		require.Fail(t, "the command did not reach the waiting claim in time")
	}
}

func TestQueue_OrdersByPriorityThenAge(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		ids := map[int][]string{}
		for _, priority := range []int{5, 0, 9, 5, 0, 9} {
			made := f.propose(t, auto, func(r *client.ProposeCommandRequest) { r.Priority = &priority })
			ids[priority] = append(ids[priority], made.ID)
		}
		ids[5] = append(ids[5], f.propose(t, auto).ID) // 5 is the default priority
		claimed, err := f.device.Claim(t.Context(), client.ClaimRequest{Limit: 10})
		require.NoError(t, err)
		var got []string
		for _, one := range claimed {
			got = append(got, one.ID)
		}
		require.Equal(t, slices.Concat(ids[9], ids[5], ids[0]), got)
	})
}

func TestTimeline_RecordsActorAndRequestID(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		proposed, err := f.alice.Propose(client.ContextWithRequestID(t.Context(), "the-proposal"), f.session,
			client.ProposeCommandRequest{Type: review, Reason: "it hangs"})
		require.NoError(t, err)
		_, err = f.bob.Decide(client.ContextWithRequestID(t.Context(), "the-decision"), f.session,
			client.DecisionRequest{CommandID: proposed.ID, Approved: true, Reason: "go on"})
		require.NoError(t, err)
		claimed := f.claim(t)
		_, err = f.device.SubmitResult(t.Context(), claimed.ID, succeeded(claimed))
		require.NoError(t, err)
		_, err = f.alice.CloseSession(client.ContextWithRequestID(t.Context(), "the-end"), f.session, "solved")
		require.NoError(t, err)

		type entry struct{ event, kind, actor, request string }
		var timeline []entry
		for event, err := range f.alice.AllEvents(t.Context(), f.session, client.ListSessionEventsParams{}) {
			require.NoError(t, err)
			timeline = append(timeline, entry{event.Type, string(event.Actor.Kind), event.Actor.ID, event.RequestID})
			require.Equal(t, f.session, event.SessionID)
			require.Equal(t, f.device.ID, event.DeviceID)
			require.WithinDuration(t, time.Now(), event.Time, time.Minute)
		}
		require.NotEmpty(t, timeline[0].request, "a request without an id got none")
		timeline[0].request = ""
		require.Equal(t, []entry{
			{"session.opened", "user", "alice", ""},
			{"command.proposed", "user", "alice", "the-proposal"},
			{"command.approved", "user", "bob", "the-decision"},
			{"command.claimed", "device", f.device.ID, "the-proposal"},
			{"command.succeeded", "device", f.device.ID, "the-proposal"},
			{"session.closed", "user", "alice", "the-end"},
		}, timeline)
	})
}

func TestTimeline_FiltersBySince(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		first := f.propose(t, auto)
		// The time of a proposal may differ by 100 ms from the store's, which the events have.
		eventually(t, func() bool { return time.Now().After(first.CreatedAt.Add(250 * time.Millisecond)) }, "the clock stands still")
		second := f.propose(t, auto)
		page, err := f.alice.Events(t.Context(), f.session, client.ListSessionEventsParams{Since: second.CreatedAt})
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		require.Equal(t, second.ID, page.Items[0].CommandID)
	})
}

func TestCloseSession_ExpiresWaitingCommandsAndKeepsClaimed(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		f.propose(t, auto)
		claimed := f.claim(t)
		queued, pending := f.propose(t, auto), f.propose(t, review)
		closed, err := f.alice.CloseSession(t.Context(), f.session, "solved")
		require.NoError(t, err)
		require.Equal(t, client.SessionStatusClosed, closed.Status)

		for _, id := range []string{queued.ID, pending.ID} {
			require.Equal(t, client.CommandStatusExpired, f.command(t, id).Status)
		}
		recorded, err := f.device.SubmitResult(t.Context(), claimed.ID, succeeded(claimed))
		require.NoError(t, err)
		require.Equal(t, client.CommandStatusSucceeded, recorded.Status)
		_, err = f.alice.Propose(t.Context(), f.session, client.ProposeCommandRequest{Type: auto})
		requireCode(t, client.CodeSessionClosed, err)
		_, err = f.bob.Decide(t.Context(), f.session, client.DecisionRequest{CommandID: pending.ID, Approved: true})
		requireCode(t, client.CodeSessionClosed, err)

		again, err := f.alice.CloseSession(t.Context(), f.session, "twice")
		require.NoError(t, err)
		require.Equal(t, closed.ClosedAt, again.ClosedAt)
		require.NotEmpty(t, f.openSession(t, f.device.ID), "another session can be opened")
	})
}

func TestOpenSession_SecondIsRefusedWithActiveSessionID(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		_, err := f.alice.OpenSession(t.Context(), client.OpenSessionRequest{DeviceID: f.device.ID, Type: "diagnostic"})
		require.Equal(t, f.session, requireCode(t, client.CodeSessionActive, err).SessionID)
	})
}

func TestDeliverBy_ExpiresUndeliveredCommand(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		for _, commandType := range []string{auto, review} {
			proposed := f.propose(t, commandType, func(r *client.ProposeCommandRequest) { r.DeliverWithinSeconds = 1 })
			require.WithinDuration(t, proposed.CreatedAt.Add(time.Second), proposed.DeliverBy, 0)
			eventually(t, func() bool { return f.command(t, proposed.ID).Status == client.CommandStatusExpired }, "the command does not expire")
			f.requireNothingToClaim(t)
			if commandType == review {
				_, err := f.bob.Decide(t.Context(), f.session, client.DecisionRequest{CommandID: proposed.ID, Approved: true})
				requireCode(t, client.CodeApprovalExpired, err)
			}
		}
	})
}

func TestPropose_FullDeviceQueueIsRefused(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		for range 100 {
			f.propose(t, auto)
		}
		_, err := f.alice.Propose(t.Context(), f.session, client.ProposeCommandRequest{Type: auto})
		require.Positive(t, requireCode(t, client.CodeDeviceQueueFull, err).RetryAfter)
		f.claim(t)
		f.propose(t, auto)
	})
}

package gateway_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

func TestExtend_CountsFromNow(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		f.propose(t, auto)
		claimed := f.claimFor(t, time.Minute)
		require.LessOrEqual(t, claimed.LeaseRemainingMs, 60_000)
		before := time.Now()
		lease, err := f.device.Extend(t.Context(), claimed.ID, client.ExtendRequest{ClaimToken: claimed.ClaimToken, ExtensionMs: longLeaseMs})
		require.NoError(t, err)
		require.WithinRange(t, lease.VisibleUntil, before.Add(longLease-time.Second), time.Now().Add(longLease+time.Second))
		require.LessOrEqual(t, lease.LeaseRemainingMs, longLeaseMs)
		require.False(t, lease.CancelRequested)
		own, err := f.device.Command(t.Context(), claimed.ID)
		require.NoError(t, err)
		require.WithinDuration(t, lease.VisibleUntil, own.VisibleUntil, 0)
		require.LessOrEqual(t, own.LeaseRemainingMs, lease.LeaseRemainingMs)
	})
}

func TestRelease_RestoresPlaceAndDoesNotCountAttempt(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		first := f.propose(t, auto)
		f.propose(t, auto)
		claimed := f.claim(t)
		released, err := f.device.Release(t.Context(), claimed.ID, client.ReleaseRequest{ClaimToken: claimed.ClaimToken, Reason: "rebooting"})
		require.NoError(t, err)
		require.Equal(t, client.CommandStatusQueued, released.Status)
		again := f.claim(t)
		require.Equal(t, first.ID, again.ID)
		require.Equal(t, 1, again.Attempt)
		require.NotEqual(t, claimed.ClaimToken, again.ClaimToken)
	})
}

func TestLease_ExpiryRequeuesCommandAndFencesOldClaim(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		f.propose(t, auto)
		old := f.claimFor(t, time.Second)
		eventually(t, func() bool { return f.command(t, old.ID).Status == client.CommandStatusQueued }, "the lease does not expire")
		_, err := f.device.Extend(t.Context(), old.ID, client.ExtendRequest{ClaimToken: old.ClaimToken, ExtensionMs: 1000})
		require.Equal(t, client.CommandStatusQueued, requireCode(t, client.CodeClaimExpired, err).Command.Status)
		_, err = f.device.Release(t.Context(), old.ID, client.ReleaseRequest{ClaimToken: old.ClaimToken})
		requireCode(t, client.CodeClaimExpired, err)

		newer := f.claim(t)
		require.Equal(t, old.ID, newer.ID)
		require.Equal(t, 2, newer.Attempt)
		_, err = f.device.SubmitResult(t.Context(), old.ID, succeeded(old))
		refusal := requireCode(t, client.CodeClaimSuperseded, err)
		require.Equal(t, client.CommandState{ID: old.ID, Status: client.CommandStatusClaimed, Attempt: 2}, refusal.Command)
		_, err = f.device.Extend(t.Context(), old.ID, client.ExtendRequest{ClaimToken: old.ClaimToken, ExtensionMs: 1000})
		requireCode(t, client.CodeClaimSuperseded, err)
		_, err = f.device.SubmitResult(t.Context(), newer.ID, succeeded(newer))
		require.NoError(t, err)
	})
}

func TestSubmitResult_LateResultOfNewestClaimIsMarked(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		for _, attempts := range []int{1, 3} {
			f.propose(t, auto, func(r *client.ProposeCommandRequest) { r.MaxAttempts = attempts })
			claimed := f.claimFor(t, time.Second)
			eventually(t, func() bool { return f.command(t, claimed.ID).Status != client.CommandStatusClaimed }, "the lease does not expire")
			if attempts == 1 {
				require.Equal(t, client.CommandStatusTimedOut, f.command(t, claimed.ID).Status)
			}
			recorded, err := f.device.SubmitResult(t.Context(), claimed.ID, succeeded(claimed))
			require.NoError(t, err)
			require.True(t, recorded.Late)
			seen := f.command(t, claimed.ID)
			require.Equal(t, client.CommandStatusSucceeded, seen.Status)
			require.True(t, seen.Late)
		}
	})
}

func TestSubmitResult_SecondResultIsRefused(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		f.propose(t, auto)
		claimed := f.claim(t)
		_, err := f.device.SubmitResult(t.Context(), claimed.ID, succeeded(claimed))
		require.NoError(t, err)
		repeated, err := f.device.SubmitResult(t.Context(), claimed.ID, succeeded(claimed))
		require.NoError(t, err)
		require.True(t, repeated.Duplicate)

		other := succeeded(claimed)
		other.Output = "something else"
		_, err = f.device.SubmitResult(t.Context(), claimed.ID, other)
		refusal := requireCode(t, client.CodeCommandFinished, err)
		require.Equal(t, client.CommandState{ID: claimed.ID, Status: client.CommandStatusSucceeded, Attempt: 1}, refusal.Command)
		require.Equal(t, "done", f.command(t, claimed.ID).Result.Output)
	})
}

func TestClaimToken_OfAnotherCommandIsForbidden(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		f.propose(t, auto)
		f.propose(t, auto)
		first, second := f.claim(t), f.claim(t)
		first.ClaimToken = second.ClaimToken
		_, err := f.device.SubmitResult(t.Context(), first.ID, succeeded(first))
		require.Equal(t, client.CommandStatusClaimed, requireCode(t, client.CodeInvalidClaimToken, err).Command.Status)
		_, err = f.device.Extend(t.Context(), first.ID, client.ExtendRequest{ClaimToken: "guessed", ExtensionMs: 1000})
		requireCode(t, client.CodeInvalidClaimToken, err)
		_, err = f.device.Release(t.Context(), first.ID, client.ReleaseRequest{ClaimToken: "guessed"})
		requireCode(t, client.CodeInvalidClaimToken, err)
	})
}

func TestCancel_UnclaimedCommandIsCancelled(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		for _, commandType := range []string{auto, review} {
			proposed := f.propose(t, commandType)
			for range 2 {
				cancelled, err := f.alice.Cancel(t.Context(), f.session, proposed.ID, "wrong one")
				require.NoError(t, err)
				require.Equal(t, client.CommandStatusCancelled, cancelled.Status)
			}
			f.requireNothingToClaim(t)
		}
	})
}

func TestCancel_ClaimedCommandAsksItsDevice(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		f.propose(t, auto)
		claimed := f.claim(t)
		cancelled, err := f.alice.Cancel(t.Context(), f.session, claimed.ID, "wrong one")
		require.NoError(t, err)
		require.Equal(t, client.CommandStatusClaimed, cancelled.Status)
		require.True(t, cancelled.CancelRequested)

		pulse, err := f.device.Heartbeat(t.Context(), client.HeartbeatRequest{Status: client.HeartbeatStatusBusy})
		require.NoError(t, err)
		require.Equal(t, []string{claimed.ID}, pulse.CancelRequested)
		lease, err := f.device.Extend(t.Context(), claimed.ID, client.ExtendRequest{ClaimToken: claimed.ClaimToken, ExtensionMs: 1000})
		require.NoError(t, err)
		require.True(t, lease.CancelRequested)

		_, err = f.device.SubmitResult(t.Context(), claimed.ID, client.ResultRequest{ClaimToken: claimed.ClaimToken, Status: client.ResultStatusCancelled})
		require.NoError(t, err)
		require.Equal(t, client.CommandStatusCancelled, f.command(t, claimed.ID).Status)
		pulse, err = f.device.Heartbeat(t.Context(), client.HeartbeatRequest{Status: client.HeartbeatStatusOk})
		require.NoError(t, err)
		require.Empty(t, pulse.CancelRequested)
	})
}

func TestCancel_FinishedCommandIsRefused(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		f.propose(t, auto)
		claimed := f.claim(t)
		_, err := f.device.SubmitResult(t.Context(), claimed.ID, client.ResultRequest{
			ClaimToken: claimed.ClaimToken, Status: client.ResultStatusFailed, Error: "no such host",
		})
		require.NoError(t, err)
		_, err = f.alice.Cancel(t.Context(), f.session, claimed.ID, "")
		require.Equal(t, client.CommandStatusFailed, requireCode(t, client.CodeCommandFinished, err).Command.Status)
	})
}

func TestRetry_IsNewCommandUnderThePolicy(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		for commandType, status := range map[string]client.CommandStatus{
			auto: client.CommandStatusQueued, review: client.CommandStatusPendingApproval,
		} {
			old := f.propose(t, commandType)
			_, err := f.alice.Retry(t.Context(), f.session, old.ID, "")
			requireCode(t, client.CodeCommandNotFinished, err)
			_, err = f.alice.Cancel(t.Context(), f.session, old.ID, "")
			require.NoError(t, err)

			retried, err := f.alice.Retry(t.Context(), f.session, old.ID, "once more")
			require.NoError(t, err)
			require.NotEqual(t, old.ID, retried.ID)
			require.Equal(t, old.ID, retried.RetryOf)
			require.Equal(t, status, retried.Status)
			require.JSONEq(t, string(old.Parameters), string(retried.Parameters))
		}
	})
}

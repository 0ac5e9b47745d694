package queue_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// submitNext submits the result of a lease and claims the next command.
func (f *fixture) submitNext(l queue.Lease, visibility time.Duration) (queue.RecordedResult, []queue.Lease) {
	f.t.Helper()
	recorded, next, err := f.queue.SubmitResultAndClaim(f.t.Context(), f.ref(l), queue.Succeeded, queue.Result{Output: "done"}, visibility)
	require.NoError(f.t, err)
	return recorded, next
}

// submitAndClaim submits the result of a lease and returns the lease of the next command.
func (f *fixture) submitAndClaim(l queue.Lease) queue.Lease {
	f.t.Helper()
	_, next := f.submitNext(l, longLease)
	require.Len(f.t, next, 1)
	return next[0]
}

func TestSubmitResultAndClaim_RecordsAndClaims(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		first, second := f.propose(auto), f.propose(auto)
		recorded, next := f.submitNext(f.claimOne(), longLease)
		require.Equal(t, queue.RecordedResult{Status: queue.Succeeded}, recorded)
		require.Len(t, next, 1)
		require.Equal(t, second.ID, next[0].ID)
		require.Equal(t, []string{"proposed", "claimed", "succeeded"}, f.eventTypes(first.ID))
		require.Equal(t, []string{"proposed", "claimed"}, f.eventTypes(second.ID))

		recorded, next = f.submitNext(next[0], longLease)
		require.Equal(t, queue.RecordedResult{Status: queue.Succeeded}, recorded, "the token of the lease is valid")
		require.Empty(t, next)
	})
}

// TestSubmitResultAndClaim_RepetitionReturnsSameLease repeats a result whose response was lost.
func TestSubmitResultAndClaim_RepetitionReturnsSameLease(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.proposeMany(auto, 3)
		first := f.claimOne()
		next := f.submitAndClaim(first)
		for _, visibility := range []time.Duration{longLease, longLease / 2} {
			recorded, again := f.submitNext(first, visibility)
			require.True(t, recorded.Duplicate)
			require.Len(t, again, 1)
			require.Equal(t, next.Token, again[0].Token)
			require.Equal(t, 1, again[0].Attempt)
			require.Equal(t, next.VisibleUntil, again[0].VisibleUntil)
		}
		require.NotContains(t, f.keptClaim("after "+first.Token), next.Token, "the kept token is sealed")

		f.submitResult(next, queue.Succeeded)
		_, later := f.submitNext(first, longLease)
		require.Len(t, later, 1, "the lease has ended, so the next command is claimed")
		require.NotEqual(t, next.ID, later[0].ID)
	})
}

func TestSubmitResultAndClaim_RefusedClaimsNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		lease := f.claimOne()
		f.submitResult(lease, queue.Failed)
		waiting := f.propose(auto)
		for code, ref := range map[fieldgate.Code]queue.ClaimRef{
			fieldgate.CodeCommandFinished:   f.ref(lease),
			fieldgate.CodeInvalidClaimToken: {Device: f.device, CommandID: lease.ID, Token: "of nobody"},
			fieldgate.CodeCommandNotFound:   {Device: f.device, CommandID: store.NewID(store.KindCommand, store.PartitionOf(f.device.Tenant)), Token: lease.Token},
		} {
			_, next, err := f.queue.SubmitResultAndClaim(t.Context(), ref, queue.Succeeded, queue.Result{}, longLease)
			requireRefusal(t, err, code)
			require.Empty(t, next)
			require.Equal(t, []string{"proposed"}, f.eventTypes(waiting.ID), code)
		}
	})
}

// TestSubmitResultAndClaim_SuspendedDeviceClaimsNothing submits without a login, whose check would
// refuse the result as well.
func TestSubmitResultAndClaim_SuspendedDeviceClaimsNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.proposeMany(auto, 2)
		lease := f.claimOne()
		f.writeDevice(map[string]any{"status": "suspended"})
		recorded, next := f.submitNext(lease, longLease)
		require.Equal(t, queue.Succeeded, recorded.Status)
		require.Empty(t, next)
	})
}

func TestSubmitResultAndClaim_LateResultClaims(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		c := f.propose(auto)
		lease := f.claimOne()
		f.expireLease(lease)
		second := f.propose(auto)
		recorded, next := f.submitNext(lease, longLease)
		require.True(t, recorded.Late)
		require.Equal(t, queue.Succeeded, f.get(c.ID).Status, "the command whose result is recorded is not claimed again")
		require.Len(t, next, 1)
		require.Equal(t, second.ID, next[0].ID)
	})
}

// TestSubmitResultAndClaim_SettlesLeasesOfDevice lets the lease of another command of the device
// expire.
func TestSubmitResultAndClaim_SettlesLeasesOfDevice(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.proposeMany(auto, 2)
		expired, lease := f.claimOne(), f.claimOne()
		f.expireLease(expired)
		next := f.submitAndClaim(lease)
		require.Equal(t, expired.ID, next.ID)
		require.Equal(t, 2, next.Attempt)
	})
}

// TestSubmitResultAndClaim_SetsChangedRecordAside changes the command that would be claimed next.
func TestSubmitResultAndClaim_SetsChangedRecordAside(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(w *watched) {
		w.propose(auto)
		lease := w.claimOne()
		bad, good := w.propose(auto), w.propose(auto)
		setParameters(`{"host":"evil.example"}`)(w, bad.ID)
		next := w.submitAndClaim(lease)
		require.Equal(w.t, good.ID, next.ID)
		w.requireSetAside(bad.ID, "next")

		recorded, again := w.submitNext(lease, longLease)
		require.True(w.t, recorded.Duplicate)
		require.Len(w.t, again, 1)
		require.Equal(w.t, next.Token, again[0].Token, "the repetition returns the command behind the changed one")
	})
}

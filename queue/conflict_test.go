package queue_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestSubmitResult_OtherResultIsKeptBesideFirst(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		lease := f.claimOne()
		f.submitResult(lease, queue.Succeeded)
		first := f.get(lease.ID)
		for _, output := range []string{"other", "third", "other"} {
			_, err := f.queue.SubmitResult(t.Context(), f.ref(lease), queue.Failed, queue.Result{Output: output})
			requireRefusal(t, err, fieldgate.CodeCommandFinished)
		}
		found := f.get(lease.ID)
		require.Equal(t, queue.Failed, found.OtherResult.Status)
		require.Equal(t, queue.Result{Output: "other"}, found.OtherResult.Result)
		require.False(t, found.OtherResult.Shortened)
		found.OtherResult = nil
		require.Equal(t, first, found, "the first result stands")
		require.Equal(t, []string{"proposed", "claimed", "succeeded", "result_conflict"}, f.eventTypes(lease.ID))
		require.Equal(t, 1, strings.Count(f.log.String(), "\n"), f.log.String())
		require.Contains(t, f.log.String(), "refused another result of a command that has ended")
	})
}

func TestSubmitResult_SameResultIsNoConflict(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		lease := f.claimOne()
		f.submitResult(lease, queue.Succeeded)
		require.True(t, f.submitResult(lease, queue.Succeeded).Duplicate)
		require.Nil(t, f.get(lease.ID).OtherResult)
	})
}

// TestSubmitResult_OfCancelledCommandIsKept cancels a command whose lease has expired. If its device has
// run it nevertheless, users must see that.
func TestSubmitResult_OfCancelledCommandIsKept(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		c := f.propose(auto)
		lease := f.claimOne()
		f.expireLease(lease)
		require.Equal(t, queue.Cancelled, f.cancel(c).Status)
		_, err := f.queue.SubmitResult(t.Context(), f.ref(lease), queue.Succeeded, queue.Result{Output: "done"})
		requireRefusal(t, err, fieldgate.CodeCommandFinished)
		found := f.get(c.ID)
		require.Equal(t, queue.Cancelled, found.Status)
		require.Equal(t, "done", found.OtherResult.Result.Output)
	})
}

// TestSubmitResult_OtherResultOfDeviceThatLeaves lets the device go after its result was refused: either
// its connection ends, and the result is kept, or its login ends, which is no concern of the operator.
func TestSubmitResult_OtherResultOfDeviceThatLeaves(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	for name, kept := range map[string]bool{"connection": true, "login": false} {
		after := func() {}
		s := storetest.Connect(t, store.Config{URL: server.URL(), Observe: func(script string, _ time.Duration, _ error) {
			if script == "result" {
				after()
			}
		}})
		f := newFixture(t, s)
		f.propose(auto)
		lease := f.claimOne()
		f.submitResult(lease, queue.Succeeded)
		var r queue.ClaimRequest
		f.as("login")(&r)
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		after = map[string]func(){"connection": leave, "login": func() { f.writeDevice(map[string]any{"epoch": 8}) }}[name]
		ref := f.ref(lease)
		ref.Login = r.Login
		_, err := f.queue.SubmitResult(ctx, ref, queue.Failed, queue.Result{Output: "other"})
		requireRefusal(t, err, fieldgate.CodeCommandFinished)
		require.Equal(t, kept, f.get(lease.ID).OtherResult != nil, name)
		require.Equal(t, kept, f.log.String() != "", "%s: %s", name, f.log)
	}
}

func TestSubmitResult_LargeOtherResultIsShortened(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	f.propose(auto)
	lease := f.claimOne()
	f.submitResult(lease, queue.Succeeded)
	large := strings.Repeat("ä", 100_000)
	data, err := json.Marshal(map[string]string{"text": large})
	require.NoError(t, err)
	_, err = f.queue.SubmitResult(t.Context(), f.ref(lease), queue.Failed, queue.Result{Output: "x" + large, Error: large, Data: data})
	requireRefusal(t, err, fieldgate.CodeCommandFinished)
	other := f.get(lease.ID).OtherResult
	require.True(t, other.Shortened)
	require.Equal(t, "x"+strings.Repeat("ä", 4095), other.Result.Output)
	require.Len(t, other.Result.Error, 8192)
	require.Empty(t, other.Result.Data)
}

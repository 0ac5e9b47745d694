package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// login returns the check of the login "hash" for one call, with a rate limit of two calls.
func login() *store.LoginCheck {
	return &store.LoginCheck{Login: "hash", Cost: 1, Settings: []any{60_000, 1000, 5000, 60_000, 2, 90_000}}
}

// loggedIn returns a fixture whose device has the login "hash", which was opened at epoch 7.
func loggedIn(t *testing.T, s *store.Store) *fixture {
	t.Helper()
	f := newFixture(t, s)
	f.writeDevice(map[string]any{"epoch": 7})
	f.writeLogin(map[string]any{"epoch": 7})
	return f
}

// writeLogin sets fields of the record of the login "hash".
func (f *fixture) writeLogin(fields map[string]any) {
	f.t.Helper()
	inAnHour := time.Now().Add(time.Hour).UnixMilli()
	f.do(func(ctx context.Context, c store.Client) error {
		key := store.LoginKey(f.device.ID, "hash")
		if err := c.HSet(ctx, key, "expires", inAnHour, "ends", inAnHour).Err(); err != nil {
			return err
		}
		return c.HSet(ctx, key, fields).Err()
	})
}

// writeDevice sets fields of the device's record.
func (f *fixture) writeDevice(fields map[string]any) {
	f.t.Helper()
	f.do(func(ctx context.Context, c store.Client) error {
		return c.HSet(ctx, f.device.RecordKey(), fields).Err()
	})
}

// checkedCalls returns the calls of a device on the command of a lease, and a claim. Each
// checks the login.
func (f *fixture) checkedCalls(l queue.Lease, check *store.LoginCheck) map[string]func() error {
	ref := f.ref(l)
	ref.Login = check
	ctx := f.t.Context()
	return map[string]func() error{
		"extend":  func() error { _, err := f.queue.Extend(ctx, ref, longLease); return err },
		"release": func() error { _, err := f.queue.Release(ctx, ref, ""); return err },
		"progress": func() error {
			_, err := f.queue.ReportProgress(ctx, ref, queue.Report{Seq: 1, Output: "working"})
			return err
		},
		"result": func() error {
			_, err := f.queue.SubmitResult(ctx, ref, queue.Succeeded, queue.Result{Output: "done"})
			return err
		},
		"next": func() error {
			_, _, err := f.queue.SubmitResultAndClaim(ctx, ref, queue.Succeeded, queue.Result{Output: "done"}, longLease)
			return err
		},
		"claim": func() error {
			_, err := f.queue.Claim(ctx, f.claimRequest(func(r *queue.ClaimRequest) { r.Login = check }))
			return err
		},
	}
}

// endings are the ways in which a login ends. A suspension changes the status and the epoch, but
// each change alone must be enough. A logout deletes the login's record and changes neither.
var endings = map[string]func(f *fixture){
	"next epoch":       func(f *fixture) { f.writeDevice(map[string]any{"epoch": 8}) },
	"no epoch":         func(f *fixture) { f.writeDevice(map[string]any{"epoch": ""}) },
	"same first digit": func(f *fixture) { f.writeDevice(map[string]any{"epoch": 70}) },
	"suspended":        func(f *fixture) { f.writeDevice(map[string]any{"status": "suspended"}) },
	"decommissioned":   func(f *fixture) { f.writeDevice(map[string]any{"status": "decommissioned"}) },
	"of a tenant":      func(f *fixture) { f.writeDevice(map[string]any{"tenant": "c.other"}) },
	"expired":          func(f *fixture) { f.writeLogin(map[string]any{"expires": 1}) },
	"logged out": func(f *fixture) {
		f.do(func(ctx context.Context, c store.Client) error {
			return c.Del(ctx, store.LoginKey(f.device.ID, "hash")).Err()
		})
	},
}

func TestLogin_EndedIsRefusedByEachTransition(t *testing.T) {
	t.Parallel()
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				f := loggedIn(t, s)
				f.proposeMany(auto, 2)
				lease := f.claimOne()
				before := f.get(lease.ID)
				end(f)
				for name, call := range f.checkedCalls(lease, login()) {
					refused := requireRefusal(t, call(), fieldgate.CodeUnauthorized)
					require.NotEmpty(t, refused.Reason, name)
					require.Equal(t, before, f.get(lease.ID), name)
				}
				counted := login()
				counted.Note(nil)
				for name, call := range f.checkedCalls(lease, counted) {
					requireRefusal(t, call(), fieldgate.CodeUnauthorized)
					require.Equal(t, before, f.get(lease.ID), "%s, whose request was counted", name)
				}
			})
		})
	}
}

// eachTransition runs a test of each transition that checks a login, on a device that is logged in
// and has two ready commands.
func eachTransition(t *testing.T, test func(t *testing.T, f *fixture, name string)) {
	t.Parallel()
	for _, name := range []string{"claim", "extend", "progress", "release", "result", "next"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				f := loggedIn(t, s)
				f.proposeMany(auto, 2)
				test(t, f, name)
			})
		})
	}
}

func TestLogin_ValidIsServedByEachTransition(t *testing.T) {
	eachTransition(t, func(t *testing.T, f *fixture, name string) {
		check := login()
		require.False(t, check.Made())
		require.NoError(t, f.checkedCalls(f.claimOne(), check)[name]())
		require.True(t, check.Made())
	})
}

// TestLogin_EachTransitionCountsTowardsRateLimit uses up a limit of two requests.
func TestLogin_EachTransitionCountsTowardsRateLimit(t *testing.T) {
	eachTransition(t, func(t *testing.T, f *fixture, name string) {
		lease := f.claimOne()
		require.NoError(t, f.checkedCalls(lease, login())["extend"]())
		require.NoError(t, f.checkedCalls(lease, login())["extend"]())
		before := f.get(lease.ID)
		check := login()
		forgotten := 0
		check.Refused = func() { forgotten++ }
		refused := requireRefusal(t, f.checkedCalls(lease, check)[name](), fieldgate.CodeRateLimited)
		require.Positive(t, refused.RetryAfter)
		require.Equal(t, before, f.get(lease.ID))
		require.Equal(t, 1, forgotten)
	})
}

// TestLogin_WaitingClaimCountsOnce waits for a command through several tries, with a rate limit
// of two requests.
func TestLogin_WaitingClaimCountsOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, func(cfg *queue.Config) { cfg.PollEvery = time.Millisecond })
		f.writeDevice(map[string]any{"epoch": 7})
		f.writeLogin(map[string]any{"epoch": 7})
		claim := func() error {
			return f.checkedCalls(queue.Lease{}, login())["claim"]()
		}
		_, err := f.queue.Claim(t.Context(), f.claimRequest(waitFor(50*time.Millisecond), func(r *queue.ClaimRequest) { r.Login = login() }))
		require.NoError(t, err)
		require.NoError(t, claim(), "the wait counted once")
		requireRefusal(t, claim(), fieldgate.CodeRateLimited)
	})
}

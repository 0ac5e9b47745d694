package queue_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestClaim_EndedLoginIsRefused changes only the epoch or only the status of a device. A
// suspension changes both, but each change alone must be enough to refuse the claim.
func TestClaim_EndedLoginIsRefused(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string]map[string]any{
		"next epoch":       {"epoch": 8},
		"no epoch":         {"epoch": ""},
		"same first digit": {"epoch": 70},
		"suspended":        {"epoch": 7, "status": "suspended"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				f := newFixture(t, s)
				c := f.propose(auto)
				login := func(r *queue.ClaimRequest) { r.Epoch = "7" }
				f.writeDevice(fields)
				_, err := f.queue.Claim(t.Context(), f.claimRequest(login))
				requireRefusal(t, err, fieldgate.CodeUnauthorized)
				require.Equal(t, queue.Queued, f.get(c.ID).Status)
				f.writeDevice(map[string]any{"epoch": 7, "status": "active"})
				require.Equal(t, c.ID, f.claimOne(login).ID)
			})
		})
	}
}

// TestClaim_DeletedLoginIsRefused claims with a login that has no record, as after a logout.
// A logout does not change the epoch, so the missing record alone must cause the refusal.
func TestClaim_DeletedLoginIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		c := f.propose(auto)
		login := func(r *queue.ClaimRequest) { r.Login = "hash" }
		_, err := f.queue.Claim(t.Context(), f.claimRequest(login))
		requireRefusal(t, err, fieldgate.CodeUnauthorized)
		require.Equal(t, queue.Queued, f.get(c.ID).Status)
		f.do(func(ctx context.Context, client store.Client) error {
			return client.HSet(ctx, store.LoginKey(f.device.ID, "hash"), "epoch", "").Err()
		})
		require.Equal(t, c.ID, f.claimOne(login).ID)
	})
}

// writeDevice sets fields of the device's record.
func (f *fixture) writeDevice(fields map[string]any) {
	f.t.Helper()
	f.do(func(ctx context.Context, c store.Client) error {
		return c.HSet(ctx, f.device.RecordKey(), fields).Err()
	})
}

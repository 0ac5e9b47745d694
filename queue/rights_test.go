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

// Suspending a device changes its status and its epoch. Each alone is enough.
func TestNothingIsClaimedUnderALoginThatIsOver(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string]map[string]any{
		"of another epoch":    {"epoch": 8},
		"of a lost epoch":     {"epoch": ""},
		"of a later one's":    {"epoch": 70},
		"of what is shut out": {"epoch": 7, "status": "suspended"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				b := newBench(t, s)
				c := b.propose(auto)
				login := func(r *queue.ClaimRequest) { r.Epoch = "7" }
				b.writeDevice(fields)
				_, err := b.queue.Claim(t.Context(), b.claimRequest(login))
				refused(t, err, fieldgate.CodeUnauthorized)
				require.Equal(t, queue.Queued, b.get(c.ID).Status)
				b.writeDevice(map[string]any{"epoch": 7, "status": "active"})
				require.Equal(t, c.ID, b.take(login).ID)
			})
		})
	}
}

// writeDevice changes fields of the device's record.
func (b *bench) writeDevice(fields map[string]any) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) error {
		return c.HSet(ctx, b.device.RecordKey(), fields).Err()
	})
}

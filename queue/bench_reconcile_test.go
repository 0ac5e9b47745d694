package queue_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// BenchmarkReconcile reconciles three devices: one without commands, one with some ready
// and finished commands, and one with many finished commands.
func BenchmarkReconcile(b *testing.B) {
	for name, size := range map[string]struct{ ready, finished int }{
		"idle": {0, 0}, "busy": {20, 30}, "old": {0, 1000},
	} {
		b.Run(name, func(b *testing.B) {
			server := storetest.Start(b)
			f := newFixture(b, storetest.Connect(b, store.Config{URL: server.URL()}))
			for range size.finished {
				f.propose(auto)
				f.submitResult(f.claimOne(), queue.Succeeded)
			}
			f.proposeMany(auto, size.ready)
			for b.Loop() {
				checked, err := f.queue.Reconcile(b.Context(), f.device)
				require.NoError(b, err)
				require.Equal(b, size.ready+size.finished, checked.Count)
			}
		})
	}
}

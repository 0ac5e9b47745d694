package queue_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// BenchmarkReconcile is one look at a device: with nothing, with a few commands
// that wait, and with a long history.
func BenchmarkReconcile(b *testing.B) {
	for name, size := range map[string]struct{ waiting, finished int }{
		"idle": {0, 0}, "busy": {20, 30}, "old": {0, 1000},
	} {
		b.Run(name, func(b *testing.B) {
			server := storetest.Start(b)
			at := newBench(b, storetest.Connect(b, store.Config{URL: server.URL()}))
			for range size.finished {
				at.propose(auto)
				at.finish(at.take(), queue.Succeeded)
			}
			at.fill(auto, size.waiting)
			for b.Loop() {
				looked, err := at.queue.Reconcile(b.Context(), at.device)
				require.NoError(b, err)
				require.Equal(b, size.waiting+size.finished, looked)
			}
		})
	}
}

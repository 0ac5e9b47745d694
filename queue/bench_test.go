package queue_test

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// BenchmarkClaim claims one command, with up to 100 commands ready.
func BenchmarkClaim(b *testing.B) {
	f := newFixture(b, storetest.Redis(b))
	for n := 0; b.Loop(); n++ {
		if n%100 == 0 {
			b.StopTimer()
			f.proposeMany(auto, 100)
			b.StartTimer()
		}
		f.claimOne()
	}
}

// BenchmarkEmptyClaim claims when no command is ready.
func BenchmarkEmptyClaim(b *testing.B) {
	f := newFixture(b, storetest.Redis(b))
	for b.Loop() {
		require.Empty(b, f.claim())
	}
}

// BenchmarkLifecycle proposes a command, claims it and submits its result.
func BenchmarkLifecycle(b *testing.B) {
	f := newFixture(b, storetest.Redis(b))
	for b.Loop() {
		f.propose(auto)
		f.submitResult(f.claimOne(), queue.Succeeded)
	}
}

// BenchmarkLifecycleConcurrently does the same as BenchmarkLifecycle for 64 callers at
// once, with and without AutoPipeline. Each caller has its own device.
func BenchmarkLifecycleConcurrently(b *testing.B) {
	for name, pipelined := range map[string]bool{"each alone": false, "autopipelined": true} {
		b.Run(name, func(b *testing.B) {
			s := storetest.Connect(b, store.Config{
				URL: storetest.Start(b).URL(), AutoPipeline: pipelined, Logger: slog.New(slog.DiscardHandler),
			})
			first := newFixture(b, s)
			b.SetParallelism(32) // for each CPU
			b.RunParallel(func(pb *testing.PB) {
				f := first.withDevice(first.newDevice(first.device.Tenant))
				for pb.Next() {
					f.propose(auto)
					f.submitResult(f.claimOne(), queue.Succeeded)
				}
			})
		})
	}
}

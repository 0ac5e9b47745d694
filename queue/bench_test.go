package queue_test

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// BenchmarkClaim claims one command at a time, while up to 100 commands are ready.
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

// BenchmarkEmptyClaim runs claims that find no ready command.
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

// BenchmarkLifecycleConcurrently runs BenchmarkLifecycle with 64 concurrent callers, with and
// without AutoPipeline. Each caller has a device of its own.
func BenchmarkLifecycleConcurrently(b *testing.B) {
	for name, pipelined := range map[string]bool{"each alone": false, "autopipelined": true} {
		b.Run(name, func(b *testing.B) {
			s := storetest.Connect(b, store.Config{
				URL: storetest.Start(b).URL(), AutoPipeline: pipelined, Logger: slog.New(slog.DiscardHandler),
			})
			first := newFixture(b, s)
			b.SetParallelism(32) // number of goroutines for each CPU
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

package queue_test

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// BenchmarkClaim is one claim of one command, with up to a hundred in the line.
func BenchmarkClaim(b *testing.B) {
	at := newBench(b, storetest.Redis(b))
	for n := 0; b.Loop(); n++ {
		if n%100 == 0 {
			b.StopTimer()
			at.fill(auto, 100)
			b.StartTimer()
		}
		at.take()
	}
}

// BenchmarkEmptyClaim is a device that asks and finds nothing.
func BenchmarkEmptyClaim(b *testing.B) {
	at := newBench(b, storetest.Redis(b))
	for b.Loop() {
		require.Empty(b, at.claim())
	}
}

// BenchmarkLifecycle is a proposal, a claim and a result, one after the other.
func BenchmarkLifecycle(b *testing.B) {
	at := newBench(b, storetest.Redis(b))
	for b.Loop() {
		at.propose(auto)
		at.finish(at.take(), queue.Succeeded)
	}
}

// BenchmarkLifecycleConcurrently is the same by 64 callers, each with a device of
// its own, with and without commands of several callers sent together.
func BenchmarkLifecycleConcurrently(b *testing.B) {
	for name, together := range map[string]bool{"each alone": false, "autopipelined": true} {
		b.Run(name, func(b *testing.B) {
			s := storetest.Connect(b, store.Config{
				URL: storetest.Start(b).URL(), AutoPipeline: together, Logger: slog.New(slog.DiscardHandler),
			})
			first := newBench(b, s)
			b.SetParallelism(32) // for each of the processors
			b.RunParallel(func(pb *testing.PB) {
				at := first.beside(first.newDevice(first.device.Tenant))
				for pb.Next() {
					at.propose(auto)
					at.finish(at.take(), queue.Succeeded)
				}
			})
		})
	}
}

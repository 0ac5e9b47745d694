package store_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// BenchmarkRoundTrip measures the run of a script that has a device's full key set. The
// script reads and writes fields, and records an event. The benchmark compares
// Config.AutoPipeline on and off. It also reports the processor time of Redis and of this
// process.
func BenchmarkRoundTrip(b *testing.B) {
	server := storetest.Start(b)
	for _, callers := range []int{1, 8, 64} {
		for _, mode := range []string{"alone", "pipelined"} {
			b.Run(fmt.Sprintf("%d/%s", callers, mode), func(b *testing.B) {
				s := storetest.Connect(b, store.Config{URL: server.URL(), AutoPipeline: mode == "pipelined"})
				transitions(b, s, server.Client(b), callers)
			})
		}
	}
}

// transitions runs b.N transitions with concurrent callers.
func transitions(b *testing.B, s *store.Store, admin *redis.Client, callers int) {
	d := deviceOf(storetest.Tenant())
	keys := d.Keys()
	args := store.NewScope(d, store.ActorSystem, "r1", time.Hour).Args("ready")
	_, err := s.Run(b.Context(), emitScript, keys, args...)
	require.NoError(b, err)
	var left atomic.Int64
	left.Store(int64(b.N))
	before, ownBefore := processorTime(b, admin), ownProcessorTime(b)
	b.ResetTimer()
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := s.Run(context.Background(), emitScript, keys, args...); err != nil {
					b.Error(err)
				}
			}
		})
	}
	group.Wait()
	b.StopTimer()
	b.ReportMetric((ownProcessorTime(b)-ownBefore)*1e6/float64(b.N), "own-us/op")
	b.ReportMetric((processorTime(b, admin)-before)*1e6/float64(b.N), "redis-us/op")
}

// ownProcessorTime returns the processor time of this process in seconds.
func ownProcessorTime(b *testing.B) float64 {
	b.Helper()
	var used syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return (time.Duration(used.Utime.Nano()) + time.Duration(used.Stime.Nano())).Seconds()
}

// processorTime returns the processor time of the server in seconds.
func processorTime(b *testing.B, admin *redis.Client) float64 {
	b.Helper()
	info := admin.InfoMap(b.Context(), "cpu")
	require.NoError(b, info.Err())
	system, _ := strconv.ParseFloat(info.Item("CPU", "used_cpu_sys"), 64)
	user, _ := strconv.ParseFloat(info.Item("CPU", "used_cpu_user"), 64)
	return system + user
}

// BenchmarkSweep measures one sweep of all partitions while nothing is due.
func BenchmarkSweep(b *testing.B) {
	server := storetest.Start(b)
	s := storetest.Connect(b, store.Config{URL: server.URL()})
	before := processorTime(b, server.Client(b))
	for b.Loop() {
		_, err := s.SweepOnce(b.Context(), nil)
		require.NoError(b, err)
	}
	b.ReportMetric((processorTime(b, server.Client(b))-before)*1e6/float64(b.N), "redis-us/op")
}

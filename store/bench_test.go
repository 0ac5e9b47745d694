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

// BenchmarkRoundTrip is one transition of a device: a script with its full key
// set that reads, writes, and records an event. It is what decides whether
// Config.AutoPipeline is worth it. Besides the time it reports the processor time
// that it costs Redis, and this process.
func BenchmarkRoundTrip(b *testing.B) {
	server := storetest.Start(b)
	for _, callers := range []int{1, 8, 64} {
		for _, way := range []string{"alone", "together"} {
			b.Run(fmt.Sprintf("%d/%s", callers, way), func(b *testing.B) {
				s := storetest.Connect(b, store.Config{URL: server.URL(), AutoPipeline: way == "together"})
				transitions(b, s, server.Client(b), callers)
			})
		}
	}
}

func transitions(b *testing.B, s *store.Store, admin *redis.Client, callers int) {
	d := deviceOf(storetest.Tenant())
	keys := d.Keys()
	args := store.Scope{Device: d, Actor: store.ActorSystem, RequestID: "r1", Retention: time.Hour}.Args("ready")
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

// ownProcessorTime is what this process has used so far, in seconds.
func ownProcessorTime(b *testing.B) float64 {
	b.Helper()
	var used syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return (time.Duration(used.Utime.Nano()) + time.Duration(used.Stime.Nano())).Seconds()
}

// processorTime is what the server has used so far, in seconds.
func processorTime(b *testing.B, admin *redis.Client) float64 {
	b.Helper()
	info := admin.InfoMap(b.Context(), "cpu")
	require.NoError(b, info.Err())
	system, _ := strconv.ParseFloat(info.Item("CPU", "used_cpu_sys"), 64)
	user, _ := strconv.ParseFloat(info.Item("CPU", "used_cpu_user"), 64)
	return system + user
}

// BenchmarkSweep is one look of the sweeper at all partitions, with nothing due.
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

package queue_test

import (
	"context"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// BenchmarkScripts measures the processor time that Redis spends on each script of a command's life,
// as a function and with EVALSHA, with its share of the messages. It alternates between them in
// rounds, on one server, and reports medians. Ten commands wait for the device, each with a body of about 100 bytes.
//
//	go test ./queue -run XXX -bench BenchmarkScripts -benchtime 10x
func BenchmarkScripts(b *testing.B) {
	server := storetest.Start(b)
	admin := server.Client(b)
	spent := map[string][]float64{}
	modes := map[string]*fixture{}
	for name, off := range map[string]bool{"function": false, "evalsha": true} {
		modes[name] = newFixture(b, storetest.Connect(b, store.Config{
			URL: server.URL(), AutoPipeline: true, NoFunctions: off, Scripts: []*store.Scripts{queue.Scripts}, Logger: slog.New(slog.DiscardHandler),
		}))
		modes[name].proposeMany(auto, 10)
	}
	for b.Loop() {
		for name, f := range modes {
			for step, us := range f.measureLife(admin, 4*measuredAtOnce) {
				spent[name+"-"+step] = append(spent[name+"-"+step], us)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(spent)) {
		slices.Sort(spent[name])
		b.ReportMetric(spent[name][len(spent[name])/2], name+"-us")
	}
}

// measureLife runs n lives of commands, one step after the other. It returns the processor time that
// Redis has spent on each step of one command, in microseconds.
func (f *fixture) measureLife(admin *redis.Client, n int) map[string]float64 {
	f.t.Helper()
	spent := map[string]float64{}
	leases := make([]queue.Lease, measuredAtOnce)
	measure := func(step string, run func(i int)) {
		before := scriptTime(f.t, admin)
		var callers sync.WaitGroup
		for i := range leases {
			callers.Go(func() { run(i) })
		}
		callers.Wait()
		spent[step] += (scriptTime(f.t, admin) - before) / float64(n)
	}
	for range n / measuredAtOnce {
		measure("propose", func(int) { f.propose(auto) })
		measure("claim", func(i int) { leases[i] = f.claimOne() })
		measure("extend", func(i int) { assert.NoError(f.t, f.deviceCalls(leases[i])["extend"]()) })
		measure("result", func(i int) { f.submitResult(leases[i], queue.Succeeded) })
	}
	return spent
}

// measuredAtOnce is the number of callers of measureLife, whose calls share messages to Redis.
const measuredAtOnce = 50

// mainThread matches the processor time of the thread that runs commands, in seconds.
var mainThread = regexp.MustCompile(`used_cpu_(?:sys|user)_main_thread:([\d.]+)`)

// scriptTime returns the processor time of the thread that runs scripts, in microseconds.
func scriptTime(t testing.TB, admin *redis.Client) (us float64) {
	t.Helper()
	text, err := admin.Info(context.WithoutCancel(t.Context()), "cpu").Result()
	require.NoError(t, err)
	for _, match := range mainThread.FindAllStringSubmatch(text, -1) {
		seconds, err := strconv.ParseFloat(match[1], 64)
		require.NoError(t, err)
		us += seconds * 1e6
	}
	return us
}

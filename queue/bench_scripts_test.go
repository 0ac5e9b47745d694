package queue_test

import (
	"context"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// BenchmarkScripts measures the processor time that Redis spends on each script of a command's life,
// as a function and with EVALSHA, with the messages around it. It alternates between them in rounds,
// on one server, and reports medians. Ten commands wait for the device, each with a body of about 100 bytes.
//
//	go test ./queue -run XXX -bench BenchmarkScripts -benchtime 10x
func BenchmarkScripts(b *testing.B) {
	server := storetest.Start(b)
	admin := server.Client(b)
	spent := map[string][]float64{}
	modes := map[string]*fixture{}
	for name, off := range map[string]bool{"function": false, "evalsha": true} {
		modes[name] = newFixture(b, storetest.Connect(b, store.Config{
			URL: server.URL(), NoFunctions: off, Scripts: []*store.Scripts{queue.Scripts}, Logger: slog.New(slog.DiscardHandler),
		}))
		modes[name].proposeMany(auto, 10)
	}
	for b.Loop() {
		for name, f := range modes {
			for step, us := range f.measureLife(admin, 200) {
				spent[name+"-"+step] = append(spent[name+"-"+step], us)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(spent)) {
		slices.Sort(spent[name])
		b.ReportMetric(spent[name][len(spent[name])/2], name+"-us")
	}
}

// measureLife runs n lives of commands, one step after the other. It returns the time that Redis
// has spent on each step of one command, in microseconds.
func (f *fixture) measureLife(admin *redis.Client, n int) map[string]float64 {
	f.t.Helper()
	spent := map[string]float64{}
	measure := func(step string, run func()) {
		before := scriptTime(f.t, admin)
		run()
		spent[step] += (scriptTime(f.t, admin) - before) / float64(n)
	}
	for range n / 50 {
		var leases []queue.Lease
		measure("propose", func() { f.proposeMany(auto, 50) })
		measure("claim", func() {
			for range 50 {
				leases = append(leases, f.claimOne())
			}
		})
		measure("extend", func() {
			for _, lease := range leases {
				require.NoError(f.t, f.deviceCalls(lease)["extend"]())
			}
		})
		measure("result", func() {
			for _, lease := range leases {
				f.submitResult(lease, queue.Succeeded)
			}
		})
	}
	return spent
}

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

package queue_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestEachTransitionOfADeviceIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	server, trips := storetest.Start(t), new(rounds)
	b := newBench(t, storetest.Connect(t, store.Config{URL: server.URL(), Observe: trips.observe}))
	outside := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + server.Port})
	t.Cleanup(func() { _ = outside.Close() })

	var lease queue.Lease
	transitions := []struct {
		name string
		run  func()
	}{
		{"claim", func() { lease = b.take() }},
		{"extend", func() { require.NoError(t, b.writes(lease)["extend"]()) }},
		{"result", func() { b.finish(lease, queue.Succeeded) }},
		{"claim", func() { lease = b.take(claimKey("k"), waitFor(time.Minute)) }},
		{"release", func() { require.NoError(t, b.writes(lease)["release"]()) }},
	}
	b.fill(auto, 4)
	for _, tt := range transitions {
		tt.run() // the first time, the server has yet to learn the scripts
	}
	for _, tt := range transitions {
		before, scripts := trips.all(), scriptCalls(t, outside)
		tt.run()
		require.Equal(t, map[string]int{tt.name: 1}, trips.since(before))
		scripts["evalsha"]++
		for _, kind := range []string{"eval", "evalsha"} {
			require.Equal(t, scripts[kind], scriptCalls(t, outside)[kind], tt.name)
		}
	}
}

// scriptCalls counts the scripts that the server was asked to run, by how.
func scriptCalls(t *testing.T, c *redis.Client) map[string]int {
	t.Helper()
	info, err := c.Info(context.WithoutCancel(t.Context()), "commandstats").Result()
	require.NoError(t, err)
	calls := map[string]int{}
	for line := range strings.Lines(info) {
		name, stats, _ := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		if n, _, ok := strings.Cut(stats, ","); ok {
			calls[name], err = strconv.Atoi(n)
			require.NoError(t, err)
		}
	}
	return calls
}

func TestALongListIsReadInFewRoundTrips(t *testing.T) {
	t.Parallel()
	trips := new(rounds)
	b := newBench(t, storetest.Connect(t, store.Config{Observe: trips.observe}))
	for range 5 {
		b.beside(b.newDevice(b.device.Tenant)).fill(review, 10)
	}
	before := trips.all()
	require.Len(t, b.pending(), 50)
	require.Equal(t, map[string]int{"list": 1, "read_commands": 5}, trips.since(before))
}

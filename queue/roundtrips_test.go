package queue_test

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestRoundTrips_OnePerDeviceCall(t *testing.T) {
	t.Parallel()
	server, trips := storetest.Start(t), new(roundTrips)
	s, err := store.Connect(t.Context(), store.Config{URL: server.URL(), Observe: trips.observe, Scripts: []*store.Scripts{queue.Scripts}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	f := newFixture(t, s)
	outside := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + server.Port})
	t.Cleanup(func() { _ = outside.Close() })

	var lease queue.Lease
	calls := []struct {
		name string
		run  func()
	}{
		{"claim", func() { lease = f.claimOne() }},
		{"extend", func() { require.NoError(t, f.deviceCalls(lease)["extend"]()) }},
		{"progress", func() { require.NoError(t, f.deviceCalls(lease)["progress"]()) }},
		{"result", func() { lease = f.submitAndClaim(lease) }},
		{"result", func() { f.submitResult(lease, queue.Succeeded) }},
		{"claim", func() { lease = f.claimOne(claimKey("k"), waitFor(longLease)) }},
		{"release", func() { require.NoError(t, f.deviceCalls(lease)["release"]()) }},
	}
	f.proposeMany(auto, 6)
	for _, tt := range calls {
		tt.run() // loads the script into the server
	}
	for _, tt := range calls {
		before, scripts := trips.all(), scriptCalls(t, outside)
		tt.run()
		require.Equal(t, map[string]int{tt.name: 1}, trips.since(before))
		scripts["fcall"]++
		for _, kind := range []string{"eval", "evalsha", "fcall"} {
			require.Equal(t, scripts[kind], scriptCalls(t, outside)[kind], tt.name)
		}
	}
}

// scriptCalls returns how many times the server has received each Redis command, such as
// FCALL.
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

func TestRoundTrips_PageIsReadInBatches(t *testing.T) {
	t.Parallel()
	trips := new(roundTrips)
	f := newFixture(t, storetest.Connect(t, store.Config{Observe: trips.observe}))
	for range 5 {
		f.withDevice(f.newDevice(f.device.Tenant)).proposeMany(review, 10)
	}
	before := trips.all()
	require.Len(t, f.pending(), 50)
	require.Equal(t, map[string]int{"list": 1, "read_commands": 1, "read_bodies": 1}, trips.since(before))
}

// TestRoundTrips_ListReadsNoResultsOrLargeParameters counts the bytes that Redis sends.
func TestRoundTrips_ListReadsNoResultsOrLargeParameters(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	f := newFixture(t, storetest.Connect(t, store.Config{URL: server.URL()}))
	outside := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + server.Port})
	t.Cleanup(func() { _ = outside.Close() })
	for range 20 {
		f.propose(auto, parametersOf(32<<10))
		_, err := f.queue.SubmitResult(t.Context(), f.ref(f.claimOne()), queue.Succeeded, queue.Result{Output: strings.Repeat("x", 256<<10)})
		require.NoError(t, err)
	}
	before := bytesSent(t, outside)
	listed, next, err := f.queue.List(t.Context(), f.device.Tenant, f.session.ID, "", store.Page{Limit: 200})
	require.NoError(t, err)
	require.Empty(t, next)
	require.Len(t, listed, 20)
	require.Less(t, bytesSent(t, outside)-before, 64<<10, "bytes that Redis has sent, those of this test included")
}

// bytesSent returns the number of bytes that the server has sent to all of its clients.
func bytesSent(t *testing.T, c *redis.Client) int {
	t.Helper()
	info, err := c.Info(context.WithoutCancel(t.Context()), "stats").Result()
	require.NoError(t, err)
	_, rest, _ := strings.Cut(info, "total_net_output_bytes:")
	sent, _, _ := strings.Cut(rest, "\r")
	n, err := strconv.Atoi(sent)
	require.NoError(t, err)
	return n
}

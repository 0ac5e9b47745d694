package queue_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// isJSON reports whether the stored state of a command is JSON.
func (f *fixture) isJSON(id string) (is bool) {
	f.t.Helper()
	f.do(func(ctx context.Context, c store.Client) error {
		raw, err := c.HGet(ctx, f.device.CommandsKey(), id).Result()
		is = strings.HasPrefix(raw, "{")
		return err
	})
	return is
}

// TestState_KeepsItsFormat runs the lifecycles of a packed command and of one that an earlier release
// has written, beside each other.
func TestState_KeepsItsFormat(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	for name, evalsha := range map[string]bool{"functions": false, "evalsha": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, connectTo(t, server, evalsha))
			earlier, packed := f.propose(review), f.propose(review, proposalKey("k"))
			f.editState(earlier.ID, func(state map[string]any) { delete(state, "packed") })
			require.Equal(t, packed, f.propose(review, proposalKey("k")), "a repeated proposal")
			f.approve(earlier)
			f.approve(packed)
			for _, lease := range f.claim(limit(2)) {
				require.NoError(t, f.deviceCalls(lease)["release"]())
			}
			leases := f.claim(limit(2))
			require.Len(t, leases, 2)
			for _, lease := range leases {
				f.submitResult(lease, queue.Succeeded)
				require.Len(t, f.get(lease.ID).Attempts, 2)
			}
			require.True(t, f.isJSON(earlier.ID))
			require.False(t, f.isJSON(packed.ID))
			require.Empty(t, f.quarantined())
		})
	}
}

// TestState_IsJSONWhileEarlierReleasesReadIt requires that a store which an earlier release may use
// gets only states which that release can read.
func TestState_IsJSONWhileEarlierReleasesReadIt(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	require.NoError(t, server.Client(t).HSet(t.Context(), "fg:meta", "partitions", store.Partitions).Err())
	f := newFixture(t, connectTo(t, server, false))
	require.True(t, f.isJSON(f.propose(auto).ID))

	require.NoError(t, f.store.RaiseSchema(t.Context()))
	require.True(t, f.isJSON(f.propose(auto).ID), "an instance decides when it starts")
	f = newFixture(t, connectTo(t, server, false))
	require.False(t, f.isJSON(f.propose(auto).ID))
}

// keptResult returns the result under the key that an earlier release reads, and the one beside the state.
func (f *fixture) keptResult(id string) (key, field string) {
	f.t.Helper()
	f.do(func(ctx context.Context, c store.Client) error {
		key, field = c.Get(ctx, store.ResultKey(id)).Val(), c.HGet(ctx, f.device.CommandsKey(), id+":result").Val()
		return nil
	})
	return key, field
}

// TestResult_HasKeyWhileEarlierReleasesReadIt requires that a store which an earlier release may use gets
// results where that release reads them, and that they stay readable after the schema was raised.
func TestResult_HasKeyWhileEarlierReleasesReadIt(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	require.NoError(t, server.Client(t).HSet(t.Context(), "fg:meta", "partitions", store.Partitions).Err())
	f := newFixture(t, connectTo(t, server, false))
	f.propose(auto)
	lease := f.claimOne()
	f.submitResult(lease, queue.Succeeded)
	key, field := f.keptResult(lease.ID)
	require.NotEmpty(t, key)
	require.Empty(t, field)

	want := f.get(lease.ID)
	require.NotNil(t, want.Result)
	require.NoError(t, f.store.RaiseSchema(t.Context()))
	f.queue = queue.New(queue.Config{Store: connectTo(t, server, false)})
	require.Equal(t, want, f.get(lease.ID))
}

// TestResult_IsDeletedWithItsCommand requires that nothing of a command is left after its retention.
func TestResult_IsDeletedWithItsCommand(t *testing.T) {
	t.Parallel()
	f := newFixture(t, connectTo(t, storetest.Start(t), false))
	f.propose(auto)
	lease := f.claimOne()
	f.submitResult(lease, queue.Succeeded)
	key, field := f.keptResult(lease.ID)
	require.Empty(t, key)
	require.NotEmpty(t, field)

	f.endRetention()
	f.sweep()
	f.do(func(ctx context.Context, c store.Client) error {
		require.Empty(t, c.HGetAll(ctx, f.device.CommandsKey()).Val())
		return nil
	})
}

func connectTo(t *testing.T, server *storetest.Server, noFunctions bool) *store.Store {
	t.Helper()
	return storetest.Connect(t, store.Config{
		URL: server.URL(), NoFunctions: noFunctions, Scripts: []*store.Scripts{queue.Scripts}, Logger: slog.New(slog.DiscardHandler),
	})
}

// TestState_DamagedIsQuarantined damages packed states, which a claim must set aside.
func TestState_DamagedIsQuarantined(t *testing.T) {
	t.Parallel()
	f := newFixture(t, connectTo(t, storetest.Start(t), false))
	for name, damage := range map[string]func(raw string) string{
		"end":    func(raw string) string { return raw[:len(raw)-1] },
		"more":   func(raw string) string { return raw + "\x01" },
		"begin":  func(raw string) string { return raw[1:] },
		"number": func(raw string) string { return strings.Replace(raw, "\xa3max\x03", "\xa3max\xa13", 1) },
		"text": func(raw string) string {
			return strings.Replace(raw, "\xa6status\xa6queued", "\xa6status\x01\xa4more\x01", 1)
		},
		"false": func(raw string) string { return withField(t, raw, "\xa5first\xc2") },
	} {
		c := f.propose(auto)
		f.do(func(ctx context.Context, client store.Client) error {
			raw, err := client.HGet(ctx, f.device.CommandsKey(), c.ID).Result()
			require.NotEqual(t, raw, damage(raw), name)
			f.overwriteField(c.ID, damage(raw))
			return err
		})
		before := len(f.quarantined())
		require.Empty(t, f.claim(limit(1)), name)
		require.Len(t, f.quarantined(), before+1, name)
	}
}

// withField appends a field to a packed state, which has more than 15 and less than 127.
func withField(t *testing.T, raw, field string) string {
	t.Helper()
	require.Equal(t, "\xde\x00", raw[:2])
	return raw[:2] + string(rune(raw[2]+1)) + raw[3:] + field
}

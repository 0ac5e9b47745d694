package verify_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
)

const never = 9_999_999_999_999 // a time in the year 2286, in Unix ms

// plant is a function that damages a store.
type plant func(ctx context.Context, c redis.Pipeliner, p planted)

// planted is the site whose store is damaged.
type planted struct {
	t      testing.TB
	site   *site
	device store.Device
	commands
	states map[string]map[string]any // states of the commands
}

func (p planted) due(kind, id string) string {
	return kind + " " + id + " " + p.device.ID + " " + p.device.Tenant
}

func (p planted) dueKey() string { return store.PartitionOf(p.device.Tenant).DueKey() }

// edit writes the state of a command after a change.
func (p planted) edit(ctx context.Context, c redis.Pipeliner, id string, change func(state map[string]any)) {
	state := p.states[id]
	change(state)
	raw, err := json.Marshal(state)
	require.NoError(p.t, err)
	c.HSet(ctx, p.device.CommandsKey(), id, raw)
}

// plants holds the damages by name, each with the invariants that it violates.
var plants = map[string]struct {
	plant    plant
	violates []store.Invariant
}{
	"a queued command that is not ready": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		c.ZRem(ctx, p.device.ReadyKey(), p.queued)
	}, []store.Invariant{store.NothingLost, quota.CountsMatch}},
	"a ready entry without a record": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		c.HDel(ctx, p.device.CommandsKey(), p.queued)
	}, []store.Invariant{store.NothingLost, quota.CountsMatch}},
	"a command that is never due": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		c.ZRem(ctx, p.dueKey(), p.due("command", p.claimed))
	}, []store.Invariant{store.NothingForgotten}},
	"a due entry without a record": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		c.ZAdd(ctx, p.dueKey(), redis.Z{Score: never, Member: p.due("command", "cmd_lost")})
	}, []store.Invariant{store.NothingLost}},
	"a due entry that cannot be parsed": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		c.ZAdd(ctx, p.dueKey(), redis.Z{Score: never, Member: "nonsense"})
	}, []store.Invariant{store.NothingForgotten}},
	"a claimed command that is ready": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		c.ZAdd(ctx, p.device.ReadyKey(), redis.Z{Score: 1, Member: p.claimed})
	}, []store.Invariant{queue.NoDoubleLease, quota.CountsMatch}},
	"a pending command that is ready": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		c.ZAdd(ctx, p.device.ReadyKey(), redis.Z{Score: 1, Member: p.pending})
	}, []store.Invariant{queue.NoUnapprovedClaim, quota.CountsMatch}},
	"a claimed command without an approval": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		p.edit(ctx, c, p.claimed, func(state map[string]any) { state["approve_by"] = never })
	}, []store.Invariant{queue.NoUnapprovedClaim}},
	"a statement that was changed": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		field := p.queued + ":body"
		statement := p.site.server.Client(p.t).HGet(ctx, p.device.CommandsKey(), field).Val()
		c.HSet(ctx, p.device.CommandsKey(), field, strings.Replace(statement, "example.com", "evil.example", 1))
	}, []store.Invariant{queue.ApprovedIsWhatRuns}},
	"a command that may run more often than its statement says": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		p.edit(ctx, c, p.queued, func(state map[string]any) { state["max"] = 9 })
	}, []store.Invariant{queue.ApprovedIsWhatRuns}},
	"a finished command that has a lease": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		c.ZAdd(ctx, p.device.AliveKeys()[2], redis.Z{Score: never, Member: p.succeeded})
	}, []store.Invariant{queue.FinishedIsFinal}},
	"too many attempts": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		p.edit(ctx, c, p.claimed, func(state map[string]any) { state["attempt"] = 9 })
	}, []store.Invariant{queue.AttemptsBounded}},
	"a lease without end": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		p.edit(ctx, c, p.claimed, func(state map[string]any) { state["visible"] = never })
		c.ZAdd(ctx, p.device.AliveKeys()[2], redis.Z{Score: never, Member: p.claimed})
	}, []store.Invariant{queue.ExecutionCapped}},
	"a ready set out of order": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		c.ZAdd(ctx, p.device.ReadyKey(), redis.Z{Score: 1, Member: p.queued})
	}, []store.Invariant{queue.FIFOWithinPriority}},
	"a lost request to cancel": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		c.Del(ctx, p.device.CancelsKey())
	}, []store.Invariant{queue.CancelIsHeard}},
	"a lost event": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		events := p.site.server.Client(p.t).XRange(ctx, p.device.TimelineKey(), "-", "+").Val()
		for _, entry := range events {
			if e := store.ParseEvent(entry); e.Command == p.succeeded && e.Type == "command.succeeded" {
				c.XDel(ctx, p.device.TimelineKey(), e.ID)
			}
		}
	}, []store.Invariant{queue.EverythingIsTold}},
	"a session that its device does not name": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		c.HDel(ctx, p.device.RecordKey(), "session", "session_until")
	}, []store.Invariant{session.OneSession, quota.CountsMatch}},
	"a session that is in no index": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		c.ZRem(ctx, store.Tenant(p.device.Tenant).SessionsKey(), p.site.session)
		c.ZRem(ctx, p.device.SessionsKey(), p.site.session)
		c.HDel(ctx, p.device.RecordKey(), "session", "session_until")
	}, []store.Invariant{store.NothingLost, session.OneSession, quota.CountsMatch}},
	"a device that is in no index": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		c.ZRem(ctx, store.Tenant(p.device.Tenant).DevicesKey(), p.device.ID)
	}, []store.Invariant{device.IsListed, quota.CountsMatch}},
	"a device in the index of another status": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		c.ZAdd(ctx, store.Tenant(p.device.Tenant).DevicesByKey("status", "suspended"), redis.Z{Member: p.device.ID})
	}, []store.Invariant{device.IsListed}},
	"a lost tag": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		c.ZRem(ctx, store.Tenant(p.device.Tenant).DevicesByKey("tag", "site:berlin"), p.device.ID)
	}, []store.Invariant{device.IsListed}},
	"a lost external id": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		c.Del(ctx, store.Tenant(p.device.Tenant).ExternalIDsKey())
	}, []store.Invariant{device.IsListed}},
	"a tenant that is in no index": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		c.ZRem(ctx, store.PartitionOf(p.device.Tenant).TenantsKey(), p.device.Tenant)
	}, []store.Invariant{device.IsListed}},
	"an index entry of a device that is gone": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		gone := store.NewID(store.KindDevice, store.PartitionOf(p.device.Tenant))
		c.ZAdd(ctx, store.Tenant(p.device.Tenant).DevicesByKey("tag", "site:bonn"), redis.Z{Member: gone})
	}, []store.Invariant{device.IsListed}},
	"commands of a device that is gone": {func(ctx context.Context, c redis.Pipeliner, _ planted) {
		tenant := "c.gone"
		d := store.Device{Tenant: tenant, ID: store.NewID(store.KindDevice, store.PartitionOf(tenant))}
		c.HSet(ctx, d.CommandsKey(), "cmd_1", "{}")
	}, []store.Invariant{store.NothingLost}},
	"a session of a device that is gone": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		id := store.NewID(store.KindSession, store.PartitionOf(p.device.Tenant))
		c.HSet(ctx, store.SessionKey(id), "tenant", p.device.Tenant, "device", "dev_gone", "status", "closed")
	}, []store.Invariant{store.NothingLost}},
	"a record of a wrong type": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		id := store.NewID(store.KindDevice, store.PartitionOf(p.device.Tenant))
		c.Set(ctx, store.DeviceKey(id), "text", 0)
	}, []store.Invariant{store.NothingLost}},
	"wrong counts": {func(ctx context.Context, c redis.Pipeliner, p planted) {
		c.HIncrBy(ctx, store.Tenant(p.device.Tenant).UsageKey(), "storedBytes:added", 1000)
	}, []store.Invariant{quota.CountsMatch}},
}

// TestRun_FindsEveryPlantedDamage plants one damage at a time in the store of a gateway that has
// worked, and requires exactly the violations that it causes.
func TestRun_FindsEveryPlantedDamage(t *testing.T) {
	t.Parallel()
	s := newSite(t, withoutReconciler)
	p := planted{t: t, site: s, device: store.Device{Tenant: s.tenant, ID: s.device.ID}, commands: s.work(t)}
	require.NoError(t, s.Stop())
	opened, dump := s.connect(t), dumpOf(t, s)
	require.Empty(t, violated(s.check(t, opened, "")))
	covered := map[store.Invariant]bool{}
	for name, tt := range plants {
		restore(t, s.server, dump)
		p.states = statesOf(t, p)
		_, err := s.server.Client(t).Pipelined(t.Context(), func(c redis.Pipeliner) error {
			tt.plant(t.Context(), c, p)
			return nil
		})
		require.NoError(t, err, name)
		report := s.check(t, opened, "")
		found := violated(report)
		for _, invariant := range tt.violates {
			require.NotZero(t, found[invariant], "%s: %s is not reported, but %v", name, invariant, report.Listed)
			covered[invariant] = true
			delete(found, invariant)
		}
		require.Empty(t, found, "%s: %v", name, report.Listed)
		require.Len(t, report.Listed, report.Found())
	}
	for _, invariant := range invariants() {
		require.True(t, covered[invariant], "no damage violates %s", invariant)
	}
}

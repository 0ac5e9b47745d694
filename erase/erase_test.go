package erase_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/erase"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
	"github.com/fieldgate/fieldgate/verify"
)

// fleet is a tenant of a gateway with two devices that have worked.
type fleet struct {
	tenant  string
	alice   *client.CustomerClient
	devices []gatewaytest.Device
}

func newFleet(t testing.TB, g *gatewaytest.Gateway, tenantID string) *fleet {
	t.Helper()
	f := &fleet{tenant: gatewaytest.TenantOf(tenantID), alice: g.User(tenantID, "alice", "admin")}
	for range 2 {
		d := g.NewDevice(t, f.alice)
		f.devices = append(f.devices, d)
		_, err := f.alice.Update(t.Context(), d.ID, client.UpdateDeviceRequest{Tags: client.Tags{"site": "berlin"}})
		require.NoError(t, err)
		f.work(t, d)
		f.work(t, d)
	}
	return f
}

// work takes a device through a session with a finished, a claimed, a queued and a pending command.
func (f *fleet) work(t testing.TB, d gatewaytest.Device) {
	t.Helper()
	opened, err := f.alice.OpenSession(t.Context(), client.OpenSessionRequest{DeviceID: d.ID, Type: "remediation"})
	if client.CodeOf(err) == client.CodeSessionActive {
		return
	}
	require.NoError(t, err)
	for _, kind := range []string{"diagnostic.dns", "diagnostic.dns", "diagnostic.dns", "remediation.restart"} {
		_, err := f.alice.Propose(t.Context(), opened.ID, client.ProposeCommandRequest{Type: kind, Parameters: json.RawMessage(`{}`)})
		require.NoError(t, err)
	}
	claimed, err := d.Claim(t.Context(), client.ClaimRequest{Limit: 2, VisibilityTimeoutMs: 3_600_000})
	require.NoError(t, err)
	require.Len(t, claimed, 2)
	_, err = d.SubmitResult(t.Context(), claimed[0].ID, client.ResultRequest{ClaimToken: claimed[0].ClaimToken, Status: client.ResultStatusSucceeded, Output: "done"})
	require.NoError(t, err)
}

// mentions returns the keys that contain one of the texts, or whose value does.
func mentions(t testing.TB, server *storetest.Server, texts ...string) (found []string) {
	t.Helper()
	c := server.Client(t)
	keys, err := c.Keys(t.Context(), "fg:*").Result()
	require.NoError(t, err)
	for _, key := range keys {
		var value any
		switch c.Type(t.Context(), key).Val() {
		case "hash":
			value = c.HGetAll(t.Context(), key).Val()
		case "zset":
			value = c.ZRange(t.Context(), key, 0, -1).Val()
		case "list":
			value = c.LRange(t.Context(), key, 0, -1).Val()
		case "set":
			value = c.SMembers(t.Context(), key).Val()
		case "stream":
			value = c.XRange(t.Context(), key, "-", "+").Val()
		default:
			value = c.Get(t.Context(), key).Val()
		}
		for _, text := range texts {
			if all := key + " " + fmt.Sprint(value); strings.Contains(all, text) {
				found = append(found, key)
				break
			}
		}
	}
	return found
}

// requireClean requires that a store has no violation.
func requireClean(t testing.TB, s *store.Store) {
	t.Helper()
	report, err := verify.Run(t.Context(), verify.Config{Store: s})
	require.NoError(t, err)
	require.Zero(t, report.Found(), report.Listed)
}

// start starts a gateway with the fleets of two tenants in the same partition.
func start(t testing.TB) (server *storetest.Server, s *store.Store, mine, theirs *fleet) {
	t.Helper()
	server = storetest.Start(t)
	// A reconciler would write while a test compares dumps.
	g := gatewaytest.Start(t, gatewaytest.WithRedis(server.URL()), func(cfg *gateway.Config) { cfg.ReconcileInterval = 0 })
	id := gatewaytest.NewTenantID()
	mine, theirs = newFleet(t, g, id), newFleet(t, g, gatewaytest.NeighbourOf(id))
	return server, storetest.Connect(t, store.Config{URL: server.URL(), Existing: true}), mine, theirs
}

func TestErase_DeviceLeavesNoTrace(t *testing.T) {
	t.Parallel()
	server, s, mine, _ := start(t)
	gone, kept := mine.devices[0], mine.devices[1]
	d := store.Device{Tenant: mine.tenant, ID: gone.ID}
	commands := server.Client(t).HKeys(t.Context(), d.CommandsKey()).Val()
	others := len(mentions(t, server, kept.ID))

	dry := erase.New(erase.Config{Store: s, DryRun: true})
	before := storetest.Dump(t, server)
	require.NoError(t, dry.Device(t.Context(), d))
	require.Equal(t, before, storetest.Dump(t, server), "a dry run has changed the store")

	eraser := erase.New(erase.Config{Store: s, By: "operator"})
	require.NoError(t, eraser.Device(t.Context(), d))
	require.Equal(t, dry.Report(), eraser.Report())
	require.Equal(t, []int{1, 1, 4, 1, 1}, []int{
		dry.Report().Devices, dry.Report().Sessions, dry.Report().Commands, dry.Report().Results, dry.Report().Logins,
	})
	requireGone(t, server, commands, gone.ID)
	require.Len(t, mentions(t, server, kept.ID), others, "the records of another device")
	requireClean(t, s)
	_, err := gone.Heartbeat(t.Context(), client.HeartbeatRequest{Status: "ok"})
	require.Error(t, err)
	_, err = kept.Heartbeat(t.Context(), client.HeartbeatRequest{Status: "ok"})
	require.NoError(t, err)
}

func TestErase_TenantLeavesNoTrace(t *testing.T) {
	t.Parallel()
	server, s, mine, theirs := start(t)
	ids := []string{mine.tenant, mine.devices[0].ID, mine.devices[1].ID}
	others := mentions(t, server, theirs.tenant)

	dry := erase.New(erase.Config{Store: s, DryRun: true})
	before := storetest.Dump(t, server)
	require.NoError(t, dry.Tenant(t.Context(), mine.tenant))
	require.Equal(t, before, storetest.Dump(t, server), "a dry run has changed the store")

	eraser := erase.New(erase.Config{Store: s, By: "operator"})
	require.NoError(t, eraser.Tenant(t.Context(), mine.tenant))
	require.Equal(t, []int{1, 2, 2, 8, 2, 2}, []int{
		eraser.Report().Tenants, eraser.Report().Devices, eraser.Report().Sessions, eraser.Report().Commands, eraser.Report().Results, eraser.Report().Logins,
	})
	for _, key := range mentions(t, server, ids...) {
		require.Equal(t, "fg:patrol", key, "the cursor of the reconciler moves on by itself")
	}
	require.ElementsMatch(t, others, mentions(t, server, theirs.tenant), "the records of another tenant")
	requireClean(t, s)
	_, err := theirs.devices[0].Heartbeat(t.Context(), client.HeartbeatRequest{Status: "ok"})
	require.NoError(t, err)
	added, err := mine.alice.Provision(t.Context(), client.ProvisionDeviceRequest{Name: "Pump 8"})
	require.NoError(t, err, "the tenant can begin anew")
	require.NotEmpty(t, added.Device.ID)
	requireClean(t, s)
}

// between returns a store that calls f once, when a round trip with this name has ended.
func between(t testing.TB, server *storetest.Server, name string, f func()) *store.Store {
	t.Helper()
	var once sync.Once
	t.Cleanup(func() { once.Do(func() { t.Errorf("no round trip is named %s", name) }) })
	return storetest.Connect(t, store.Config{URL: server.URL(), Existing: true, Observe: func(done string, _ time.Duration, _ error) {
		if done == name {
			once.Do(f)
		}
	}})
}

// requireGone requires that a store names a device and its commands only in replies to repeated
// requests.
func requireGone(t testing.TB, server *storetest.Server, commands []string, id string) {
	t.Helper()
	for _, key := range mentions(t, server, append(commands, id)...) {
		require.Contains(t, key, ":idempotency:")
	}
}

// TestErase_DeviceLeavesNoTraceOfReconciler lets a reconciler visit the device after its records are
// deleted and before the device is.
func TestErase_DeviceLeavesNoTraceOfReconciler(t *testing.T) {
	t.Parallel()
	server, s, mine, _ := start(t)
	d := store.Device{Tenant: mine.tenant, ID: mine.devices[0].ID}
	commands := server.Client(t).HKeys(t.Context(), d.CommandsKey()).Val()
	visited := between(t, server, "erase_keys", func() {
		_, err := queue.New(queue.Config{Store: s}).Reconcile(t.Context(), d)
		require.NoError(t, err)
		due := server.Client(t).ZRange(t.Context(), store.PartitionOf(d.Tenant).DueKey(), 0, -1).Val()
		require.Contains(t, strings.Join(due, "\n"), " "+d.ID+" ", "the reconciler has written no entry")
	})
	require.NoError(t, erase.New(erase.Config{Store: visited}).Device(t.Context(), d))
	requireGone(t, server, commands, d.ID)
	requireClean(t, s)
}

// TestErase_InterruptedAfterDeviceLeavesNoTrace interrupts an erasure as soon as the device is
// deleted: without it, no other run finds its keys.
func TestErase_InterruptedAfterDeviceLeavesNoTrace(t *testing.T) {
	t.Parallel()
	server, s, mine, _ := start(t)
	d := store.Device{Tenant: mine.tenant, ID: mine.devices[0].ID}
	commands := server.Client(t).HKeys(t.Context(), d.CommandsKey()).Val()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	interrupted := between(t, server, "settle_removal", interrupt)
	require.ErrorIs(t, erase.New(erase.Config{Store: interrupted}).Device(ctx, d), context.Canceled)
	require.Zero(t, server.Client(t).Exists(t.Context(), d.RecordKey()).Val())
	requireGone(t, server, commands, d.ID)
	requireClean(t, s)
}

// TestErase_TenantInUseFails writes a key of the tenant after each pass.
func TestErase_TenantInUseFails(t *testing.T) {
	t.Parallel()
	server, tenant := storetest.Start(t), storetest.Tenant()
	write := func() {
		require.NoError(t, server.Client(t).HSet(context.Background(), store.Tenant(tenant).UsageKey(), "devices", 1).Err())
	}
	s := storetest.Connect(t, store.Config{URL: server.URL(), Observe: func(done string, _ time.Duration, _ error) {
		if done == "erase_keys" {
			write()
		}
	}})
	empty := erase.New(erase.Config{Store: s})
	require.NoError(t, empty.Tenant(t.Context(), tenant))
	require.Zero(t, empty.Report().Tenants)
	write()
	require.ErrorContains(t, erase.New(erase.Config{Store: s}).Tenant(t.Context(), tenant), "1 other keys after 5 passes")
}

func TestErase_DamagedRecordOfOtherTenantIsNoObstacle(t *testing.T) {
	t.Parallel()
	server, s, mine, _ := start(t)
	damaged := store.DeviceKey(store.NewID(store.KindDevice, store.PartitionOf(mine.tenant)))
	require.NoError(t, server.Client(t).Set(t.Context(), damaged, "text", 0).Err())
	require.NoError(t, erase.New(erase.Config{Store: s}).Tenant(t.Context(), mine.tenant))
	require.EqualValues(t, 1, server.Client(t).Exists(t.Context(), damaged).Val())
}

// TestErase_DeviceWithManyCommands has more commands than one round trip reads and deletes.
func TestErase_DeviceWithManyCommands(t *testing.T) {
	t.Parallel()
	server, s, mine, _ := start(t)
	d := store.Device{Tenant: mine.tenant, ID: mine.devices[0].ID}
	p := store.PartitionOf(d.Tenant)
	_, err := server.Client(t).Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
		for range 1300 {
			id := store.NewID(store.KindCommand, p)
			pipe.HSet(t.Context(), d.CommandsKey(), id, "{}", id+":body", "{}")
			pipe.Set(t.Context(), store.ResultKey(id), "{}", 0)
			pipe.ZAdd(t.Context(), p.DueKey(), redis.Z{Score: 9_999_999_999_999, Member: store.Due{Kind: "command", ID: id, Device: d}.Member()})
		}
		return nil
	})
	require.NoError(t, err)
	eraser := erase.New(erase.Config{Store: s})
	require.NoError(t, eraser.Device(t.Context(), d))
	require.Equal(t, []int{1304, 1301}, []int{eraser.Report().Commands, eraser.Report().Results})
	requireGone(t, server, nil, d.ID)
}

package erase_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/erase"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
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
	g := gatewaytest.Start(t, gatewaytest.WithRedis(server.URL()), func(cfg *gateway.Config) {
		cfg.ReconcileInterval = time.Hour // nothing is written while a test compares dumps
	})
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
	left := mentions(t, server, append(commands, gone.ID)...)
	for _, key := range left {
		require.Contains(t, key, ":idempotency:", "only the replies to repeated requests are kept")
	}
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

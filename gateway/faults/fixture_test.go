package faults_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// fixtureData is a snapshot of a Redis that version 1.0.0 has written, and fixtureNotes what its
// callers knew at that time. TestFixture_Write writes both.
const (
	fixtureData  = "testdata/1.0.0.rdb"
	fixtureNotes = "testdata/1.0.0.json"
)

// fixture holds the ids, secrets and tokens that the callers of version 1.0.0 had when the snapshot
// was taken.
type fixture struct {
	TakenAt  time.Time `json:"takenAt"`
	TenantID string    `json:"tenantId"`
	Session  string    `json:"session"`

	Device         credentials `json:"device"`
	LoginToken     string      `json:"loginToken"`     // of the device
	Suspended      credentials `json:"suspended"`      // a suspended device
	Decommissioned string      `json:"decommissioned"` // the id of a decommissioned device
	ActivationCode string      `json:"activationCode"` // of a device that has not registered yet

	Queued        string `json:"queued"` // commands of the session, by their status
	Pending       string `json:"pending"`
	PendingDigest string `json:"pendingDigest"`
	Claimed       string `json:"claimed"`
	ClaimToken    string `json:"claimToken"`
	Finished      string `json:"finished"`
}

// credentials are the id and the secret of a device.
type credentials struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
}

// TestFixture_Write writes the fixture with the program of version 1.0.0: make roll-fixture.
func TestFixture_Write(t *testing.T) {
	if os.Getenv("FIELDGATE_TEST_WRITE_FIXTURE") == "" {
		t.Skip("run by make roll-fixture")
	}
	server := storetest.Start(t)
	s := newSite(t, plan{ownProcesses: true}, "", server.Client(t))
	s.startProgram(version10.build(t), server.URL())
	f := s.writeFixture(t)

	require.NoError(t, s.store.Save(t.Context()).Err())
	dir, err := s.store.ConfigGet(t.Context(), "dir").Result()
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(dir["dir"], "dump.rdb"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(fixtureData, data, 0o600))
	notes, err := json.MarshalIndent(f, "", "  ")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(fixtureNotes, append(notes, '\n'), 0o600))
}

// writeFixture sends the requests whose records the fixture holds.
func (s *site) writeFixture(t testing.TB) fixture {
	t.Helper()
	f := fixture{TenantID: "fixture"}
	alice, bob := s.user(f.TenantID, "alice", "admin"), s.user(f.TenantID, "bob", "approver")
	made := gatewaytest.Gateway{Gateway: s.gate}
	device := made.NewDevice(t, alice)
	f.Device, f.LoginToken = credentials{device.ID, device.Secret}, made.Login(t, device)
	opened, err := alice.OpenSession(t.Context(), client.OpenSessionRequest{DeviceID: device.ID, Type: "remediation", ExpiresInSeconds: 86400})
	require.NoError(t, err)
	f.Session = opened.ID

	propose := func(kind string) client.Command {
		made, err := alice.Propose(t.Context(), f.Session, client.ProposeCommandRequest{Type: kind, Parameters: json.RawMessage(`{"big":9007199254740993}`)})
		require.NoError(t, err)
		return made
	}
	claim := func() client.ClaimedCommand {
		claimed, err := device.Claim(t.Context(), client.ClaimRequest{VisibilityTimeoutMs: 3_600_000})
		require.NoError(t, err)
		require.Len(t, claimed, 1)
		return claimed[0]
	}
	approved := propose(review)
	_, err = bob.Decide(t.Context(), f.Session, client.DecisionRequest{CommandID: approved.ID, Approved: true, Digest: approved.Digest})
	require.NoError(t, err)
	finished := claim()
	f.Finished = finished.ID
	_, err = device.SubmitResult(t.Context(), finished.ID, client.ResultRequest{ClaimToken: finished.ClaimToken, Status: client.ResultStatusSucceeded, Output: "done by 1.0.0"})
	require.NoError(t, err)
	f.Claimed = propose(auto).ID
	f.ClaimToken = claim().ClaimToken
	f.Queued = propose(auto).ID
	pending := propose(review)
	f.Pending, f.PendingDigest = pending.ID, pending.Digest

	suspended := made.NewDevice(t, alice)
	f.Suspended = credentials{suspended.ID, suspended.Secret}
	_, err = alice.Suspend(t.Context(), suspended.ID, "lost")
	require.NoError(t, err)
	f.Decommissioned = made.NewDevice(t, alice).ID
	require.NoError(t, alice.Decommission(t.Context(), f.Decommissioned))
	unused, err := alice.Provision(t.Context(), client.ProvisionDeviceRequest{Name: "Pump 9"})
	require.NoError(t, err)
	f.ActivationCode = unused.ActivationCode
	now, err := s.store.Time(t.Context()).Result()
	require.NoError(t, err)
	f.TakenAt = now
	return f
}

// TestRoll_LoadsDataOfFirstVersion starts a Redis with the snapshot, at the time of the snapshot,
// and continues what was begun with version 1.0.0.
func TestRoll_LoadsDataOfFirstVersion(t *testing.T) {
	t.Parallel()
	var f fixture
	notes, err := os.ReadFile(fixtureNotes)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(notes, &f))
	server := f.startRedis(t)
	g := gatewaytest.StartWithIssuer(t, customertest.NewIssuer(t), gatewaytest.WithRedis(server.URL()), func(cfg *gateway.Config) {
		cfg.ReconcileInterval, cfg.ReconcileDevices = 50*time.Millisecond, 500
	})
	f.requireLogins(t, g)
	f.requireCommandsFinish(t, g)
	requireCleanStore(t, g, server.Client(t))
}

// startRedis starts a Redis with the snapshot. Its clock continues at the time of the snapshot, so
// that nothing in it has expired.
func (f fixture) startRedis(t testing.TB) *storetest.Server {
	t.Helper()
	dir := t.TempDir()
	data, err := os.ReadFile(fixtureData)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dump.rdb"), data, 0o600))
	c := clock{t, filepath.Join(dir, "clock")}
	c.set(strconv.Itoa(int(time.Until(f.TakenAt).Seconds())))
	server := startShimmed(t, "FIELDGATE_TEST_CLOCK="+c.file, "--dir", dir, "--appendonly", "no")
	require.NoError(t, server.Client(t).ConfigSet(t.Context(), "appendonly", "yes").Err()) // as the guide restores a backup
	return server
}

// requireLogins requires that every device of the snapshot is what it was.
func (f fixture) requireLogins(t testing.TB, g *gatewaytest.Gateway) {
	t.Helper()
	ok := client.HeartbeatRequest{Status: client.HeartbeatStatusOk}
	_, err := g.DeviceWithToken(client.Bearer(f.LoginToken)).Heartbeat(t.Context(), ok)
	require.NoError(t, err, "a login of 1.0.0")
	alice := g.User(f.TenantID, "alice", "admin")
	suspended := g.Device(f.Suspended.ID, f.Suspended.Secret)
	_, err = suspended.Heartbeat(t.Context(), ok)
	require.Equal(t, client.CodeDeviceSuspended, client.CodeOf(err))
	_, err = alice.Resume(t.Context(), f.Suspended.ID, "found")
	require.NoError(t, err)
	_, err = suspended.Heartbeat(t.Context(), ok)
	require.NoError(t, err, "the secret of a device")
	_, err = g.Register(t.Context(), client.RegisterDeviceRequest{ActivationCode: f.ActivationCode})
	require.NoError(t, err, "an activation code")
	gone, err := alice.Device(t.Context(), f.Decommissioned)
	require.NoError(t, err)
	require.Equal(t, client.DeviceStatusDecommissioned, gone.Status)
}

// requireCommandsFinish requires that every command of the snapshot finishes.
func (f fixture) requireCommandsFinish(t testing.TB, g *gatewaytest.Gateway) {
	t.Helper()
	device, alice := g.Device(f.Device.ID, f.Device.Secret), g.User(f.TenantID, "alice", "admin")
	submit := func(id, token string) {
		t.Helper()
		_, err := device.SubmitResult(t.Context(), id, client.ResultRequest{ClaimToken: token, Status: client.ResultStatusSucceeded, Output: "done"})
		require.NoError(t, err)
	}
	claimOne := func(id string) {
		t.Helper()
		claimed, err := device.Claim(t.Context(), client.ClaimRequest{VisibilityTimeoutMs: 3_600_000})
		require.NoError(t, err)
		require.Len(t, claimed, 1)
		require.Equal(t, id, claimed[0].ID)
		require.JSONEq(t, `{"big":9007199254740993}`, string(claimed[0].Parameters))
		submit(id, claimed[0].ClaimToken)
	}
	submit(f.Claimed, f.ClaimToken)
	claimOne(f.Queued)
	_, err := g.User(f.TenantID, "bob", "approver").Decide(t.Context(), f.Session,
		client.DecisionRequest{CommandID: f.Pending, Approved: true, Digest: f.PendingDigest})
	require.NoError(t, err)
	claimOne(f.Pending)
	for id, output := range map[string]string{f.Claimed: "done", f.Queued: "done", f.Pending: "done", f.Finished: "done by 1.0.0"} {
		seen, err := alice.Command(t.Context(), f.Session, id)
		require.NoError(t, err)
		require.Equal(t, client.CommandStatusSucceeded, seen.Status)
		require.Equal(t, output, seen.Result.Output)
	}
	_, err = alice.CloseSession(t.Context(), f.Session, "done")
	require.NoError(t, err)
}

// requireCleanStore requires that the reconciler has gone through the whole store and has found no
// violation, and that no record was set aside.
func requireCleanStore(t testing.TB, g *gatewaytest.Gateway, direct *redis.Client) {
	t.Helper()
	const rounds = `fieldgate_redis_duration_seconds_count{name="patrol_to"}`
	began := g.Metrics(t)[rounds]
	eventually(t, 20*time.Second, "the reconciler does not run", func() bool { return g.Metrics(t)[rounds] > began+2 })
	for series, n := range g.Metrics(t) {
		if strings.HasPrefix(series, "fieldgate_invariant_violations_total") || strings.HasPrefix(series, "fieldgate_quarantined_records_total") {
			require.Zero(t, n, series)
		}
	}
	for p := range store.Partitions {
		require.Zero(t, direct.LLen(t.Context(), store.Partition(p).QuarantineKey()).Val())
	}
}

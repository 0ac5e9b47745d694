package main_test

import (
	"encoding/json"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// night is an installation in trouble, and the shell of the operator who follows the runbook.
type night struct {
	machine
	iss     *customertest.Issuer
	process *process
	url     string
	metrics string
	party   // an admin of the tenant c.acme
}

// newNight starts a Redis and an instance that uses it. The settings are those of Redis.
func newNight(t testing.TB, settings ...string) *night {
	t.Helper()
	if testing.Short() {
		t.Skip("slow, and needs redis-server, curl and jq")
	}
	n := &night{machine: newMachine(t, t.TempDir(), settings...), iss: customertest.NewIssuer(t)}
	n.startRedis(t)
	n.serveFrom(t, n.machine)
	return n
}

func (m machine) startRedis(t testing.TB) {
	t.Helper()
	m.run(t, `redis-server "$CONF" --daemonize yes; until redis-cli -u "$REDIS" PING; do sleep 0.1; done`)
}

// serveFrom starts an instance on the Redis of a machine.
func (n *night) serveFrom(t testing.TB, m machine) {
	t.Helper()
	addr := storetest.FreeAddr(t)
	n.metrics = "http://" + addr
	n.process, n.url = serve(t, "FIELDGATE_REDIS_URL="+m.url(), "FIELDGATE_SUPABASE_URL="+n.iss.URL(),
		"FIELDGATE_METRICS_ADDR="+addr, "FIELDGATE_DRAIN_DELAY=1ms", "FIELDGATE_DRAIN_WINDOW=1ms",
		"FIELDGATE_RECONCILE_INTERVAL=1s", "FIELDGATE_LOG_DELAY=0")
	n.party = newParty(t, n.iss, n.url)
}

// follow runs a block of the runbook and returns what it prints.
func (n *night) follow(t testing.TB, block string, settings ...string) string {
	t.Helper()
	log := storetest.WriteFile(t, t.TempDir(), "log", []byte(n.process.log.String()))
	return n.run(t, rehearsal(t, "runbook", block), append([]string{
		"GATEWAY=" + n.url, "METRICS=" + n.metrics, "LOG=" + log, "TENANT=c.acme", "TOKEN=" + n.token("alice", "acme"),
	}, settings...)...)
}

// token returns the access token of an admin.
func (n *night) token(user, tenant string) string {
	return n.iss.Token(issuer.Claims{Subject: user, TenantID: tenant, Role: "admin"})
}

// other returns a user of another tenant.
func (n *night) other() party {
	return party{n.Gateway, n.Customer(client.Bearer(n.token("carol", "other")))}
}

// enroll registers a device and opens a session for it.
func (p party) enroll(t testing.TB) (d client.RegisteredDevice, session string) {
	t.Helper()
	d = p.register(t)
	return d, p.openSession(t, d.DeviceID)
}

// fill proposes large commands until one is refused, and returns the error.
func (p party) fill(t testing.TB) (err error) {
	t.Helper()
	large := json.RawMessage(`{"text":"` + strings.Repeat("x", 30_000) + `"}`)
	sessions := make([]string, 20) // opened first, because a full store refuses that too
	for i := range sessions {
		_, sessions[i] = p.enroll(t)
	}
	for _, session := range sessions {
		for range 50 {
			_, err = p.alice.Propose(t.Context(), session, client.ProposeCommandRequest{Type: "diagnostic.dns", Parameters: large})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func requireRefused(t testing.TB, want client.ProblemCode, err error) {
	t.Helper()
	require.Equal(t, want, client.CodeOf(err), "%v", err)
}

// TestRunbook_HasTestOfEachBlock requires that this file runs every block of the runbook.
func TestRunbook_HasTestOfEachBlock(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/guides/runbook.md")
	require.NoError(t, err)
	tests, err := os.ReadFile("runbook_test.go")
	require.NoError(t, err)
	blocks := regexp.MustCompile(`<!-- rehearsed: (.+) -->`).FindAllStringSubmatch(string(guide), -1)
	require.Greater(t, len(blocks), 20)
	for _, block := range blocks {
		require.Contains(t, string(tests), `"`+block[1]+`"`)
	}
}

// TestRunbook_FullStore fills the memory of Redis and makes room.
func TestRunbook_FullStore(t *testing.T) {
	t.Parallel()
	n := newNight(t, "maxmemory 8mb")
	_, own := n.enroll(t)
	_, others := n.other().enroll(t)
	requireRefused(t, client.CodeStoreFull, n.fill(t))
	full := regexp.MustCompile(`(?s)maxmemory_human:8.00M.*memory_ratio (0\.[89]|1).*c\.acme`)
	eventually(t, func() bool { return full.MatchString(n.follow(t, "full store, look")) }, "the gateway does not measure the memory")

	n.follow(t, "full store, bound")
	n.follow(t, "full store, raise", "MAXMEMORY=64mb")
	eventually(t, func() bool { return n.other().propose(t.Context(), others) == nil }, "the store is still full")
	requireRefused(t, client.CodeQuotaExceeded, n.propose(t.Context(), own))
	require.Regexp(t, `storedBytes +\d+ +of the installation`, n.follow(t, "full store, end"))
	require.NoError(t, n.propose(t.Context(), own))
}

// TestRunbook_Failover kills a primary whose replica has another configuration, and promotes the
// replica.
func TestRunbook_Failover(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	host, port, err := net.SplitHostPort(n.addr)
	require.NoError(t, err)
	replica := newMachine(t, n.work, "replicaof "+host+" "+port, "maxmemory-policy allkeys-lru", "appendonly no")
	replica.startRedis(t)
	d, session := n.enroll(t)
	require.NoError(t, n.propose(t.Context(), session))
	acknowledged := n.client(t).Wait(t.Context(), 1, 10*time.Second)
	require.EqualValues(t, 1, acknowledged.Val(), "the replica does not follow")
	n.stop(t)
	requireRefused(t, client.CodeStoreUnavailable, n.propose(t.Context(), session))

	named := "REPLICA=" + replica.url()
	require.Regexp(t, `(?s)the primary does not reply.*role:slave`, n.follow(t, "failover, look", named))
	n.follow(t, "failover, promote", named)
	require.Regexp(t, `(?s)persistence +ok.*queued commands: +1`, n.follow(t, "failover, check", named))
	n.serveFrom(t, replica)
	require.Empty(t, n.follow(t, "failover, end"))
	require.NoError(t, runNext(t.Context(), n.Device(d.DeviceID, d.DeviceSecret)))

	n.startRedis(t)
	host, port, err = net.SplitHostPort(replica.addr)
	require.NoError(t, err)
	n.follow(t, "failover, join", "NEW_HOST="+host, "NEW_PORT="+port)
	require.Equal(t, replica.client(t).HGetAll(t.Context(), "fg:meta").Val(), n.client(t).HGetAll(t.Context(), "fg:meta").Val())
}

// TestRunbook_LostData removes what a script wrote. TestRestore_RehearsesGuide restores a store.
func TestRunbook_LostData(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	n.register(t)
	require.NotContains(t, n.follow(t, "lost data, look"), "lost what scripts wrote")
	require.NoError(t, n.client(t).Del(t.Context(), "fg:canary").Err())
	require.Regexp(t, `(?s)lost.*aof_enabled:1`, n.follow(t, "lost data, look"))
}

// TestRunbook_Flood bounds a tenant that proposes many commands, while another one works.
func TestRunbook_Flood(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	d, session := n.enroll(t)
	for range 30 {
		require.NoError(t, n.propose(t.Context(), session))
	}
	_, others := n.other().enroll(t)
	require.NoError(t, n.other().propose(t.Context(), others))
	require.Regexp(t, `(?s)30 c\.acme proposeCommand 201.*c\.acme +1 +1 +30 .*user:alice`, n.follow(t, "flood, look"))

	n.follow(t, "flood, bound")
	requireRefused(t, client.CodeQuotaExceeded, n.propose(t.Context(), session))
	require.NoError(t, n.other().propose(t.Context(), others))
	require.Regexp(t, `(?s)would be closed.* 30 +closed`, n.follow(t, "flood, close"))
	require.NoError(t, runNext(t.Context(), n.Device(d.DeviceID, d.DeviceSecret)))
	require.Regexp(t, d.DeviceID+`.* ended`, n.follow(t, "flood, kick"))
	require.NotRegexp(t, `readyCommands +\d+ +10`, n.follow(t, "flood, end"))
	require.NoError(t, n.propose(t.Context(), n.openSession(t, d.DeviceID)))
}

// TestRunbook_SetAside damages the records of two commands, repairs one from a backup and drops the
// other.
func TestRunbook_SetAside(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	d, session := n.enroll(t)
	for range 3 {
		require.NoError(t, n.propose(t.Context(), session))
	}
	n.run(t, rehearsal(t, "operations", "back up rdb"))
	listed, err := n.alice.Commands(t.Context(), session, client.ListCommandsParams{})
	require.NoError(t, err)
	damaged, dropped := "COMMAND="+listed.Items[0].ID, "COMMAND="+listed.Items[1].ID
	n.damage(t, listed.Items[:2])
	work := func() { require.NoError(t, runNext(t.Context(), n.Device(d.DeviceID, d.DeviceSecret))) }
	work()
	require.Regexp(t, `(?s)"quarantined a .*restorable: +the record of the command cannot be read`, n.follow(t, "set aside, look", damaged))

	require.Regexp(t, `"status":"queued"`, n.follow(t, "set aside, repair", damaged))
	require.Regexp(t, `(?s)would be restored.* restored.*status: +queued`, n.follow(t, "set aside, restore", damaged))
	work()
	require.Regexp(t, dropped[8:]+`.* dropped`, n.follow(t, "set aside, drop", dropped))
	require.Regexp(t, `nothingLost +0`, n.follow(t, "set aside, end"))
}

// damage overwrites the records of commands, as another program would.
func (n *night) damage(t testing.TB, commands []client.Command) {
	t.Helper()
	redis := n.client(t)
	for _, c := range commands {
		for _, key := range redis.Keys(t.Context(), "fg:*:device:"+c.DeviceID+":commands").Val() {
			require.NoError(t, redis.HSet(t.Context(), key, c.ID, "{garbage").Err())
		}
	}
}

// TestRunbook_LostDevice keeps a device out, lets it back with a new secret, and decommissions it.
func TestRunbook_LostDevice(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	d, session := n.enroll(t)
	stolen := n.Device(d.DeviceID, d.DeviceSecret)
	require.NoError(t, n.propose(t.Context(), session))
	named := "DEVICE=" + d.DeviceID
	require.Regexp(t, `status: +suspended`, n.follow(t, "lost device, suspend", named))
	require.Error(t, runNext(t.Context(), stolen))

	code := strings.TrimSpace(n.follow(t, "lost device, code", named))
	n.follow(t, "lost device, resume", named)
	again, err := n.Register(t.Context(), client.RegisterDeviceRequest{ActivationCode: code})
	require.NoError(t, err)
	require.NoError(t, runNext(t.Context(), n.Device(again.DeviceID, again.DeviceSecret)))
	require.Error(t, runNext(t.Context(), stolen), "the old secret is valid")

	require.Regexp(t, `status: +decommissioned`, n.follow(t, "lost device, decommission", named))
	require.Error(t, runNext(t.Context(), n.Device(again.DeviceID, again.DeviceSecret)))
}

// TestRunbook_RollBack replaces two instances, one after the other. Both programs have this version:
// TestRoll in gateway/faults uses those of earlier versions.
func TestRunbook_RollBack(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	d, session := n.enroll(t)
	first := n.process
	n.serveFrom(t, n.machine)
	second := n.process
	require.NotEmpty(t, n.follow(t, "roll back, look"))
	for _, old := range []*process{first, second} {
		require.NoError(t, old.cmd.Process.Signal(syscall.SIGTERM))
		require.Zero(t, old.wait(t, 30*time.Second))
		n.serveFrom(t, n.machine)
		require.NotContains(t, n.follow(t, "roll back, next"), "c.acme", "a record was set aside")
		require.NoError(t, n.propose(t.Context(), session))
	}
	require.NoError(t, runNext(t.Context(), n.Device(d.DeviceID, d.DeviceSecret)))
	require.Regexp(t, `nothingLost +0`, n.follow(t, "roll back, end"))
}

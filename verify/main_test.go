package verify_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
	"github.com/fieldgate/fieldgate/verify"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// withoutReconciler turns the reconciler off, so that it repairs nothing before a check.
func withoutReconciler(cfg *gateway.Config) { cfg.ReconcileInterval = 0 }

// site is a gateway with a Redis of its own, and one tenant with one device.
type site struct {
	*gatewaytest.Gateway
	server     *storetest.Server
	alice, bob *client.CustomerClient
	tenant     string
	device     gatewaytest.Device
	session    string
}

func newSite(t testing.TB, changes ...func(*gateway.Config)) *site {
	t.Helper()
	s := &site{server: storetest.Start(t)}
	s.Gateway = gatewaytest.Start(t, append([]func(*gateway.Config){gatewaytest.WithRedis(s.server.URL())}, changes...)...)
	id := gatewaytest.NewTenantID()
	s.tenant = gatewaytest.TenantOf(id)
	s.alice, s.bob = s.User(id, "alice", "admin"), s.User(id, "bob", "approver")
	s.device = s.newDevice(t)
	s.session = s.openSession(t, s.device)
	return s
}

// newDevice registers a device that has tags and an external id.
func (s *site) newDevice(t testing.TB) gatewaytest.Device {
	t.Helper()
	provisioned, err := s.alice.Provision(t.Context(), client.ProvisionDeviceRequest{
		Name: "Pump 7", ExternalID: storetest.Tenant(), Tags: map[string]string{"site": "berlin"},
	})
	require.NoError(t, err)
	registered, err := s.Register(t.Context(), client.RegisterDeviceRequest{ActivationCode: provisioned.ActivationCode})
	require.NoError(t, err)
	return gatewaytest.Device{
		DeviceClient: s.Device(registered.DeviceID, registered.DeviceSecret), ID: registered.DeviceID, Secret: registered.DeviceSecret,
	}
}

func (s *site) openSession(t testing.TB, d gatewaytest.Device) string {
	t.Helper()
	opened, err := s.alice.OpenSession(t.Context(), client.OpenSessionRequest{DeviceID: d.ID, Type: "remediation"})
	require.NoError(t, err)
	return opened.ID
}

func (s *site) propose(t testing.TB, session, kind string) client.Command {
	t.Helper()
	c, err := s.alice.Propose(t.Context(), session, client.ProposeCommandRequest{Type: kind, Parameters: json.RawMessage(`{"host":"example.com"}`)})
	require.NoError(t, err)
	return c
}

// claim claims the next command of a device.
func (s *site) claim(t testing.TB, d gatewaytest.Device) client.ClaimedCommand {
	t.Helper()
	claimed, err := d.Claim(t.Context(), client.ClaimRequest{VisibilityTimeoutMs: 3_600_000})
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	return claimed[0]
}

// commands are the ids of commands by their status.
type commands struct{ succeeded, claimed, queued, pending string }

// work leaves one command in each of four states.
func (s *site) work(t testing.TB) (c commands) {
	t.Helper()
	c.succeeded, c.claimed = s.propose(t, s.session, "diagnostic.dns").ID, s.propose(t, s.session, "diagnostic.dns").ID
	first := s.claim(t, s.device)
	_, err := s.device.SubmitResult(t.Context(), first.ID, client.ResultRequest{ClaimToken: first.ClaimToken, Status: client.ResultStatusSucceeded, Output: "done"})
	require.NoError(t, err)
	require.Equal(t, c.claimed, s.claim(t, s.device).ID)
	_, err = s.alice.Cancel(t.Context(), s.session, c.claimed, "")
	require.NoError(t, err)
	c.queued, c.pending = s.propose(t, s.session, "diagnostic.dns").ID, s.propose(t, s.session, "remediation.restart").ID
	return c
}

// connect opens the store as an operator does.
func (s *site) connect(t testing.TB) *store.Store {
	t.Helper()
	return storetest.Connect(t, store.Config{URL: s.server.URL(), Existing: true, ReadOnly: true})
}

// check verifies the store, and requires that this changes nothing.
func (s *site) check(t testing.TB, opened *store.Store, tenant string) verify.Report {
	t.Helper()
	before := storetest.Dump(t, s.server)
	report, err := verify.Run(t.Context(), verify.Config{Store: opened, Tenant: tenant})
	require.NoError(t, err)
	require.Equal(t, before, storetest.Dump(t, s.server), "the check has changed the store")
	return report
}

// violated returns the invariants that a report counts violations of.
func violated(r verify.Report) map[store.Invariant]int {
	found := map[store.Invariant]int{}
	for invariant, n := range r.Violations {
		if n > 0 {
			found[invariant] = n
		}
	}
	return found
}

// restore replaces all keys of a server by those of a dump.
func restore(t testing.TB, server *storetest.Server, dump map[string]string) {
	t.Helper()
	c := server.Client(t)
	require.NoError(t, c.FlushAll(t.Context()).Err())
	_, err := c.Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
		for key, value := range dump {
			pipe.Restore(context.Background(), key, 0, value)
		}
		return nil
	})
	require.NoError(t, err)
}

func dumpOf(t testing.TB, s *site) map[string]string {
	t.Helper()
	return storetest.Serialized(t, s.server)
}

// statesOf returns the states of the commands of the planted device.
func statesOf(t testing.TB, p planted) map[string]map[string]any {
	t.Helper()
	states := map[string]map[string]any{}
	c := p.site.server.Client(t)
	for id, raw := range c.HGetAll(t.Context(), p.device.CommandsKey()).Val() {
		if !strings.Contains(id, ":") {
			raw, _ = storetest.StateJSON(t.Context(), c, raw)
		}
		var state map[string]any
		if json.Unmarshal([]byte(raw), &state) == nil {
			states[id] = state
		}
	}
	return states
}

func invariants() []store.Invariant { return verify.Invariants() }

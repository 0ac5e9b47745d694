package gatewaytest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// pairTimeout limits each wait for the device of a Pair. Its program may have to start first.
const pairTimeout = time.Minute

// A Pair is two users of one tenant and a device. Alice proposes commands for the device, and Bob
// approves them. The device is provisioned but not registered.
type Pair struct {
	Alice, Bob     *client.CustomerClient
	DeviceID       string
	ActivationCode string
	Session        string // opened by Propose; empty if Propose is to open one
}

// NewPair provisions the device of two users of a new tenant.
func (g *Gateway) NewPair(t testing.TB) *Pair {
	t.Helper()
	tenant := NewTenantID()
	p := &Pair{Alice: g.User(tenant, "alice", "admin"), Bob: g.User(tenant, "bob", "approver")}
	provisioned, err := p.Alice.Provision(t.Context(), client.ProvisionDeviceRequest{Name: "Pump 7"})
	require.NoError(t, err)
	p.DeviceID, p.ActivationCode = provisioned.Device.ID, provisioned.ActivationCode
	return p
}

// Propose proposes a command as Alice. If the command needs an approval, Propose approves it as Bob.
// Without a session, it waits until the device has registered, and opens one. Parameters of the type
// json.RawMessage are sent unchanged.
func (p *Pair) Propose(t testing.TB, commandType string, parameters any) client.Command {
	t.Helper()
	if p.Session == "" {
		p.openSession(t)
	}
	raw, isRaw := parameters.(json.RawMessage)
	if !isRaw {
		var err error
		raw, err = json.Marshal(parameters)
		require.NoError(t, err)
	}
	proposed, err := p.Alice.Propose(t.Context(), p.Session, client.ProposeCommandRequest{Type: commandType, Parameters: raw})
	require.NoError(t, err, "%s", raw)
	if proposed.Status == client.CommandStatusPendingApproval {
		proposed, err = p.Bob.Decide(t.Context(), p.Session, client.DecisionRequest{CommandID: proposed.ID, Approved: true})
		require.NoError(t, err)
	}
	return proposed
}

func (p *Pair) openSession(t testing.TB) {
	t.Helper()
	require.Eventually(t, func() bool {
		opened, err := p.Alice.OpenSession(t.Context(), client.OpenSessionRequest{DeviceID: p.DeviceID, Type: "remediation"})
		p.Session = opened.ID
		return err == nil
	}, pairTimeout, 10*time.Millisecond, "the device does not register")
}

// Command returns the current state of a command.
func (p *Pair) Command(t testing.TB, id string) client.Command {
	t.Helper()
	found, err := p.Alice.Command(t.Context(), p.Session, id)
	require.NoError(t, err)
	return found
}

// Await waits until a command has ended, and returns it.
func (p *Pair) Await(t testing.TB, id string) (ended client.Command) {
	t.Helper()
	require.Eventually(t, func() bool {
		ended = p.Command(t, id)
		return !ended.FinishedAt.IsZero()
	}, pairTimeout, 10*time.Millisecond, "the command does not end")
	return ended
}

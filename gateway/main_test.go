package gateway_test

import (
	"encoding/json"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestMain(m *testing.M) {
	if os.Getenv(instanceStore) != "" {
		beInstance()
	}
	storetest.Main(m)
}

// Types of commands: the policy asks a person about the second.
const (
	auto   = "diagnostic.dns"
	review = "remediation.restart"
)

// fleet is a customer with its people, and one device with an open session.
// Alice is an admin, and proposes; bob is an approver.
type fleet struct {
	*gatewaytest.Gateway
	customer string
	alice    *client.CustomerClient
	bob      *client.CustomerClient
	device   gatewaytest.Device
	session  string
}

func newFleet(t testing.TB, g *gatewaytest.Gateway) *fleet {
	t.Helper()
	return newFleetOf(t, g, gatewaytest.NewCustomerID())
}

func newFleetOf(t testing.TB, g *gatewaytest.Gateway, customer string) *fleet {
	t.Helper()
	f := &fleet{
		Gateway: g, customer: customer,
		alice: g.User(customer, "alice", "admin"), bob: g.User(customer, "bob", "approver"),
	}
	f.device = g.NewDevice(t, f.alice)
	f.session = f.open(t, f.device.ID)
	return f
}

func (f *fleet) open(t testing.TB, deviceID string) (sessionID string) {
	t.Helper()
	opened, err := f.alice.OpenSession(t.Context(), client.OpenSessionRequest{DeviceID: deviceID, Type: "remediation"})
	require.NoError(t, err)
	return opened.ID
}

// propose has alice propose a command for the device.
func (f *fleet) propose(t testing.TB, commandType string, changes ...func(*client.ProposeCommandRequest)) client.Command {
	t.Helper()
	request := client.ProposeCommandRequest{Type: commandType, Parameters: json.RawMessage(`{"host":"example.com"}`)}
	for _, change := range changes {
		change(&request)
	}
	proposed, err := f.alice.Propose(t.Context(), f.session, request)
	require.NoError(t, err)
	return proposed
}

// claim has the device claim the one command that waits for it.
func (f *fleet) claim(t testing.TB) client.ClaimedCommand {
	t.Helper()
	return f.claimFor(t, time.Minute)
}

func (f *fleet) claimFor(t testing.TB, lease time.Duration) client.ClaimedCommand {
	t.Helper()
	claimed, err := f.device.Claim(t.Context(), client.ClaimRequest{VisibilityTimeoutMs: int(lease.Milliseconds())})
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	return claimed[0]
}

func (f *fleet) requireNothingToClaim(t testing.TB) {
	t.Helper()
	claimed, err := f.device.Claim(t.Context(), client.ClaimRequest{Limit: 10})
	require.NoError(t, err)
	require.Empty(t, claimed)
}

// command reads a command as alice sees it.
func (f *fleet) command(t testing.TB, id string) client.Command {
	t.Helper()
	found, err := f.alice.Command(t.Context(), f.session, id)
	require.NoError(t, err)
	return found
}

func (f *fleet) decide(t testing.TB, c client.Command, approved bool) client.Command {
	t.Helper()
	decided, err := f.bob.Decide(t.Context(), f.session, client.DecisionRequest{
		CommandID: c.ID, Approved: approved, Digest: c.Digest, Reason: "looked at it",
	})
	require.NoError(t, err)
	return decided
}

func succeeded(c client.ClaimedCommand) client.ResultRequest {
	return client.ResultRequest{ClaimToken: c.ClaimToken, Status: client.ResultStatusSucceeded, Output: "done"}
}

// requireCode holds an error against the code that the contract has for it.
func requireCode(t testing.TB, want client.ProblemCode, err error) *client.APIError {
	t.Helper()
	var refusal *client.APIError
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, want, refusal.Code, refusal.Error())
	return refusal
}

// eventually waits for something that happens by itself, within a few seconds.
func eventually(t testing.TB, condition func() bool, what string) {
	t.Helper()
	require.Eventually(t, condition, 10*time.Second, 5*time.Millisecond, what)
}

// awaitWaitingClaims waits until so many claims wait for a command.
func awaitWaitingClaims(t testing.TB, g *gatewaytest.Gateway, n int) {
	t.Helper()
	eventually(t, func() bool { return g.Metrics(t)["fieldgate_claims_waiting"] == float64(n) }, "the claims do not wait")
}

// insist repeats a call that may be repeated while the store is too busy for it,
// which happens where many tests share few processors.
func insist(call func() error) error {
	for {
		if err := call(); client.CodeOf(err) != client.CodeStoreUnavailable {
			return err
		}
	}
}

// together makes calls at the same time and gives the code of each: empty for a
// success, "?" for what is no refusal.
func together(n int, call func(i int) error) (codes map[client.ProblemCode]int) {
	var all sync.WaitGroup
	var mu sync.Mutex
	codes = map[client.ProblemCode]int{}
	for i := range n {
		all.Go(func() {
			err := call(i)
			code := client.CodeOf(err)
			if err != nil && code == "" {
				code = "?" + err.Error()
			}
			mu.Lock()
			defer mu.Unlock()
			codes[code]++
		})
	}
	all.Wait()
	return codes
}

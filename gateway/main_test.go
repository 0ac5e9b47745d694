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
		runInstance()
	}
	storetest.Main(m)
}

// These are command types. With the built-in policy, a command of type auto is queued at
// once, and a command of type review only after an approval.
const (
	auto   = "diagnostic.dns"
	review = "remediation.restart"
)

// longLease is the longest lease that a claim may have. It does not expire during a test,
// however slow the machine is.
const (
	longLease   = time.Hour
	longLeaseMs = int(longLease / time.Millisecond)
)

// fleet is a tenant with two users, and one device with an open session. Alice is an
// admin and proposes commands. Bob is an approver.
type fleet struct {
	*gatewaytest.Gateway
	tenantID string
	alice    *client.CustomerClient
	bob      *client.CustomerClient
	device   gatewaytest.Device
	session  string
}

func newFleet(t testing.TB, g *gatewaytest.Gateway) *fleet {
	t.Helper()
	return newFleetOf(t, g, gatewaytest.NewTenantID())
}

func newFleetOf(t testing.TB, g *gatewaytest.Gateway, tenantID string) *fleet {
	t.Helper()
	f := &fleet{
		Gateway: g, tenantID: tenantID,
		alice: g.User(tenantID, "alice", "admin"), bob: g.User(tenantID, "bob", "approver"),
	}
	f.device = g.NewDevice(t, f.alice)
	f.session = f.openSession(t, f.device.ID)
	return f
}

func (f *fleet) openSession(t testing.TB, deviceID string) (sessionID string) {
	t.Helper()
	opened, err := f.alice.OpenSession(t.Context(), client.OpenSessionRequest{DeviceID: deviceID, Type: "remediation"})
	require.NoError(t, err)
	return opened.ID
}

// propose proposes a command for the device as alice.
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

// claim claims the one command that is ready for the device, with a long lease.
func (f *fleet) claim(t testing.TB) client.ClaimedCommand {
	t.Helper()
	return f.claimFor(t, longLease)
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

// decide approves or rejects a command as bob.
func (f *fleet) decide(t testing.TB, c client.Command, approved bool) client.Command {
	t.Helper()
	decided, err := f.bob.Decide(t.Context(), f.session, client.DecisionRequest{
		CommandID: c.ID, Approved: approved, Digest: c.Digest, Reason: "looked at it",
	})
	require.NoError(t, err)
	return decided
}

// succeeded returns the result of a command that succeeded.
func succeeded(c client.ClaimedCommand) client.ResultRequest {
	return client.ResultRequest{ClaimToken: c.ClaimToken, Status: client.ResultStatusSucceeded, Output: "done"}
}

// requireCode requires that an error is a refusal with a code, and returns the refusal.
func requireCode(t testing.TB, want client.ProblemCode, err error) *client.APIError {
	t.Helper()
	var refusal *client.APIError
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, want, refusal.Code, refusal.Error())
	return refusal
}

// eventually waits until a condition holds. If it does not hold within 30 seconds, the test
// fails.
func eventually(t testing.TB, condition func() bool, what string) {
	t.Helper()
	require.Eventually(t, condition, 30*time.Second, 5*time.Millisecond, what)
}

// awaitWaitingClaims waits until n claims wait for a command at a gateway.
func awaitWaitingClaims(t testing.TB, g *gatewaytest.Gateway, n int) {
	t.Helper()
	eventually(t, func() bool { return g.Metrics(t)["fieldgate_claims_waiting"] == float64(n) }, "the number of waiting claims is wrong")
}

// retryUnavailable repeats a call while it fails with store_unavailable. The embedded
// store and a shared Redis can be overloaded when many tests share few processors.
func retryUnavailable(call func() error) error {
	for {
		if err := call(); client.CodeOf(err) != client.CodeStoreUnavailable {
			return err
		}
	}
}

// concurrently makes n calls at the same time and counts them by the code of their error.
// The code is empty for a success, and begins with "?" for an error without a code.
func concurrently(n int, call func(i int) error) (codes map[client.ProblemCode]int) {
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

package stores_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// These are command types. With the built-in policy, a command of type auto is queued at
// once, and a command of type review only after an approval.
const (
	auto   = "diagnostic.dns"
	review = "remediation.restart"
)

// wokenWithin is the time limit for the delivery of a command to a waiting claim. It is shorter
// than the 5 s between two checks of a waiting claim, so only a wake-up is in time.
const wokenWithin = 4 * time.Second

// life is a tenant whose device and users use two instances of the gateway.
type life struct {
	here, there *gatewaytest.Gateway
	tenantID    string
	alice, bob  *client.CustomerClient // at here: an admin and an approver
	device      gatewaytest.Device     // at here
	elsewhere   *client.DeviceClient   // the same device at there
	session     string
}

func newLife(t testing.TB, here, there *gatewaytest.Gateway) *life {
	t.Helper()
	l := &life{tenantID: gatewaytest.NewTenantID()}
	l.moveTo(here, there)
	l.device = here.NewDevice(t, l.alice)
	l.moveTo(here, there)
	l.openSession(t)
	return l
}

// moveTo directs the users and the device to other instances.
func (l *life) moveTo(here, there *gatewaytest.Gateway) {
	l.here, l.there = here, there
	l.alice, l.bob = here.User(l.tenantID, "alice", "admin"), here.User(l.tenantID, "bob", "approver")
	l.device.DeviceClient = here.Device(l.device.ID, l.device.Secret)
	l.elsewhere = there.Device(l.device.ID, l.device.Secret)
}

// run runs each step once.
func (l *life) run(t *testing.T) {
	for _, step := range []struct {
		name string
		do   func(*life, *testing.T)
	}{
		{"wakes a claim at the other instance", (*life).wake},
		{"runs an approved command", (*life).approve},
		{"delivers to sockets", (*life).overSockets},
		{"cancels and retries", (*life).cancelAndRetry},
		{"lists", (*life).list},
		{"manages devices", (*life).manageDevices},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.do(l, t) }) {
			t.FailNow()
		}
	}
}

func (l *life) openSession(t testing.TB) {
	t.Helper()
	opened, err := l.alice.OpenSession(t.Context(), client.OpenSessionRequest{DeviceID: l.device.ID, Type: "remediation"})
	require.NoError(t, err)
	l.session = opened.ID
}

func (l *life) propose(t testing.TB, kind string) client.Command {
	t.Helper()
	made, err := l.alice.Propose(t.Context(), l.session, client.ProposeCommandRequest{
		Type: kind, Parameters: json.RawMessage(`{"host":"example.com"}`), MaxAttempts: 1,
	}, client.WithIdempotencyKey(gatewaytest.NewTenantID()))
	require.NoError(t, err)
	return made
}

// claim claims the one command that is ready.
func (l *life) claim(t testing.TB) client.ClaimedCommand {
	t.Helper()
	claimed, err := l.device.Claim(t.Context(), client.ClaimRequest{VisibilityTimeoutMs: 3_600_000})
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	return claimed[0]
}

// submit submits the result of a command and requires that the command has it.
func (l *life) submit(t testing.TB, claimed client.ClaimedCommand) {
	t.Helper()
	_, err := l.elsewhere.SubmitResult(t.Context(), claimed.ID, client.ResultRequest{
		ClaimToken: claimed.ClaimToken, Status: client.ResultStatusSucceeded, Output: "done",
	})
	require.NoError(t, err)
	seen, err := l.alice.Command(t.Context(), l.session, claimed.ID)
	require.NoError(t, err)
	require.Equal(t, client.CommandStatusSucceeded, seen.Status)
	require.Equal(t, "done", seen.Result.Output)
}

// wake requires that a proposal at one instance wakes a claim that waits at the other.
func (l *life) wake(t *testing.T) {
	delivered := make(chan []client.ClaimedCommand, 1)
	go func() {
		claimed, _ := l.elsewhere.Claim(context.WithoutCancel(t.Context()), client.ClaimRequest{WaitMs: 20_000, VisibilityTimeoutMs: 3_600_000})
		delivered <- claimed
	}()
	eventually(t, "no claim waits", func() bool { return l.there.Metrics(t)["fieldgate_claims_waiting"] == 1 })
	proposed := l.propose(t, auto)
	select {
	case claimed := <-delivered:
		require.Len(t, claimed, 1)
		require.Equal(t, proposed.ID, claimed[0].ID)
		l.submit(t, claimed[0])
	case <-time.After(wokenWithin):
		require.Fail(t, "the command did not reach the waiting claim in time")
	}
}

// approve has a command approved, and then uses each right of a claim.
func (l *life) approve(t *testing.T) {
	proposed := l.propose(t, review)
	_, err := l.bob.Decide(t.Context(), l.session, client.DecisionRequest{CommandID: proposed.ID, Approved: true, Digest: proposed.Digest})
	require.NoError(t, err)
	claimed := l.claim(t)
	_, err = l.elsewhere.Extend(t.Context(), claimed.ID, client.ExtendRequest{ClaimToken: claimed.ClaimToken, ExtensionMs: 3_600_000})
	require.NoError(t, err)
	_, err = l.device.Release(t.Context(), claimed.ID, client.ReleaseRequest{ClaimToken: claimed.ClaimToken, Reason: "busy"})
	require.NoError(t, err)
	l.submit(t, l.claim(t))
}

// overSockets requires that a user's and a device's socket at one instance receive what happens
// at the other.
func (l *life) overSockets(t *testing.T) {
	// The transport of l.there validates responses, and so cannot be used for a socket.
	there, err := client.New(l.there.URL)
	require.NoError(t, err)
	watcher := there.Customer(client.Bearer(l.there.Token(l.tenantID, "carol", "viewer"))).Connect(t.Context(), client.CustomerSocketConfig{})
	defer watcher.Close()
	_, err = watcher.Subscribe(t.Context(), client.TenantRoom, "")
	require.NoError(t, err)
	socket := there.Device(l.device.ID, l.device.Secret).Connect(t.Context(), client.DeviceSocketConfig{})
	defer socket.Close()
	delivered := make(chan []client.ClaimedCommand, 1)
	go func() {
		claimed, _ := socket.Claim(context.WithoutCancel(t.Context()), client.ClaimRequest{WaitMs: 20_000, VisibilityTimeoutMs: 3_600_000})
		delivered <- claimed
	}()
	proposed := l.propose(t, auto)
	claimed := <-delivered
	require.Len(t, claimed, 1)
	l.submit(t, claimed[0])
	for event, err := range watcher.Events(t.Context()) {
		require.NoError(t, err)
		if event.Type == "command.succeeded" {
			require.Contains(t, string(event.Data), proposed.ID)
			break
		}
	}
	_, err = l.alice.IssueTicket(t.Context(), "")
	require.NoError(t, err)
}

func (l *life) cancelAndRetry(t *testing.T) {
	queued := l.propose(t, auto)
	_, err := l.alice.Cancel(t.Context(), l.session, queued.ID, "not needed")
	require.NoError(t, err)
	retried, err := l.alice.Retry(t.Context(), l.session, queued.ID, "needed after all")
	require.NoError(t, err)
	claimed := l.claim(t)
	require.Equal(t, retried.ID, claimed.ID)
	_, err = l.alice.Cancel(t.Context(), l.session, claimed.ID, "too late")
	require.NoError(t, err)
	heard, err := l.elsewhere.Heartbeat(t.Context(), client.HeartbeatRequest{Status: client.HeartbeatStatusOk, Metrics: map[string]float64{"cpu": 1}})
	require.NoError(t, err)
	require.Contains(t, heard.CancelRequested, claimed.ID)
	l.submit(t, claimed)
}

// list reads every list, at the instance that made none of the changes.
func (l *life) list(t *testing.T) {
	l.propose(t, review)
	user, ctx := l.there.User(l.tenantID, "carol", "viewer"), t.Context()
	approvals, err := user.Approvals(ctx, client.ListApprovalsParams{})
	require.NoError(t, err)
	require.NotEmpty(t, approvals.Items)
	commands, err := user.Commands(ctx, l.session, client.ListCommandsParams{})
	require.NoError(t, err)
	require.NotEmpty(t, commands.Items)
	events, err := user.Events(ctx, l.session, client.ListSessionEventsParams{})
	require.NoError(t, err)
	require.NotEmpty(t, events.Items)
	devices, err := user.Devices(ctx, client.ListDevicesParams{Q: "Pump"})
	require.NoError(t, err)
	require.NotEmpty(t, devices.Items)
	sessions, err := user.Sessions(ctx, client.ListSessionsParams{DeviceID: l.device.ID})
	require.NoError(t, err)
	require.NotEmpty(t, sessions.Items)
	_, err = user.Connections(ctx, client.ListConnectionsParams{})
	require.NoError(t, err)
	usage, err := user.Usage(ctx)
	require.NoError(t, err)
	require.Positive(t, usage.Used.Devices)
	_, err = user.SystemInfo(ctx)
	require.NoError(t, err)
	closed, err := l.alice.CloseSession(ctx, l.session, "done")
	require.NoError(t, err)
	require.Equal(t, client.SessionStatusClosed, closed.Status)
	l.openSession(t)
}

// manageDevices goes through the life of a second device, to its end.
func (l *life) manageDevices(t *testing.T) {
	ctx, d := t.Context(), l.here.NewDevice(t, l.alice)
	name := "Pump 8"
	_, err := l.alice.Update(ctx, d.ID, client.UpdateDeviceRequest{Name: &name})
	require.NoError(t, err)
	_, err = l.alice.IssueActivationCode(ctx, d.ID)
	require.NoError(t, err)
	_, err = d.Heartbeat(ctx, client.HeartbeatRequest{Status: client.HeartbeatStatusOk})
	require.NoError(t, err)
	require.NoError(t, d.Logout(ctx))
	_, err = l.alice.RevokeLogins(ctx, d.ID, "")
	require.NoError(t, err)
	_, err = l.alice.Suspend(ctx, d.ID, "lost")
	require.NoError(t, err)
	_, err = l.alice.Resume(ctx, d.ID, "found")
	require.NoError(t, err)
	require.NoError(t, l.alice.Decommission(ctx, d.ID))
}

// surviveFailover requires that the store continues after the death of a master, with all data
// that was replicated.
func (l *life) surviveFailover(t *testing.T, s *site) {
	accepted := l.propose(t, auto)
	s.failOver(t, l.tenantID)
	for _, device := range []*client.DeviceClient{l.device.DeviceClient, l.elsewhere} {
		eventually(t, "the store does not accept writes again", func() bool {
			_, err := device.Heartbeat(t.Context(), client.HeartbeatRequest{Status: client.HeartbeatStatusOk})
			return err == nil
		})
	}
	claimed := l.claimAgain(t)
	require.Equal(t, accepted.ID, claimed.ID)
	l.submit(t, claimed)
	l.wake(t)
}

// claimAgain is like claim after a failover: an instance may have other connections to the master that died.
func (l *life) claimAgain(t *testing.T) client.ClaimedCommand {
	t.Helper()
	var claimed []client.ClaimedCommand
	key := client.WithIdempotencyKey(gatewaytest.NewTenantID())
	eventually(t, "the store does not accept claims again", func() (done bool) {
		var err error
		claimed, err = l.device.Claim(t.Context(), client.ClaimRequest{VisibilityTimeoutMs: 3_600_000}, key)
		return err == nil
	})
	require.Len(t, claimed, 1)
	return claimed[0]
}

// repair deletes an index and requires that the reconciler writes it again. It also changes a
// quota as `fieldgate admin` does.
func (l *life) repair(t *testing.T, s *site) {
	connected := storetest.Connect(t, s.storeConfig())
	name := gatewaytest.TenantOf(l.tenantID)
	quotas := quota.New(quota.Config{Store: connected})
	require.NoError(t, quotas.SetLimits(t.Context(), name, map[quota.Name]int64{quota.Devices: 500}))
	require.NoError(t, quotas.ResetLimits(t.Context(), name, quota.Devices))

	lost := l.propose(t, auto)
	d := store.Device{Tenant: name, ID: l.device.ID}
	require.NoError(t, connected.Do(t.Context(), "del", func(ctx context.Context, c store.Client) error {
		return c.Del(ctx, d.ReadyKey()).Err()
	}))
	eventually(t, "the command is not put back into the queue", func() bool {
		claimed, err := l.device.Claim(t.Context(), client.ClaimRequest{VisibilityTimeoutMs: 3_600_000})
		return err == nil && len(claimed) == 1 && claimed[0].ID == lost.ID
	})
}

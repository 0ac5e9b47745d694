package admin

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/ratelimit"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestAdminSessions_ClosesAsUser requires that waiting commands end with the session and that a
// claimed command goes on, as when a user closes it.
func TestAdminSessions_ClosesAsUser(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	claimed := i.propose(auto)
	lease := i.claim()
	queued, pending := i.propose(auto), i.propose(review)
	other := i.NewDevice(t, i.User("other", "eve", "admin"))
	opened, err := i.User("other", "eve", "admin").OpenSession(t.Context(), client.OpenSessionRequest{DeviceID: other.ID, Type: "diagnostic"})
	require.NoError(t, err)
	require.Len(t, i.runJSON("sessions", "list"), 2)

	require.Regexp(t, i.session+` +`+i.device.ID+` +2 +would be closed`, i.requireUnchanged("sessions", "close", "--all", "--dry-run"))
	done := i.runJSON("sessions", "close", "--tenant="+i.tenant(), "--reason=restored the backup of 9:00")
	require.Len(t, done, 1)
	require.Equal(t, []any{i.session, "closed", 2.0}, []any{done[0]["sessionId"], done[0]["result"], done[0]["endedCommands"]})
	require.Equal(t, client.CommandStatusClaimed, i.command(claimed.ID).Status)
	_, err = i.device.SubmitResult(t.Context(), claimed.ID, client.ResultRequest{ClaimToken: lease.ClaimToken, Status: client.ResultStatusSucceeded})
	require.NoError(t, err)
	for _, c := range []client.Command{queued, pending} {
		require.Equal(t, client.CommandStatusExpired, i.command(c.ID).Status)
	}
	events := i.timeline(i.session)
	require.Contains(t, events, "session.closed operator "+done[0]["requestId"].(string))

	require.Regexp(t, opened.ID+` +`+other.ID+` +0 +closed`, i.run("sessions", "close", "--all"))
	require.Empty(t, i.runJSON("sessions", "list"))
	require.Len(t, i.runJSON("sessions", "list", "--status=all"), 2)
	require.Regexp(t, i.session+`.* +already closed`, i.requireUnchanged("sessions", "close", "--session="+i.session))
	i.requireNotFound("sessions", "close", "--session=ses_none")
}

func (i *installation) command(id string) client.Command {
	i.t.Helper()
	found, err := i.alice.Command(i.t.Context(), i.session, id)
	require.NoError(i.t, err)
	return found
}

// timeline returns the events of a session: type, actor and request id.
func (i *installation) timeline(session string) (events []string) {
	i.t.Helper()
	for e, err := range i.alice.AllEvents(i.t.Context(), session, client.ListSessionEventsParams{}) {
		require.NoError(i.t, err)
		events = append(events, e.Type+" "+e.Actor.ID+" "+e.RequestID)
	}
	return events
}

func TestAdminKick_EndsLoginsOfDevice(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	token := i.Login(t, i.device)
	socket := i.OpenDevice(t, token)
	require.Regexp(t, i.device.ID+` +- +- +1 +would end`, i.requireUnchanged("kick", "--device="+i.device.ID, "--dry-run"))
	require.Regexp(t, i.device.ID+` +- +- +1 +ended`, i.run("kick", "--device="+i.device.ID, "--reason=stolen"))
	require.Equal(t, 4003, socket.CloseCode())
	require.Empty(t, i.runJSON("device", i.device.ID)[0]["logins"])
	_, err := i.device.Claim(t.Context(), client.ClaimRequest{})
	require.NoError(t, err, "the device logs in again with its secret")

	i.requireNotFound("kick", "--device=dev_none")
	require.NoError(t, i.alice.Decommission(t.Context(), i.device.ID))
	_, err = runCommand(t, i.server.URL(), "kick", "--device="+i.device.ID)
	require.ErrorContains(t, err, "is decommissioned")
}

func TestAdminKick_ClosesSocketsOfTenantAndUser(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	alice, bob := i.OpenCustomer(t, i.Token(i.tenantID, "alice", "admin")), i.OpenCustomer(t, i.Token(i.tenantID, "bob", "viewer"))
	device := i.OpenDevice(t, i.Login(t, i.device))

	require.Regexp(t, `bob +con_\S+ +- +would close`, i.requireUnchanged("kick", "--user=bob", "--dry-run"))
	done := i.runJSON("kick", "--user=bob")
	require.Len(t, done, 1)
	require.Equal(t, 4003, bob.CloseCode())
	require.Len(t, i.runJSON("kick", "--tenant="+i.tenant(), "--dry-run"), 2)
	require.Len(t, i.runJSON("kick", "--tenant="+i.tenant()), 2)
	require.Equal(t, 4003, alice.CloseCode())
	require.Equal(t, 4003, device.CloseCode())
	eventually(t, func() bool { return len(i.runJSON("kick", "--user=alice")) == 0 }, "the socket stays in the index")
}

func TestAdminQuarantine_ShowsRestoresAndDrops(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	i.Log.AllowErrors("quarantined a command whose record cannot be read")
	good, bad := i.propose(auto), i.propose(auto)
	d := store.Device{Tenant: i.tenant(), ID: i.device.ID}
	redis := i.server.Client(t)
	record := redis.HGet(t.Context(), d.CommandsKey(), good.ID).Val()
	for _, c := range []client.Command{good, bad} {
		require.NoError(t, redis.HSet(t.Context(), d.CommandsKey(), c.ID, "{garbage").Err())
	}
	claimed, err := i.device.Claim(t.Context(), client.ClaimRequest{})
	require.NoError(t, err)
	require.Empty(t, claimed)

	require.Len(t, i.runJSON("quarantine", "list"), 2)
	require.Len(t, i.runJSON("quarantine", "list", "--tenant="+i.tenant()), 2)
	require.Empty(t, i.runJSON("quarantine", "list", "--tenant=c.other"))
	require.Regexp(t, `c\.acme +command +`+good.ID+` +`+i.device.ID, i.requireUnchanged("quarantine", "list"))
	text := i.requireUnchanged("quarantine", "show", good.ID)
	require.Regexp(t, `key: +fg:\{..\}:device:`+i.device.ID+`:commands\n`, text)
	require.Regexp(t, `state: +\{garbage`, text)
	require.Regexp(t, `restorable: +the record of the command cannot be read`, text)
	_, err = runCommand(t, i.server.URL(), "quarantine", "restore", good.ID)
	require.ErrorContains(t, err, "1 of 1 entries could not be restored")

	require.NoError(t, redis.HSet(t.Context(), d.CommandsKey(), good.ID, record).Err())
	require.Regexp(t, `restorable: +yes`, i.requireUnchanged("quarantine", "show", good.ID))
	require.Regexp(t, good.ID+`.* would be restored`, i.requireUnchanged("quarantine", "restore", good.ID, "--dry-run"))
	require.Regexp(t, good.ID+`.* restored`, i.run("quarantine", "restore", good.ID))
	require.Equal(t, good.ID, i.claim().ID)
	i.requireNotFound("quarantine", "restore", good.ID)

	require.Regexp(t, bad.ID+`.* would be dropped`, i.requireUnchanged("quarantine", "drop", bad.ID, "--dry-run"))
	require.Regexp(t, bad.ID+`.* dropped`, i.run("quarantine", "drop", bad.ID))
	require.Empty(t, i.runJSON("quarantine", "list"))
	i.requireNotFound("quarantine", "show", bad.ID)
}

func TestAdminQuarantine_RestoresOtherRecords(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	p := gatewaytest.PartitionOf(i.tenantID)
	member := "session " + i.session + " " + i.device.ID + " " + i.tenant()
	redis := i.server.Client(t)
	require.NoError(t, redis.ZRem(t.Context(), p.DueKey(), member).Err())
	require.NoError(t, redis.RPush(t.Context(), p.QuarantineKey(), member, "nonsense").Err())
	require.Regexp(t, i.session+`.* restored`, i.run("quarantine", "restore", i.session))
	eventually(t, func() bool {
		at, err := redis.ZScore(t.Context(), p.DueKey(), member).Result()
		return err == nil && at > float64(time.Now().UnixMilli())
	}, "the sweeper has not settled the session again")
	require.Regexp(t, `nonsense`, i.run("quarantine", "list"))
	require.Regexp(t, `dropped`, i.run("quarantine", "drop", "nonsense"))
}

func TestAdminRate_ResetsLimitOfTenant(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	require.Regexp(t, `rate limit: +nothing was counted`, i.requireUnchanged("rate", "reset", "--tenant="+i.tenant()))
	limits := ratelimit.Limits{PerTenant: ratelimit.Limit{PerMinute: 1, Burst: 1}}
	limiter := ratelimit.New(storetest.Connect(t, store.Config{URL: i.server.URL()}), limits)
	allow := func() error { return limiter.Allow(context.Background(), ratelimit.Tenant, i.tenant()) }
	require.NoError(t, allow())
	require.Error(t, allow())
	require.Regexp(t, `rate limit: +would be reset`, i.requireUnchanged("rate", "reset", "--tenant="+i.tenant(), "--dry-run"))
	require.Error(t, allow())
	require.Equal(t, []map[string]any{{"tenant": i.tenant(), "result": "reset"}}, i.runJSON("rate", "reset", "--tenant="+i.tenant()))
	require.NoError(t, allow())
}

package gateway_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// readDevice reads the fleet's device as alice sees it.
func (f *fleet) readDevice(t testing.TB) client.Device {
	t.Helper()
	found, err := f.alice.Device(t.Context(), f.device.ID)
	require.NoError(t, err)
	return found
}

// sendHeartbeat sends a heartbeat with the credentials of a client.
func sendHeartbeat(t testing.TB, d *client.DeviceClient) error {
	t.Helper()
	_, err := d.Heartbeat(t.Context(), client.HeartbeatRequest{Status: client.HeartbeatStatusOk})
	return err
}

func TestDevice_ShowsWhatOwnerAndDeviceReported(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		alice := g.User(gatewaytest.NewTenantID(), "alice", "admin")
		made, err := alice.Provision(t.Context(), client.ProvisionDeviceRequest{
			Name: "Pump 7", ExternalID: "PX4-1", Location: "Hall B", Tags: client.Tags{"site": "leipzig"},
		})
		require.NoError(t, err)
		require.Contains(t, made.Instructions, made.ActivationCode)
		require.Equal(t, client.DeviceStatusProvisioned, made.Device.Status)
		require.Equal(t, client.DevicePresenceNeverConnected, made.Device.Presence)

		registered, err := g.Register(t.Context(), client.RegisterDeviceRequest{
			ActivationCode: strings.ToLower(strings.ReplaceAll(made.ActivationCode, "-", "")), DeviceID: made.Device.ID,
			Metadata: client.DeviceMetadata{Model: "PX-400", FirmwareVersion: "1.0"},
		})
		require.NoError(t, err)
		require.Equal(t, made.Device.ID, registered.DeviceID)
		device := g.Device(registered.DeviceID, registered.DeviceSecret)
		pulse, err := device.Heartbeat(t.Context(), client.HeartbeatRequest{
			Status: client.HeartbeatStatusDegraded, Reason: "the disk is full", Metrics: client.Metrics{"cpuPercent": 12.5}, FirmwareVersion: "1.1",
		})
		require.NoError(t, err)
		require.Positive(t, pulse.NextHeartbeatMs)

		seen, err := alice.Device(t.Context(), registered.DeviceID)
		require.NoError(t, err)
		require.Equal(t, client.DeviceStatusActive, seen.Status)
		require.Equal(t, client.DevicePresenceOnline, seen.Presence)
		require.Equal(t, client.HeartbeatStatusDegraded, seen.LastHeartbeat.Status)
		require.Equal(t, "the disk is full", seen.LastHeartbeat.Reason)
		require.Equal(t, client.Metrics{"cpuPercent": 12.5}, seen.Metrics)
		require.Equal(t, []string{"PX-400", "1.1", "PX4-1", "Hall B"}, []string{seen.Model, seen.FirmwareVersion, seen.ExternalID, seen.Location})
	})
}

func TestDevice_ReportsPendingCommands(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		f.propose(t, auto)
		f.propose(t, auto)
		f.propose(t, review)
		require.Equal(t, 2, *f.readDevice(t).PendingCommands)
		require.Equal(t, f.session, f.readDevice(t).ActiveSessionID)
		pulse, err := f.device.Heartbeat(t.Context(), client.HeartbeatRequest{Status: client.HeartbeatStatusOk})
		require.NoError(t, err)
		require.Equal(t, 2, pulse.PendingCommands)
	})
}

func TestUpdateDevice_KeepsFieldsItDoesNotName(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		alice := g.User(gatewaytest.NewTenantID(), "alice", "admin")
		made, err := alice.Provision(t.Context(), client.ProvisionDeviceRequest{
			Name: "Pump 7", Location: "Hall B", Tags: client.Tags{"site": "leipzig", "line": "cooling"},
		})
		require.NoError(t, err)
		name, empty := "Pump 8", ""
		for what, c := range map[string]struct {
			change client.UpdateDeviceRequest
			want   func(*client.Device)
		}{
			"the name":     {client.UpdateDeviceRequest{Name: &name}, func(d *client.Device) { d.Name = name }},
			"the location": {client.UpdateDeviceRequest{Location: &empty}, func(d *client.Device) { d.Location = "" }},
			"the tags": {client.UpdateDeviceRequest{Tags: client.Tags{"site": "jena"}},
				func(d *client.Device) { d.Tags = client.Tags{"site": "jena"} }},
			"no tags": {client.UpdateDeviceRequest{Tags: client.Tags{}}, func(d *client.Device) { d.Tags = client.Tags{} }},
			"nothing": {client.UpdateDeviceRequest{}, func(*client.Device) {}},
		} {
			want, err := alice.Update(t.Context(), made.Device.ID, client.UpdateDeviceRequest{
				Name: &made.Device.Name, Location: &made.Device.Location, Tags: made.Device.Tags,
			})
			require.NoError(t, err)
			c.want(&want)
			got, err := alice.Update(t.Context(), made.Device.ID, c.change)
			require.NoError(t, err)
			require.Equal(t, want, got, what)
		}
	})
}

func TestSuspend_EndsLoginsAndKeepsCommands(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		login := g.DeviceWithToken(client.Bearer(g.Login(t, f.device)))
		require.NoError(t, sendHeartbeat(t, login))
		waiting := f.propose(t, auto)
		suspended, err := f.alice.Suspend(t.Context(), f.device.ID, "stolen")
		require.NoError(t, err)
		require.Equal(t, client.DeviceStatusSuspended, suspended.Status)
		requireCode(t, client.CodeUnauthorized, sendHeartbeat(t, login))
		requireCode(t, client.CodeDeviceSuspended, sendHeartbeat(t, f.device.DeviceClient))
		_, err = g.Authenticate(t.Context(), client.AuthenticateDeviceRequest{DeviceID: f.device.ID, DeviceSecret: "wrong"})
		requireCode(t, client.CodeInvalidCredentials, err)

		resumed, err := f.alice.Resume(t.Context(), f.device.ID, "found")
		require.NoError(t, err)
		require.Equal(t, client.DeviceStatusActive, resumed.Status)
		requireCode(t, client.CodeUnauthorized, sendHeartbeat(t, login))
		require.Equal(t, waiting.ID, f.claim(t).ID)
	})
}

func TestClaim_WaitingReturnsNothingAfterSuspend(t *testing.T) {
	t.Parallel()
	requireWaitingClaimReturnsNothing(t, func(ctx context.Context, f *fleet) error {
		_, err := f.alice.Suspend(ctx, f.device.ID, "stolen")
		return err
	})
}

func TestClaim_WaitingReturnsNothingAfterRevoke(t *testing.T) {
	t.Parallel()
	requireWaitingClaimReturnsNothing(t, func(ctx context.Context, f *fleet) error {
		_, err := f.alice.RevokeLogins(ctx, f.device.ID, "seen in a log")
		return err
	})
}

// requireWaitingClaimReturnsNothing calls revoke, which must end the device's login, while a
// claim of the device is waiting. A command that is proposed afterwards must stay queued.
func requireWaitingClaimReturnsNothing(t *testing.T, revoke func(ctx context.Context, f *fleet) error) {
	t.Helper()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		login := g.DeviceWithToken(client.Bearer(g.Login(t, f.device)))
		got := make(chan []client.ClaimedCommand, 1)
		go func() {
			claimed, _ := login.Claim(t.Context(), client.ClaimRequest{WaitMs: 3000})
			got <- claimed
		}()
		awaitWaitingClaims(t, g, 1)
		require.NoError(t, revoke(t.Context(), f))
		proposed := f.propose(t, auto)
		require.Empty(t, <-got, "a command was claimed under a login that has ended")
		require.Equal(t, client.CommandStatusQueued, f.command(t, proposed.ID).Status)
	})
}

func TestRevokeLogins_DeviceLogsInAgainWithSecret(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		login := g.DeviceWithToken(client.Bearer(g.Login(t, f.device)))
		_, err := f.alice.RevokeLogins(t.Context(), f.device.ID, "seen in a log")
		require.NoError(t, err)
		requireCode(t, client.CodeUnauthorized, sendHeartbeat(t, login))
		require.NoError(t, sendHeartbeat(t, f.device.DeviceClient))
	})
}

func TestLogout_EndsOnlyItsOwnLogin(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		first := g.DeviceWithToken(client.Bearer(g.Login(t, f.device)))
		second := g.DeviceWithToken(client.Bearer(g.Login(t, f.device)))
		require.NoError(t, first.Logout(t.Context()))
		requireCode(t, client.CodeUnauthorized, sendHeartbeat(t, first))
		require.NoError(t, sendHeartbeat(t, second))
	})
}

func TestDecommission_IsFinal(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		login := g.DeviceWithToken(client.Bearer(g.Login(t, f.device)))
		f.propose(t, auto)
		claimed := f.claim(t)
		queued, pending := f.propose(t, auto), f.propose(t, review)
		for range 2 {
			require.NoError(t, f.alice.Decommission(t.Context(), f.device.ID))
		}

		requireCode(t, client.CodeUnauthorized, sendHeartbeat(t, login))
		requireCode(t, client.CodeInvalidCredentials, sendHeartbeat(t, g.Device(f.device.ID, f.device.Secret)))
		for _, id := range []string{queued.ID, pending.ID} {
			require.Equal(t, client.CommandStatusCancelled, f.command(t, id).Status)
		}
		require.Equal(t, client.CommandStatusClaimed, f.command(t, claimed.ID).Status)
		require.Equal(t, client.DeviceStatusDecommissioned, f.readDevice(t).Status, "the record of the device stays")
		_, err := f.alice.Resume(t.Context(), f.device.ID, "")
		requireCode(t, client.CodeDeviceDecommissioned, err)
		_, err = f.alice.IssueActivationCode(t.Context(), f.device.ID)
		requireCode(t, client.CodeDeviceDecommissioned, err)
		_, err = f.alice.OpenSession(t.Context(), client.OpenSessionRequest{DeviceID: f.device.ID, Type: "diagnostic"})
		require.Error(t, err)
	})
}

func TestActivationCode_NewOneInvalidatesThePrevious(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		alice := g.User(gatewaytest.NewTenantID(), "alice", "admin")
		made, err := alice.Provision(t.Context(), client.ProvisionDeviceRequest{Name: "Pump 7"})
		require.NoError(t, err)
		issued, err := alice.IssueActivationCode(t.Context(), made.Device.ID)
		require.NoError(t, err)
		require.NotEqual(t, made.ActivationCode, issued.ActivationCode)
		for _, code := range []string{made.ActivationCode, "0000-0000-0000", "nothing"} {
			_, err = g.Register(t.Context(), client.RegisterDeviceRequest{ActivationCode: code})
			requireCode(t, client.CodeInvalidActivationCode, err)
		}
		_, err = g.Register(t.Context(), client.RegisterDeviceRequest{ActivationCode: issued.ActivationCode})
		require.NoError(t, err)
		_, err = g.Register(t.Context(), client.RegisterDeviceRequest{ActivationCode: issued.ActivationCode})
		requireCode(t, client.CodeInvalidActivationCode, err)
	})
}

func TestRegister_AgainReplacesSecretAndEndsLogins(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		login := g.DeviceWithToken(client.Bearer(g.Login(t, f.device)))
		issued, err := f.alice.IssueActivationCode(t.Context(), f.device.ID)
		require.NoError(t, err)
		require.NoError(t, sendHeartbeat(t, login), "the login lasts until the device registers again")
		again, err := g.Register(t.Context(), client.RegisterDeviceRequest{ActivationCode: issued.ActivationCode})
		require.NoError(t, err)
		require.Equal(t, f.device.ID, again.DeviceID)
		requireCode(t, client.CodeUnauthorized, sendHeartbeat(t, login))
		_, err = g.Authenticate(t.Context(), client.AuthenticateDeviceRequest{DeviceID: f.device.ID, DeviceSecret: f.device.Secret})
		requireCode(t, client.CodeInvalidCredentials, err)
		require.NoError(t, sendHeartbeat(t, g.Device(again.DeviceID, again.DeviceSecret)))
	})
}

func TestProvision_ExternalIDIsUniqueWithinTenant(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		tenantID := gatewaytest.NewTenantID()
		alice := g.User(tenantID, "alice", "admin")
		pump := client.ProvisionDeviceRequest{Name: "Pump 7", ExternalID: "PX4-1"}
		_, err := alice.Provision(t.Context(), pump)
		require.NoError(t, err)
		_, err = alice.Provision(t.Context(), pump)
		requireCode(t, client.CodeExternalIDTaken, err)
		_, err = g.User(gatewaytest.NeighbourOf(tenantID), "alice", "admin").Provision(t.Context(), pump)
		require.NoError(t, err)
	})
}

func TestOpenSession_NeedsActiveDevice(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		alice := g.User(gatewaytest.NewTenantID(), "alice", "admin")
		made, err := alice.Provision(t.Context(), client.ProvisionDeviceRequest{Name: "Pump 7"})
		require.NoError(t, err)
		_, err = alice.OpenSession(t.Context(), client.OpenSessionRequest{DeviceID: made.Device.ID, Type: "diagnostic"})
		requireCode(t, client.CodeDeviceNotActive, err)
	})
}

func TestCreate_ReturnsLocation(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	token := g.Token(f.tenantID, "alice", "admin")
	for path, body := range map[string]string{
		"/api/v1/customer/devices":                                     `{"name":"Pump 8"}`,
		"/api/v1/customer/devices/" + f.device.ID + "/activation-code": "",
		"/api/v1/customer/sessions":                                    `{"type":"diagnostic","deviceId":"` + g.NewDevice(t, f.alice).ID + `"}`,
		"/api/v1/customer/sessions/" + f.session + "/commands":         `{"type":"` + auto + `"}`,
	} {
		made := g.Do(t, gatewaytest.Request{Method: http.MethodPost, Path: path, Token: token, Body: body})
		require.Equal(t, http.StatusCreated, made.Status, made.Body)
		found := g.Do(t, gatewaytest.Request{Method: http.MethodGet, Path: made.Header.Get("Location"), Token: token})
		require.Equal(t, http.StatusOK, found.Status, path)
	}
}

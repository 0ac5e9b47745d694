package gateway_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// startTwoInstances starts two instances of one installation, on one Redis.
func startTwoInstances(t testing.TB, changes ...func(*gateway.Config)) (here, there *gatewaytest.Gateway) {
	t.Helper()
	iss := customertest.NewIssuer(t)
	changes = append(changes, gatewaytest.WithRedis(storetest.SharedURL(t)))
	return gatewaytest.StartWithIssuer(t, iss, changes...), gatewaytest.StartWithIssuer(t, iss, changes...)
}

func TestInstances_ProposalWakesClaimAtAnother(t *testing.T) {
	t.Parallel()
	here, there := startTwoInstances(t)
	f := newFleet(t, here)
	elsewhere := gatewaytest.Device{DeviceClient: there.Device(f.device.ID, f.device.Secret), ID: f.device.ID}
	requireDelivered(t, f, there, elsewhere, func() { f.propose(t, auto) })
	waiting := f.propose(t, review)
	requireDelivered(t, f, there, elsewhere, func() { f.decide(t, waiting, true) })
}

func TestInstances_LoginEndsAtAll(t *testing.T) {
	t.Parallel()
	here, there := startTwoInstances(t)
	for name, end := range map[string]func(f *fleet, token string) error{
		"suspended": func(f *fleet, _ string) error { _, err := f.alice.Suspend(t.Context(), f.device.ID, ""); return err },
		"revoked": func(f *fleet, _ string) error {
			_, err := f.alice.RevokeLogins(t.Context(), f.device.ID, "")
			return err
		},
		"logged out": func(f *fleet, token string) error {
			return here.DeviceWithToken(client.Bearer(token)).Logout(t.Context())
		},
		"decommissioned": func(f *fleet, _ string) error { return f.alice.Decommission(t.Context(), f.device.ID) },
	} {
		f := newFleet(t, here)
		token := here.Login(t, f.device)
		elsewhere := there.DeviceWithToken(client.Bearer(token))
		require.NoError(t, sendHeartbeat(t, elsewhere), name)
		require.NoError(t, end(f, token), name)
		requireCode(t, client.CodeUnauthorized, sendHeartbeat(t, elsewhere))
	}
}

func TestInstances_SubmitResultAtAnotherThanTheClaim(t *testing.T) {
	t.Parallel()
	here, there := startTwoInstances(t)
	f := newFleet(t, here)
	f.propose(t, auto)
	claimed := f.claim(t)
	elsewhere := there.Device(f.device.ID, f.device.Secret)
	_, err := elsewhere.Extend(t.Context(), claimed.ID, client.ExtendRequest{ClaimToken: claimed.ClaimToken, ExtensionMs: 60_000})
	require.NoError(t, err)
	_, err = elsewhere.SubmitResult(t.Context(), claimed.ID, succeeded(claimed))
	require.NoError(t, err)
	require.Equal(t, client.CommandStatusSucceeded, f.command(t, claimed.ID).Status)
}

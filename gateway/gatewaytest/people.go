package gatewaytest

import (
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/store"
)

// Customer makes up the id of a customer that no other test has.
func Customer() string { return "test-" + rand.Text() }

// Neighbour makes up a customer whose data lies in the same partition of the
// store as another one's: only the owner in each record tells the two apart.
func Neighbour(customerID string) string {
	for {
		other := Customer()
		if Partition(other) == Partition(customerID) {
			return other
		}
	}
}

// Partition is where a customer's data lies in the store.
func Partition(customerID string) store.Partition { return store.PartitionOf("c." + customerID) }

// Token issues a token for a person of a customer.
func (g *Gateway) Token(customerID, user, role string) string {
	return g.Issuer.Token(issuer.Claims{Subject: user, TenantID: customerID, Role: role})
}

// Person signs a person in.
func (g *Gateway) Person(customerID, user, role string) *client.CustomerClient {
	return g.Customer(client.Bearer(g.Token(customerID, user, role)))
}

// Device is a device that has joined the fleet.
type Device struct {
	*client.DeviceClient
	ID     string
	Secret string
}

// Join provisions a device, registers it and logs it in.
func (g *Gateway) Join(t testing.TB, admin *client.CustomerClient) Device {
	t.Helper()
	made, err := admin.Provision(t.Context(), client.ProvisionDeviceRequest{Name: "Pump 7"})
	require.NoError(t, err)
	registered, err := g.Register(t.Context(), client.RegisterDeviceRequest{ActivationCode: made.ActivationCode})
	require.NoError(t, err)
	return Device{
		DeviceClient: g.Device(registered.DeviceID, registered.DeviceSecret),
		ID:           registered.DeviceID, Secret: registered.DeviceSecret,
	}
}

// Login opens one more login of a device and gives its token.
func (g *Gateway) Login(t testing.TB, d Device) string {
	t.Helper()
	login, err := g.Authenticate(t.Context(), client.AuthenticateDeviceRequest{DeviceID: d.ID, DeviceSecret: d.Secret})
	require.NoError(t, err)
	return login.Token
}

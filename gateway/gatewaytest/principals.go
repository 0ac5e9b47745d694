package gatewaytest

import (
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/store"
)

// NewTenantID returns a random tenant id, so that no other test uses the same tenant.
func NewTenantID() string { return "test-" + rand.Text() }

// NeighbourOf returns the id of a new tenant in the same store partition as tenantID. Only
// the owner that each record names keeps the records of two such tenants apart.
func NeighbourOf(tenantID string) string {
	for {
		other := NewTenantID()
		if PartitionOf(other) == PartitionOf(tenantID) {
			return other
		}
	}
}

// TenantOf returns the name of a tenant in the store: tenantID with a prefix.
func TenantOf(tenantID string) string { return "c." + tenantID }

// PartitionOf returns the store partition of the tenant tenantID.
func PartitionOf(tenantID string) store.Partition { return store.PartitionOf(TenantOf(tenantID)) }

// Token issues a token for the user of the tenant tenantID.
func (g *Gateway) Token(tenantID, user, role string) string {
	return g.Issuer.Token(issuer.Claims{Subject: user, TenantID: tenantID, Role: role})
}

// User returns a client for the user of the tenant tenantID.
func (g *Gateway) User(tenantID, user, role string) *client.CustomerClient {
	return g.Customer(client.Bearer(g.Token(tenantID, user, role)))
}

// Device is a registered device.
type Device struct {
	*client.DeviceClient
	ID     string
	Secret string
}

// NewDevice provisions and registers a device. The device's client logs in on its first call.
func (g *Gateway) NewDevice(t testing.TB, admin *client.CustomerClient) Device {
	t.Helper()
	provisioned, err := admin.Provision(t.Context(), client.ProvisionDeviceRequest{Name: "Pump 7"})
	require.NoError(t, err)
	registered, err := g.Register(t.Context(), client.RegisterDeviceRequest{ActivationCode: provisioned.ActivationCode})
	require.NoError(t, err)
	return Device{
		DeviceClient: g.Device(registered.DeviceID, registered.DeviceSecret),
		ID:           registered.DeviceID, Secret: registered.DeviceSecret,
	}
}

// Login opens another login of d and returns its token.
func (g *Gateway) Login(t testing.TB, d Device) string {
	t.Helper()
	login, err := g.Authenticate(t.Context(), client.AuthenticateDeviceRequest{DeviceID: d.ID, DeviceSecret: d.Secret})
	require.NoError(t, err)
	return login.Token
}

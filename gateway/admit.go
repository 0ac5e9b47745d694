package gateway

import (
	"context"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/ratelimit"
	"github.com/fieldgate/fieldgate/store"
)

// authenticateUser verifies the token of a user, or a ticket that represents a user.
func (g *Gateway) authenticateUser(ctx context.Context, token string) (context.Context, error) {
	principal, err := g.verifyUser(ctx, token)
	if err != nil {
		return ctx, err
	}
	request.SetPrincipal(ctx, principal.Tenant, store.ActorUser(principal.UserID))
	return customer.NewContext(ctx, principal), nil
}

// verifyUser verifies the token of a user. For the operation that opens a socket, the token
// may be a ticket, which verifyUser redeems. Every other operation refuses a ticket and
// leaves it valid.
func (g *Gateway) verifyUser(ctx context.Context, token string) (customer.Principal, error) {
	if customer.IsTicket(token) && request.Operation(ctx) == "openCustomerSocket" {
		return g.tickets.Redeem(ctx, token, request.Origin(ctx))
	}
	return g.verifier.Verify(ctx, token)
}

// authenticateDevice verifies the login token of a device. In the same round trip, the store
// counts the call against the rate limit of the device.
func (g *Gateway) authenticateDevice(ctx context.Context, token string) (context.Context, error) {
	principal, err := g.devices.Check(ctx, token)
	if err != nil {
		return ctx, err
	}
	request.SetPrincipal(ctx, principal.Tenant, store.ActorDevice(principal.DeviceID))
	return device.NewContext(ctx, principal), nil
}

// authorize checks that the user has at least the role that the operation requires.
func authorize(ctx context.Context, leastRole string) error {
	least, err := customer.ParseRole(leastRole)
	if err != nil {
		return err
	}
	if p, ok := customer.FromContext(ctx); !ok || !p.Role.Allows(least) {
		return fieldgate.Refuse(fieldgate.CodeInsufficientRole, "This operation requires the role "+leastRole+" or a higher one.")
	}
	return nil
}

// rateLimit counts a call against the limits of its tenant or address. It does not count
// calls of devices: these are counted when the login is verified.
func (g *Gateway) rateLimit(ctx context.Context, operationID string, cost int) error {
	if p, ok := customer.FromContext(ctx); ok {
		return g.limitTenant(ctx, p.Tenant, cost)
	}
	switch operationID {
	case "registerDevice":
		if err := g.limits.Allow(ctx, ratelimit.RegisterAddress, request.Addr(ctx).String()); err != nil {
			return err
		}
		return g.limits.Allow(ctx, ratelimit.RegisterTotal, "")
	case "authenticateDevice":
		return g.limits.Allow(ctx, ratelimit.AuthAddress, request.Addr(ctx).String())
	}
	return nil
}

// limitTenant counts a request or a frame of a user against the limit of the tenant.
func (g *Gateway) limitTenant(ctx context.Context, tenant string, cost int) error {
	return g.limits.AllowCost(ctx, ratelimit.Tenant, tenant, cost)
}

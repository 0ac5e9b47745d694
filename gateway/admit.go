package gateway

import (
	"context"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/ratelimit"
)

// authenticateUser verifies a customer's token, or the ticket that stands for one.
func (g *Gateway) authenticateUser(ctx context.Context, token string) (context.Context, error) {
	principal, err := g.verifyUser(ctx, token)
	if err != nil {
		return ctx, err
	}
	request.SetPrincipal(ctx, "user:"+principal.UserID)
	return customer.NewContext(ctx, principal), nil
}

// verifyUser redeems a ticket where it opens a socket. Anywhere else a ticket is
// a malformed token, and stays good.
func (g *Gateway) verifyUser(ctx context.Context, token string) (customer.Principal, error) {
	if customer.IsTicket(token) && request.Operation(ctx) == "openCustomerSocket" {
		return g.tickets.Redeem(ctx, token, request.Origin(ctx))
	}
	return g.verifier.Verify(ctx, token)
}

// authenticateDevice checks a device's login, and its rate limit in the same
// round trip.
func (g *Gateway) authenticateDevice(ctx context.Context, token string) (context.Context, error) {
	principal, err := g.devices.Check(ctx, token)
	if err != nil {
		return ctx, err
	}
	request.SetPrincipal(ctx, "device:"+principal.DeviceID)
	return device.NewContext(ctx, principal), nil
}

// authorize holds a person's role against the least one of an operation.
func authorize(ctx context.Context, leastRole string) error {
	least, err := customer.ParseRole(leastRole)
	if err != nil {
		return err
	}
	if p, ok := customer.FromContext(ctx); !ok || !p.Role.Allows(least) {
		return fieldgate.Refuse(fieldgate.CodeInsufficientRole, "This needs the role "+leastRole+" or a higher one.")
	}
	return nil
}

// rateLimit counts a call against the limits of whoever makes it. Devices are
// counted where their login is checked.
func (g *Gateway) rateLimit(ctx context.Context, operationID string) error {
	if p, ok := customer.FromContext(ctx); ok {
		return g.limits.Allow(ctx, ratelimit.Tenant, p.Tenant)
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

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
//
// A token is verified even if its network is over the limit of refused credentials. That costs
// only a signature, and honest users may share the network.
func (g *Gateway) verifyUser(ctx context.Context, token string) (principal customer.Principal, err error) {
	if !customer.IsTicket(token) || request.Operation(ctx) != "openCustomerSocket" {
		principal, err = g.verifyToken(ctx, token)
		return principal, g.guard.count(ctx, err)
	}
	err = g.guard.verify(ctx, token, g.tickets.Issued(token), func() (err error) {
		if principal, err = g.tickets.Redeem(ctx, token, request.Origin(ctx)); err == nil {
			err = g.cutOffs.Check(ctx, principal)
		}
		return err
	})
	return principal, err
}

// verifyToken verifies an access token, and checks that its user is not cut off.
func (g *Gateway) verifyToken(ctx context.Context, token string) (customer.Principal, error) {
	principal, err := g.verifier.Verify(ctx, token)
	if err == nil {
		err = g.cutOffs.Check(ctx, principal)
	}
	if err != nil {
		return customer.Principal{}, err
	}
	return principal, nil
}

// loginCheckedByScript has the operations of devices whose script checks the login itself.
var loginCheckedByScript = map[string]bool{
	"claimCommands": true, "extendCommand": true, "reportProgress": true, "releaseCommand": true, "submitResult": true, "sendHeartbeat": true,
}

// authenticateDevice verifies the login token of a device. In the same round trip, the store
// counts the call against the rate limit of the device.
//
// For a login that was verified here before, a transition leaves both to its script. Only
// such a login makes the gateway read a body before the store is asked. confirm verifies the
// token if the request does not reach the script.
func (g *Gateway) authenticateDevice(ctx context.Context, token string) (context.Context, error) {
	principal, known := device.Principal{}, false
	if loginCheckedByScript[request.Operation(ctx)] {
		principal, known = g.devices.Recall(token, request.Cost(ctx))
	}
	if !known {
		var err error
		if principal, err = g.checkLogin(ctx, token); err != nil {
			return ctx, err
		}
	}
	request.SetPrincipal(ctx, principal.Tenant, store.ActorDevice(principal.DeviceID))
	return device.NewContext(ctx, principal), nil
}

// checkLogin asks the store whether a login is valid.
func (g *Gateway) checkLogin(ctx context.Context, token string) (principal device.Principal, err error) {
	err = g.guard.verify(ctx, token, g.devices.Issued(token), func() (err error) {
		principal, err = g.devices.CheckCost(ctx, token, request.Cost(ctx))
		return err
	})
	return principal, err
}

// confirm returns the error of a request that was refused. If no script has checked the login of
// the calling device yet, confirm checks it, so that a login that has ended gets no other answer.
func (g *Gateway) confirm(ctx context.Context, token string, err error) error {
	caller, ok := device.FromContext(ctx)
	if !ok || caller.Login.Made() {
		return err
	}
	if ctx.Err() != nil {
		g.devices.Forget(token) // the next request of the login asks the store first
		return err
	}
	if _, refused := g.checkLogin(ctx, token); refused != nil {
		return refused
	}
	return err
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
		return g.limitRegistration(ctx)
	case "authenticateDevice":
		return g.limits.Allow(ctx, ratelimit.AuthAddress, request.Addr(ctx).String())
	}
	return nil
}

// limitRegistration counts a registration against the limit of its network, and against that of
// all registrations. Networks that have sent a wrong code lately share half of the latter, so
// that they cannot keep the others from registering.
func (g *Gateway) limitRegistration(ctx context.Context) error {
	if err := g.limits.Allow(ctx, ratelimit.RegisterAddress, request.Addr(ctx).String()); err != nil {
		return err
	}
	if g.guard.suspected(ctx) {
		if err := g.limits.Allow(ctx, ratelimit.RegisterSuspect, ""); err != nil {
			return err
		}
	}
	return g.limits.Allow(ctx, ratelimit.RegisterTotal, "")
}

// limitTenant counts a request or a frame of a user against the limit of the tenant.
func (g *Gateway) limitTenant(ctx context.Context, tenant string, cost int) error {
	return g.limits.AllowCost(ctx, ratelimit.Tenant, tenant, cost)
}

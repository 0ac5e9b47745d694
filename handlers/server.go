// Package handlers implements the operations of the contract. A handler converts the request to
// a type of the domain, calls the domain once, and converts the result back. It returns a
// refusal as an error, which the HTTP edge converts to a problem document.
//
// The conversions are separate functions: xFrom converts a request, and xOf or xResponse
// converts a result. Tests call these functions to check that no field is omitted.
package handlers

import (
	"context"
	"fmt"

	"github.com/fieldgate/fieldgate/approver"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/realtime"
	"github.com/fieldgate/fieldgate/receipt"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/tenantpolicy"
	"github.com/fieldgate/fieldgate/tracing"
)

// Config holds the parts of the domain that the handlers call.
type Config struct {
	Devices  *device.Registry
	Sessions *session.Service
	Queue    *queue.Queue
	Quotas   *quota.Service
	Health   *Health
	Hub      *realtime.Hub
	Tickets  *customer.Tickets
	CutOffs  *customer.CutOffs
	Policies *tenantpolicy.Policies
	Passkeys *approver.Passkeys
	Rosters  *approver.Rosters

	// Verify verifies the token with which a client renews its socket.
	Verify func(ctx context.Context, token string) (customer.Principal, error)

	// Approvals are the rules for the tokens with which users approve commands.
	Approvals customer.ApprovalRules

	// LimitTenant counts a frame of a user's socket towards the rate limit of the tenant, with
	// the given cost. HTTP requests count towards the same limit. The error is rate_limited if
	// the frame exceeds the limit. Default: no limit.
	LimitTenant func(ctx context.Context, tenant string, cost int) error

	// Receipts has the public keys of receipts. Nil has none.
	Receipts *receipt.Signer

	// Tracer starts a span for each frame of a socket. Nil records no spans.
	Tracer tracing.Tracer

	// WrongCode is called for each registration that is refused because of its activation
	// code. Default: nothing is done.
	WrongCode func(ctx context.Context)
}

// Server implements the generated server interface. It has no state of its own.
type Server struct {
	devices  *device.Registry
	sessions *session.Service
	queue    *queue.Queue
	quotas   *quota.Service
	health   *Health
	hub      *realtime.Hub
	tickets  *customer.Tickets
	cutOffs  *customer.CutOffs
	policies *tenantpolicy.Policies
	passkeys *approver.Passkeys
	rosters  *approver.Rosters
	verify   func(ctx context.Context, token string) (customer.Principal, error)
	frames   frames

	approvals   customer.ApprovalRules
	limitTenant func(ctx context.Context, tenant string, cost int) error
	wrongCode   func(ctx context.Context)
	tracer      tracing.Tracer
	receipts    *receipt.Signer
}

var _ generated.StrictServerInterface = (*Server)(nil)

// New returns a server. It returns an error if the contract has no schema for a frame.
func New(cfg Config) (*Server, error) {
	if cfg.LimitTenant == nil {
		cfg.LimitTenant = func(context.Context, string, int) error { return nil }
	}
	if cfg.WrongCode == nil {
		cfg.WrongCode = func(context.Context) {}
	}
	frames, err := publishedFrames()
	if err != nil {
		return nil, fmt.Errorf("preparing the frames of sockets: %w", err)
	}
	return &Server{
		devices: cfg.Devices, sessions: cfg.Sessions, queue: cfg.Queue, quotas: cfg.Quotas, health: cfg.Health,
		hub: cfg.Hub, tickets: cfg.Tickets, cutOffs: cfg.CutOffs, policies: cfg.Policies, passkeys: cfg.Passkeys, rosters: cfg.Rosters,
		verify: cfg.Verify, frames: frames, limitTenant: cfg.LimitTenant,
		wrongCode: cfg.WrongCode, approvals: cfg.Approvals, tracer: cfg.Tracer, receipts: cfg.Receipts,
	}, nil
}

// userPrincipal returns the user who calls a customer operation. The middleware of the contract
// has already authenticated the user.
func userPrincipal(ctx context.Context) customer.Principal {
	p, _ := customer.FromContext(ctx)
	return p
}

// callingDevice returns the device that calls a device operation.
func callingDevice(ctx context.Context) store.Device {
	p, _ := device.FromContext(ctx)
	return p.Device()
}

const defaultLimit = 50

func pageFrom(limit *int, cursor *string) store.Page {
	p := store.Page{Limit: defaultLimit, Cursor: value(cursor)}
	if limit != nil {
		p.Limit = *limit
	}
	return p
}

// value returns the value of a pointer, or the zero value if the pointer is nil.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// reasonFrom returns the reason in body, or "" if body is nil.
func reasonFrom(body *generated.ReasonRequest) string {
	return value(body).Reason
}

// convert applies f to each element of list. The result is never nil, so that its JSON is an
// empty array and not null.
func convert[From, To any](list []From, f func(From) To) []To {
	converted := make([]To, 0, len(list))
	for _, item := range list {
		converted = append(converted, f(item))
	}
	return converted
}

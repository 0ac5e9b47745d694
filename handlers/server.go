// Package handlers serves the operations of the contract: each converts the
// request, calls the domain once and converts the answer back. Refusals are
// returned as errors; the edge makes problem documents of them.
package handlers

import (
	"context"
	"fmt"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/realtime"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
)

// Config names the domain that the handlers call.
type Config struct {
	Devices  *device.Registry
	Sessions *session.Service
	Queue    *queue.Queue
	Health   *Health
	Hub      *realtime.Hub
	Tickets  *customer.Tickets

	// Verify checks the token that renews an open socket.
	Verify func(ctx context.Context, token string) (customer.Principal, error)

	// Spec and SocketSpec are the contract that frames are held against. Default:
	// fieldgate.Spec and fieldgate.SocketSpec.
	Spec       []byte
	SocketSpec []byte
}

// Server implements the generated interface. It keeps no state of its own.
type Server struct {
	devices  *device.Registry
	sessions *session.Service
	queue    *queue.Queue
	health   *Health
	hub      *realtime.Hub
	tickets  *customer.Tickets
	verify   func(ctx context.Context, token string) (customer.Principal, error)
	frames   frames
}

var _ generated.StrictServerInterface = (*Server)(nil)

// New makes the server. An error means that the contract lacks a schema that the
// frames of sockets are held against.
func New(cfg Config) (*Server, error) {
	if cfg.Spec == nil {
		cfg.Spec = fieldgate.Spec
	}
	if cfg.SocketSpec == nil {
		cfg.SocketSpec = fieldgate.SocketSpec
	}
	frames, err := newFrames(cfg.SocketSpec, cfg.Spec)
	if err != nil {
		return nil, fmt.Errorf("preparing the frames of sockets: %w", err)
	}
	return &Server{
		devices: cfg.Devices, sessions: cfg.Sessions, queue: cfg.Queue, health: cfg.Health,
		hub: cfg.Hub, tickets: cfg.Tickets, verify: cfg.Verify, frames: frames,
	}, nil
}

// userPrincipal is who calls a customer's operation. The contract middleware has seen
// to it that there is one.
func userPrincipal(ctx context.Context) customer.Principal {
	p, _ := customer.FromContext(ctx)
	return p
}

// callingDevice is the device that calls a device's operation.
func callingDevice(ctx context.Context) store.Device {
	p, _ := device.FromContext(ctx)
	return p.Device()
}

const defaultLimit = 50

func page(limit *int, cursor *string) store.Page {
	p := store.Page{Limit: defaultLimit, Cursor: value(cursor)}
	if limit != nil {
		p.Limit = *limit
	}
	return p
}

// value gives what a pointer points at, and the zero value for none.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// reason reads a body that may be left out.
func reason(body *generated.ReasonRequest) string {
	return value(body).Reason
}

// convert makes a slice of the contract, never null in JSON, of one of the domain.
func convert[From, To any](list []From, one func(From) To) []To {
	converted := make([]To, 0, len(list))
	for _, item := range list {
		converted = append(converted, one(item))
	}
	return converted
}

package handlers

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/realtime"
)

// upgrade is the answer of a socket's handshake: it takes the connection over and
// returns at once, so that nothing of the request is kept while the socket lives.
// An error means that nothing was answered yet.
type upgrade func(w http.ResponseWriter) error

// VisitOpenDeviceSocketResponse upgrades the connection.
func (u upgrade) VisitOpenDeviceSocketResponse(w http.ResponseWriter) error { return u(w) }

// VisitOpenCustomerSocketResponse upgrades the connection.
func (u upgrade) VisitOpenCustomerSocketResponse(w http.ResponseWriter) error { return u(w) }

// open makes the answer to a handshake.
func (s *Server) open(ctx context.Context, o realtime.OpenRequest) upgrade {
	r := request.HTTP(ctx)
	o.Agent, o.RequestID = cut(r.UserAgent(), maxAgent), request.ID(ctx)
	o.Header = http.Header{"X-Request-Id": {o.RequestID}}
	return func(w http.ResponseWriter) error { return s.hub.Open(w, r, o) }
}

// maxAgent bounds what is kept of how a client calls itself, in bytes.
const maxAgent = 128

func cut(text string, limit int) string {
	return strings.ToValidUTF8(text[:min(len(text), limit)], "")
}

// frameContext is the context of one frame: its id follows what it causes.
func frameContext(ctx context.Context, f realtime.Frame) context.Context {
	return request.With(ctx, &request.Info{ID: f.ID})
}

// OpenDeviceSocket opens the socket of a device. Each frame is authenticated and
// counted as a request would be.
func (s *Server) OpenDeviceSocket(ctx context.Context, _ generated.OpenDeviceSocketRequestObject) (generated.OpenDeviceSocketResponseObject, error) {
	p, _ := device.FromContext(ctx)
	_, token, _ := strings.Cut(request.HTTP(ctx).Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	return s.open(ctx, realtime.OpenRequest{
		Tenant: p.Tenant, Device: p.DeviceID, Verify: s.deviceVerifier(token, p.ExpiresAt),
		Serve: func(ctx context.Context, _ *realtime.Socket, f realtime.Frame) (any, error) {
			if _, err := s.devices.Check(ctx, token); err != nil {
				return nil, err
			}
			return s.deviceFrame(device.NewContext(frameContext(ctx, f), p), f.Type, f.Data)
		},
	}), nil
}

// deviceVerifier checks the login of an open socket, which renews it.
func (s *Server) deviceVerifier(token string, expiresAt time.Time) func(context.Context) realtime.CloseCode {
	var last atomic.Int64
	last.Store(expiresAt.UnixMilli())
	return func(ctx context.Context) realtime.CloseCode {
		p, err := s.devices.Check(ctx, token)
		switch {
		case err == nil:
			last.Store(p.ExpiresAt.UnixMilli())
		case fieldgate.CodeOf(err) != fieldgate.CodeUnauthorized:
		case time.Now().UnixMilli() >= last.Load():
			return realtime.CloseExpired
		default:
			return realtime.CloseWithdrawn
		}
		return 0
	}
}

// OpenCustomerSocket opens the socket of a person.
func (s *Server) OpenCustomerSocket(ctx context.Context, _ generated.OpenCustomerSocketRequestObject) (generated.OpenCustomerSocketResponseObject, error) {
	p := userPrincipal(ctx)
	return s.open(ctx, realtime.OpenRequest{
		Tenant: p.Tenant, User: p.UserID, ExpiresAt: p.ExpiresAt,
		Verify: func(context.Context) realtime.CloseCode { return 0 },
		Serve: func(ctx context.Context, socket *realtime.Socket, f realtime.Frame) (any, error) {
			return s.customerFrame(frameContext(ctx, f), socket, p, f)
		},
	}), nil
}

// customerFrame serves what a person says over the socket.
func (s *Server) customerFrame(ctx context.Context, socket *realtime.Socket, p customer.Principal, f realtime.Frame) (any, error) {
	switch f.Type {
	case "subscribe":
		return s.subscribe(ctx, socket, p, f.Data)
	case "unsubscribe":
		return s.unsubscribe(socket, f.Data)
	case "refresh":
		return s.refresh(ctx, socket, p, f.Data)
	}
	return nil, errFrameType
}

func (s *Server) subscribe(ctx context.Context, socket *realtime.Socket, p customer.Principal, data json.RawMessage) (any, error) {
	wanted, err := decode[struct{ Room, Since string }](s.frames, "subscribe", data)
	if err != nil {
		return nil, err
	}
	if err := s.mayWatch(ctx, p.Tenant, wanted.Room); err != nil {
		return nil, err
	}
	return socket.Subscribe(ctx, wanted.Room, wanted.Since)
}

// mayWatch tells whether a room, which the contract has seen, is one of the
// tenant's. Another tenant's answers as one that does not exist.
func (s *Server) mayWatch(ctx context.Context, tenant, room string) (err error) {
	if id, ok := strings.CutPrefix(room, realtime.RoomDevice); ok {
		_, err = s.devices.Get(ctx, tenant, id)
	} else if id, ok := strings.CutPrefix(room, realtime.RoomSession); ok {
		_, err = s.sessions.Get(ctx, tenant, id)
	}
	return err
}

func (s *Server) unsubscribe(socket *realtime.Socket, data json.RawMessage) (any, error) {
	left, err := decode[struct{ Room string }](s.frames, "unsubscribe", data)
	if err != nil {
		return nil, err
	}
	socket.Unsubscribe(left.Room)
	return map[string]string{"room": left.Room}, nil
}

// refresh renews a socket in place: with a token of the same person for the same
// customer.
func (s *Server) refresh(ctx context.Context, socket *realtime.Socket, p customer.Principal, data json.RawMessage) (any, error) {
	sent, err := decode[struct{ Token string }](s.frames, "refresh", data)
	if err != nil {
		return nil, err
	}
	renewed, err := s.verify(ctx, sent.Token)
	if err != nil {
		return nil, err
	}
	if renewed.Tenant != p.Tenant || renewed.UserID != p.UserID {
		return nil, fieldgate.Refuse(fieldgate.CodeUnauthorized, "The token is not one of the person who opened the socket.")
	}
	socket.Renew(renewed.ExpiresAt)
	return map[string]any{"expiresAt": fieldgate.At(renewed.ExpiresAt)}, nil
}

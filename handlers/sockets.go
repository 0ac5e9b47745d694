package handlers

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/realtime"
	"github.com/fieldgate/fieldgate/store"
)

// upgrade is the response to the handshake of a socket. It upgrades the connection and returns at
// once, so that the request's memory is freed while the socket is open. It returns an error only
// if it has written no response.
type upgrade func(w http.ResponseWriter) error

// VisitOpenDeviceSocketResponse upgrades the connection.
func (u upgrade) VisitOpenDeviceSocketResponse(w http.ResponseWriter) error { return u(w) }

// VisitOpenCustomerSocketResponse upgrades the connection.
func (u upgrade) VisitOpenCustomerSocketResponse(w http.ResponseWriter) error { return u(w) }

// open returns the response to a handshake.
func (s *Server) open(ctx context.Context, o realtime.OpenRequest) upgrade {
	r := request.HTTP(ctx)
	o.Agent, o.RequestID = truncate(r.UserAgent(), maxAgent), request.ID(ctx)
	o.Header = http.Header{"X-Request-Id": {o.RequestID}}
	return func(w http.ResponseWriter) error { return s.hub.Open(w, r, o) }
}

// maxAgent is the maximum length of a stored User-Agent, in bytes.
const maxAgent = 128

func truncate(text string, limit int) string {
	return strings.ToValidUTF8(text[:min(len(text), limit)], "")
}

// serveTraced calls serve with the context for one frame. The frame's id is the request id in logs and
// events. If spans are recorded, the frame has one, a child of the client's span if the frame names one.
func (s *Server) serveTraced(ctx context.Context, tenant, principal string, f realtime.Frame, serve func(context.Context) (any, error)) (data any, err error) {
	info := &request.Info{ID: f.ID, Operation: f.Type, Traceparent: request.Traceparent(f.Traceparent)}
	ctx = request.With(ctx, info)
	request.SetPrincipal(ctx, tenant, principal)
	if s.tracer != nil {
		var span trace.Span
		ctx, span = s.startSpan(ctx, info)
		defer func() { endSpan(span, info, err) }()
	}
	data, err = serve(ctx)
	*f.Log = realtime.FrameLog{TraceID: info.TraceID(), Session: info.Session, Command: info.Command}
	return data, err
}

// OpenDeviceSocket opens the socket of a device. Like an HTTP request, each frame is
// authenticated and counts towards the device's rate limit: by the script of its transition, or
// by confirm if it causes none.
func (s *Server) OpenDeviceSocket(ctx context.Context, _ generated.OpenDeviceSocketRequestObject) (generated.OpenDeviceSocketResponseObject, error) {
	p, _ := device.FromContext(ctx)
	token := bearerToken(ctx)
	return s.open(ctx, realtime.OpenRequest{
		Tenant: p.Tenant, Device: p.DeviceID, Verify: s.deviceVerifier(token, p.ExpiresAt),
		Serve: func(ctx context.Context, _ *realtime.Socket, f realtime.Frame) (any, error) {
			return s.serveTraced(ctx, p.Tenant, store.ActorDevice(p.DeviceID), f, func(ctx context.Context) (any, error) {
				return s.authenticatedFrame(ctx, token, f)
			})
		},
	}), nil
}

// authenticatedFrame serves a frame of the device whose login has the token.
func (s *Server) authenticatedFrame(ctx context.Context, token string, f realtime.Frame) (any, error) {
	caller, known := s.devices.Recall(token, 1)
	if !known { // the store has refused an earlier frame
		var err error
		if caller, err = s.devices.Check(ctx, token); err != nil {
			return nil, err
		}
	}
	data, err := s.deviceFrame(device.NewContext(ctx, caller), f)
	return data, s.confirm(ctx, token, caller, err)
}

// confirm returns the error of a frame. If the frame was refused before a script has checked the
// login, confirm checks it, so that a login that has ended gets no other answer.
func (s *Server) confirm(ctx context.Context, token string, caller device.Principal, err error) error {
	if err == nil || caller.Login.Made() {
		return err
	}
	if _, refused := s.devices.Check(ctx, token); refused != nil {
		return refused
	}
	return err
}

// deviceVerifier returns the Verify function for a device's socket. Each check also renews the
// device's login.
func (s *Server) deviceVerifier(token string, expiresAt time.Time) func(context.Context) realtime.CloseCode {
	var expiry atomic.Int64 // Unix ms
	expiry.Store(expiresAt.UnixMilli())
	return func(ctx context.Context) realtime.CloseCode {
		p, err := s.devices.Check(ctx, token)
		switch {
		case err == nil:
			expiry.Store(p.ExpiresAt.UnixMilli())
		case fieldgate.CodeOf(err) != fieldgate.CodeUnauthorized:
		case time.Now().UnixMilli() >= expiry.Load():
			return realtime.CloseExpired
		default:
			return realtime.CloseWithdrawn
		}
		return 0
	}
}

// OpenCustomerSocket opens the socket of a user.
func (s *Server) OpenCustomerSocket(ctx context.Context, _ generated.OpenCustomerSocketRequestObject) (generated.OpenCustomerSocketResponseObject, error) {
	p := userPrincipal(ctx)
	user := new(socketUser)
	user.Store(&p)
	return s.open(ctx, realtime.OpenRequest{
		Tenant: p.Tenant, User: p.UserID, Names: callerNames(ctx), ExpiresAt: p.ExpiresAt,
		Verify: s.userVerifier(user),
		Serve: func(ctx context.Context, socket *realtime.Socket, f realtime.Frame) (any, error) {
			return s.serveTraced(ctx, p.Tenant, store.ActorUser(p.UserID), f, func(ctx context.Context) (any, error) {
				return s.customerFrame(ctx, socket, user, f)
			})
		},
	}), nil
}

// socketUser is the user of an open socket. A refresh frame replaces the principal by that of a newer
// token of the same user and tenant.
type socketUser struct {
	atomic.Pointer[customer.Principal]
}

// userVerifier returns the Verify function for a user's socket.
func (s *Server) userVerifier(user *socketUser) func(context.Context) realtime.CloseCode {
	return func(ctx context.Context) realtime.CloseCode {
		if fieldgate.IsUnauthorized(s.cutOffs.Check(ctx, *user.Load())) {
			return realtime.CloseWithdrawn
		}
		return 0
	}
}

// subscribeCost is the cost of a subscribe frame, which reads the store up to three times.
// Any other frame of a user's socket costs 1.
const subscribeCost = 5

func frameCost(frameType string) int {
	if frameType == "subscribe" {
		return subscribeCost
	}
	return 1
}

// customerFrame serves a frame of a user's socket. It checks the user and counts the frame before it
// decodes any data of the frame.
func (s *Server) customerFrame(ctx context.Context, socket *realtime.Socket, user *socketUser, f realtime.Frame) (any, error) {
	p := *user.Load()
	if err := s.cutOffs.Check(ctx, p); err != nil {
		return nil, err
	}
	if err := s.limitTenant(ctx, p.Tenant, frameCost(f.Type)); err != nil {
		return nil, err
	}
	switch f.Type {
	case "subscribe":
		return serveFrame(s.frames, f, func(r subscribeFrame) (any, error) { return s.subscribe(ctx, socket, p, r) })
	case "unsubscribe":
		return serveFrame(s.frames, f, func(r unsubscribeFrame) (any, error) { return unsubscribe(socket, r), nil })
	case "refresh":
		return serveFrame(s.frames, f, func(r refreshFrame) (any, error) { return s.refresh(ctx, socket, user, r) })
	}
	return nil, errFrameType
}

func (s *Server) subscribe(ctx context.Context, socket *realtime.Socket, p customer.Principal, r subscribeFrame) (any, error) {
	if err := s.authorizeRoom(ctx, p.Tenant, r.Room); err != nil {
		return nil, err
	}
	return socket.Subscribe(ctx, r.Room, r.Since)
}

// authorizeRoom returns an error unless the room belongs to the tenant. For a room of another
// tenant it returns the same error as for a room that does not exist.
func (s *Server) authorizeRoom(ctx context.Context, tenant, room string) (err error) {
	if id, ok := strings.CutPrefix(room, realtime.RoomDevice); ok {
		_, err = s.devices.Get(ctx, tenant, id)
	} else if id, ok := strings.CutPrefix(room, realtime.RoomSession); ok {
		_, err = s.sessions.Get(ctx, tenant, id)
	}
	return err
}

func unsubscribe(socket *realtime.Socket, r unsubscribeFrame) any {
	socket.Unsubscribe(r.Room)
	return map[string]string{"room": r.Room}
}

// refresh replaces the token of an open socket. The new token must belong to the same user and
// tenant.
func (s *Server) refresh(ctx context.Context, socket *realtime.Socket, user *socketUser, r refreshFrame) (any, error) {
	p := user.Load()
	renewed, err := s.verify(ctx, r.Token)
	if err != nil {
		return nil, err
	}
	if renewed.Tenant != p.Tenant || renewed.UserID != p.UserID {
		return nil, &fieldgate.Error{
			Code:   fieldgate.CodeUnauthorized,
			Detail: "The token must be one of the user and the tenant that opened the socket.",
			Reason: fieldgate.ReasonOtherUser,
		}
	}
	user.Store(&renewed)
	// A cut-off that was made since verify has checked the sockets by their old tokens.
	if err := s.cutOffs.Check(ctx, renewed); err != nil {
		user.CompareAndSwap(&renewed, p)
		return nil, err
	}
	socket.Renew(renewed.ExpiresAt)
	return map[string]any{"expiresAt": fieldgate.At(renewed.ExpiresAt)}, nil
}

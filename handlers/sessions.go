package handlers

import (
	"context"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
)

// OpenSession opens a support session on a device.
func (s *Server) OpenSession(ctx context.Context, r generated.OpenSessionRequestObject) (generated.OpenSessionResponseObject, error) {
	opened, err := s.sessions.Open(ctx, session.OpenRequest{
		Tenant: userPrincipal(ctx).Tenant, UserID: userPrincipal(ctx).UserID, RequestID: request.ID(ctx),
		DeviceID: r.Body.DeviceID, Type: string(r.Body.Type), Description: r.Body.Description,
		Duration: seconds(r.Body.ExpiresInSeconds), IdempotencyKey: value(r.Params.IdempotencyKey),
	})
	if err != nil {
		return nil, err
	}
	return generated.OpenSession201JSONResponse{
		Body:    sessionOf(opened),
		Headers: generated.OpenSession201ResponseHeaders{Location: sessionsPath + opened.ID},
	}, nil
}

// ListSessions lists support sessions, the newest first.
func (s *Server) ListSessions(ctx context.Context, r generated.ListSessionsRequestObject) (generated.ListSessionsResponseObject, error) {
	filter := session.Filter{DeviceID: value(r.Params.DeviceID), Status: session.Status(value(r.Params.Status))}
	list, next, err := s.sessions.List(ctx, userPrincipal(ctx).Tenant, filter, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return generated.ListSessions200JSONResponse{Items: convert(list, sessionOf), NextCursor: next}, nil
}

// maxEmbedded is how many commands a session carries in itself; the list of
// commands has them all.
const maxEmbedded = 200

// GetSession reads a session with its commands.
func (s *Server) GetSession(ctx context.Context, r generated.GetSessionRequestObject) (generated.GetSessionResponseObject, error) {
	found, err := s.sessions.Get(ctx, userPrincipal(ctx).Tenant, r.SessionID)
	if err != nil {
		return nil, err
	}
	commands, _, err := s.queue.List(ctx, found.Tenant, found.ID, store.Page{Limit: maxEmbedded})
	if err != nil {
		return nil, err
	}
	answer := sessionOf(found)
	answer.Commands = convert(commands, commandOf)
	return generated.GetSession200JSONResponse(answer), nil
}

// CloseSession ends a session with all that waits in it.
func (s *Server) CloseSession(ctx context.Context, r generated.CloseSessionRequestObject) (generated.CloseSessionResponseObject, error) {
	closed, err := s.sessions.Close(ctx, session.CloseRequest{
		Tenant: userPrincipal(ctx).Tenant, UserID: userPrincipal(ctx).UserID, RequestID: request.ID(ctx),
		SessionID: r.SessionID, Reason: reason(r.Body),
	})
	if err != nil {
		return nil, err
	}
	return generated.CloseSession200JSONResponse(sessionOf(closed)), nil
}

// ListSessionEvents reads the timeline of a session.
func (s *Server) ListSessionEvents(ctx context.Context, r generated.ListSessionEventsRequestObject) (generated.ListSessionEventsResponseObject, error) {
	events, next, err := s.sessions.Events(ctx, userPrincipal(ctx).Tenant, r.SessionID, value(r.Params.Since), page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return generated.ListSessionEvents200JSONResponse{Items: convert(events, eventOf), NextCursor: next}, nil
}

const sessionsPath = "/api/v1/customer/sessions/"

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

func millis(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func sessionOf(s session.Session) generated.Session {
	return generated.Session{
		ID: s.ID, DeviceID: s.DeviceID, Type: generated.SessionType(s.Type), Status: generated.SessionStatus(s.Status),
		Description: s.Description, CreatedBy: s.CreatedBy,
		CreatedAt: fieldgate.At(s.CreatedAt), ExpiresAt: fieldgate.At(s.ExpiresAt), ClosedAt: fieldgate.At(s.ClosedAt),
	}
}

func eventOf(e session.Event) generated.Event {
	return generated.Event{
		ID: e.ID, Type: e.Type, Time: fieldgate.At(e.Time), Actor: actorOf(e.Actor), RequestID: e.RequestID,
		DeviceID: e.DeviceID, SessionID: e.SessionID, CommandID: e.CommandID, Data: e.Data,
	}
}

// actorOf reads an actor as events keep it: "user:<id>", "device:<id>" or "system".
func actorOf(actor string) generated.Actor {
	kind, id, _ := strings.Cut(actor, ":")
	if id == "" {
		id = kind
	}
	return generated.Actor{Kind: generated.ActorKind(kind), ID: id}
}

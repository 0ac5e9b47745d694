package handlers

import (
	"context"
	"slices"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
)

// OpenSession opens a support session on a device.
func (s *Server) OpenSession(ctx context.Context, r generated.OpenSessionRequestObject) (generated.OpenSessionResponseObject, error) {
	opened, err := s.sessions.Open(ctx, openSessionFrom(ctx, r))
	if err != nil {
		return nil, err
	}
	return openedSessionResponse(opened), nil
}

func openSessionFrom(ctx context.Context, r generated.OpenSessionRequestObject) session.OpenRequest {
	return session.OpenRequest{
		Tenant: userPrincipal(ctx).Tenant, UserID: userPrincipal(ctx).UserID, Names: callerNames(ctx), RequestID: request.ID(ctx),
		DeviceID: r.Body.DeviceID, Type: string(r.Body.Type), Description: r.Body.Description,
		Duration: seconds(r.Body.ExpiresInSeconds), IdempotencyKey: value(r.Params.IdempotencyKey),
	}
}

func openedSessionResponse(s session.Session) generated.OpenSession201JSONResponse {
	return generated.OpenSession201JSONResponse{
		Body:    sessionOf(s),
		Headers: generated.OpenSession201ResponseHeaders{Location: sessionsPath + s.ID},
	}
}

// ListSessions lists support sessions, newest first.
func (s *Server) ListSessions(ctx context.Context, r generated.ListSessionsRequestObject) (generated.ListSessionsResponseObject, error) {
	filter, page := sessionFilterFrom(r)
	list, next, err := s.sessions.List(ctx, userPrincipal(ctx).Tenant, filter, page)
	if err != nil {
		return nil, err
	}
	return generated.ListSessions200JSONResponse(sessionListOf(list, next)), nil
}

func sessionFilterFrom(r generated.ListSessionsRequestObject) (session.Filter, store.Page) {
	filter := session.Filter{DeviceID: value(r.Params.DeviceID), Status: session.Status(value(r.Params.Status))}
	return filter, pageFrom(r.Params.Limit, r.Params.Cursor)
}

func sessionListOf(list []session.Session, next string) generated.SessionList {
	return generated.SessionList{Items: convert(list, sessionOf), NextCursor: next}
}

// GetSession returns a session with its newest commands.
func (s *Server) GetSession(ctx context.Context, r generated.GetSessionRequestObject) (generated.GetSessionResponseObject, error) {
	found, err := s.sessions.Get(ctx, userPrincipal(ctx).Tenant, r.SessionID)
	if err != nil {
		return nil, err
	}
	commands, next, err := s.queue.List(ctx, found.Tenant, found.ID, queue.NewestFirst, store.Page{Limit: defaultLimit})
	if err != nil {
		return nil, err
	}
	slices.Reverse(commands)
	return generated.GetSession200JSONResponse(sessionDetailOf(found, commands, next)), nil
}

// CloseSession closes a session and ends its waiting commands.
func (s *Server) CloseSession(ctx context.Context, r generated.CloseSessionRequestObject) (generated.CloseSessionResponseObject, error) {
	closed, err := s.sessions.Close(ctx, closeSessionFrom(ctx, r))
	if err != nil {
		return nil, err
	}
	return generated.CloseSession200JSONResponse(sessionOf(closed)), nil
}

func closeSessionFrom(ctx context.Context, r generated.CloseSessionRequestObject) session.CloseRequest {
	return session.CloseRequest{
		Tenant: userPrincipal(ctx).Tenant, UserID: userPrincipal(ctx).UserID, Names: callerNames(ctx), RequestID: request.ID(ctx),
		SessionID: r.SessionID, Reason: reasonFrom(r.Body),
	}
}

// ListSessionEvents lists the events of a session's timeline.
func (s *Server) ListSessionEvents(ctx context.Context, r generated.ListSessionEventsRequestObject) (generated.ListSessionEventsResponseObject, error) {
	since, page := eventRangeFrom(r)
	events, next, err := s.sessions.Events(ctx, userPrincipal(ctx).Tenant, r.SessionID, since, page)
	if err != nil {
		return nil, err
	}
	return generated.ListSessionEvents200JSONResponse(eventListOf(events, next)), nil
}

func eventRangeFrom(r generated.ListSessionEventsRequestObject) (since time.Time, page store.Page) {
	return value(r.Params.Since), pageFrom(r.Params.Limit, r.Params.Cursor)
}

func eventListOf(list []session.Event, next string) generated.EventList {
	return generated.EventList{Items: convert(list, eventOf), NextCursor: next}
}

const sessionsPath = "/api/v1/customer/sessions/"

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

func millis(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func sessionOf(s session.Session) generated.Session {
	return generated.Session{
		ID: s.ID, DeviceID: s.DeviceID, Type: generated.SessionType(s.Type), Status: generated.SessionStatus(s.Status),
		Description: s.Description, CreatedBy: s.CreatedBy, CreatedByActor: userDetailsOf(s.CreatedBy, s.Names),
		CreatedAt: fieldgate.At(s.CreatedAt), ExpiresAt: fieldgate.At(s.ExpiresAt), ClosedAt: fieldgate.At(s.ClosedAt),
	}
}

// sessionDetailOf converts a session like sessionOf, and adds the newest of the session's commands.
// The argument next is the cursor of the earlier ones, or empty if there are none.
func sessionDetailOf(s session.Session, commands []queue.Command, next string) generated.Session {
	detail := sessionOf(s)
	detail.Commands = convert(commands, listedCommandOf)
	detail.CommandsTruncated, detail.NextCursor = next != "", next
	return detail
}

func eventOf(e session.Event) generated.Event {
	return generated.Event{
		ID: e.ID, Type: e.Type, Time: fieldgate.At(e.Time), RequestID: e.RequestID,
		Actor: actorOf(e.Actor), ActorDetails: actorDetailsOf(e.Actor, e.Names),
		DeviceID: e.DeviceID, SessionID: e.SessionID, CommandID: e.CommandID, Traceparent: e.Traceparent, Data: e.Data,
	}
}

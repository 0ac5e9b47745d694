package handlers

import (
	"context"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/api/schema"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/realtime"
)

// IssueTicket issues a ticket with which a browser can open one socket.
func (s *Server) IssueTicket(ctx context.Context, r generated.IssueTicketRequestObject) (generated.IssueTicketResponseObject, error) {
	origin := ticketOriginFrom(ctx, r)
	if err := checkOrigin(origin, r.Body); err != nil {
		return nil, err
	}
	ticket, err := s.tickets.Issue(ctx, userPrincipal(ctx), origin)
	if err != nil {
		return nil, err
	}
	return ticketResponse(ticket), nil
}

// ticketOriginFrom returns the origin in the body, or the origin of the request if the body has
// none.
func ticketOriginFrom(ctx context.Context, r generated.IssueTicketRequestObject) string {
	if r.Body != nil && r.Body.Origin != "" {
		return r.Body.Origin
	}
	return request.Origin(ctx)
}

// checkOrigin returns validation_failed for a text that is no origin of a page, because no page
// could use the ticket. The empty origin is that of a program.
func checkOrigin(origin string, body *generated.IssueTicketRequest) error {
	if origin == "" || request.IsOrigin(origin) {
		return nil
	}
	pointer := "/header/Origin"
	if value(body).Origin != "" {
		pointer = "/origin"
	}
	return schema.Invalid(fieldgate.FieldError{
		Pointer: pointer, Keyword: "format",
		Reason: "must be an origin as browsers send it: http or https, the host in lower case, and a port unless it is the default",
	})
}

func ticketResponse(t customer.Ticket) generated.IssueTicket201JSONResponse {
	return generated.IssueTicket201JSONResponse{
		Body:    generated.Ticket{Ticket: t.Token, ExpiresAt: fieldgate.At(t.ExpiresAt)},
		Headers: generated.IssueTicket201ResponseHeaders{Location: "/api/v1/customer/ws"},
	}
}

// ListConnections lists the open sockets of the tenant on all instances.
func (s *Server) ListConnections(ctx context.Context, r generated.ListConnectionsRequestObject) (generated.ListConnectionsResponseObject, error) {
	list, next, err := s.hub.Connections(ctx, userPrincipal(ctx).Tenant, pageFrom(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return generated.ListConnections200JSONResponse(connectionListOf(list, next)), nil
}

func connectionListOf(list []realtime.Connection, next string) generated.ConnectionList {
	return generated.ConnectionList{Items: convert(list, connectionOf), NextCursor: next}
}

// CloseConnection closes a socket on any instance.
func (s *Server) CloseConnection(ctx context.Context, r generated.CloseConnectionRequestObject) (generated.CloseConnectionResponseObject, error) {
	if err := s.hub.Kick(ctx, userPrincipal(ctx).Tenant, r.ConnectionID); err != nil {
		return nil, err
	}
	return generated.CloseConnection204Response{}, nil
}

func connectionOf(c realtime.Connection) generated.Connection {
	return generated.Connection{
		ID: c.ID, Kind: generated.ConnectionKind(c.Kind), DeviceID: c.DeviceID, UserID: c.UserID,
		OpenedByActor: actorDetailsOf(c.Actor(), c.Names), Agent: c.Agent, Since: fieldgate.At(c.Since),
	}
}

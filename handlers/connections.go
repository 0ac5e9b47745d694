package handlers

import (
	"context"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/realtime"
)

// IssueTicket gives a browser a ticket that opens a socket once.
func (s *Server) IssueTicket(ctx context.Context, r generated.IssueTicketRequestObject) (generated.IssueTicketResponseObject, error) {
	origin := request.Origin(ctx)
	if r.Body != nil && r.Body.Origin != "" {
		origin = r.Body.Origin
	}
	ticket, err := s.tickets.Issue(ctx, userPrincipal(ctx), origin)
	if err != nil {
		return nil, err
	}
	return generated.IssueTicket201JSONResponse{
		Body:    generated.Ticket{Ticket: ticket.Token, ExpiresAt: fieldgate.At(ticket.ExpiresAt)},
		Headers: generated.IssueTicket201ResponseHeaders{Location: "/api/v1/customer/ws"},
	}, nil
}

// ListConnections lists the open sockets of the customer, on all instances.
func (s *Server) ListConnections(ctx context.Context, r generated.ListConnectionsRequestObject) (generated.ListConnectionsResponseObject, error) {
	list, next, err := s.hub.Connections(ctx, userPrincipal(ctx).Tenant, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return generated.ListConnections200JSONResponse{Items: convert(list, connectionOf), NextCursor: next}, nil
}

// CloseConnection closes a socket, wherever it is.
func (s *Server) CloseConnection(ctx context.Context, r generated.CloseConnectionRequestObject) (generated.CloseConnectionResponseObject, error) {
	found, err := s.hub.Kick(ctx, userPrincipal(ctx).Tenant, r.ConnectionID)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fieldgate.Refuse(fieldgate.CodeConnectionNotFound, "There is no such connection.")
	}
	return generated.CloseConnection204Response{}, nil
}

func connectionOf(c realtime.Connection) generated.Connection {
	return generated.Connection{
		ID: c.ID, Kind: generated.ConnectionKind(c.Kind), DeviceID: c.DeviceID, UserID: c.UserID,
		Agent: c.Agent, Since: fieldgate.At(c.Since),
	}
}

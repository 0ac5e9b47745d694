package fieldgate

import (
	"context"
	"iter"
)

// all reads a list page by page and gives its items one by one. An error comes as the
// last element. A page may be empty without being the last.
func all[T any](cursor *Cursor, page func(cursor *Cursor) ([]T, NextCursor, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for next := cursor; ; {
			items, following, err := page(next)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if following == "" {
				return
			}
			next = &following
		}
	}
}

// Devices reads a page of the fleet, newest first.
func (c *CustomerClient) Devices(ctx context.Context, params ListDevicesParams) (DeviceList, error) {
	return result[DeviceList](c.api.ListDevices(ctx, &params))
}

// AllDevices reads the fleet, newest first, with a request for each page. An error is
// the last element.
func (c *CustomerClient) AllDevices(ctx context.Context, params ListDevicesParams) iter.Seq2[Device, error] {
	return all(params.Cursor, func(cursor *Cursor) ([]Device, NextCursor, error) {
		params := params
		params.Cursor = cursor
		page, err := c.Devices(ctx, params)
		return page.Items, page.NextCursor, err
	})
}

// Sessions reads a page of the sessions, newest first.
func (c *CustomerClient) Sessions(ctx context.Context, params ListSessionsParams) (SessionList, error) {
	return result[SessionList](c.api.ListSessions(ctx, &params))
}

// AllSessions reads the sessions, newest first, with a request for each page. An error
// is the last element.
func (c *CustomerClient) AllSessions(ctx context.Context, params ListSessionsParams) iter.Seq2[Session, error] {
	return all(params.Cursor, func(cursor *Cursor) ([]Session, NextCursor, error) {
		params := params
		params.Cursor = cursor
		page, err := c.Sessions(ctx, params)
		return page.Items, page.NextCursor, err
	})
}

// Commands reads a page of the commands of a session, oldest first.
func (c *CustomerClient) Commands(ctx context.Context, sessionID string, params ListCommandsParams) (CommandList, error) {
	return result[CommandList](c.api.ListCommands(ctx, sessionID, &params))
}

// AllCommands reads the commands of a session, oldest first, with a request for each
// page. An error is the last element.
func (c *CustomerClient) AllCommands(ctx context.Context, sessionID string, params ListCommandsParams) iter.Seq2[Command, error] {
	return all(params.Cursor, func(cursor *Cursor) ([]Command, NextCursor, error) {
		params := params
		params.Cursor = cursor
		page, err := c.Commands(ctx, sessionID, params)
		return page.Items, page.NextCursor, err
	})
}

// Approvals reads a page of the commands of all sessions that wait for a decision, each
// with MayDecide and, if not, WhyNot.
func (c *CustomerClient) Approvals(ctx context.Context, params ListApprovalsParams) (CommandList, error) {
	return result[CommandList](c.api.ListApprovals(ctx, &params))
}

// AllApprovals reads the commands that wait for a decision, with a request for each
// page. An error is the last element.
func (c *CustomerClient) AllApprovals(ctx context.Context, params ListApprovalsParams) iter.Seq2[Command, error] {
	return all(params.Cursor, func(cursor *Cursor) ([]Command, NextCursor, error) {
		params := params
		params.Cursor = cursor
		page, err := c.Approvals(ctx, params)
		return page.Items, page.NextCursor, err
	})
}

// Events reads a page of the timeline of a session: who did what, when, and with which
// request.
func (c *CustomerClient) Events(ctx context.Context, sessionID string, params ListSessionEventsParams) (EventList, error) {
	return result[EventList](c.api.ListSessionEvents(ctx, sessionID, &params))
}

// AllEvents reads the timeline of a session, with a request for each page. An error is
// the last element.
func (c *CustomerClient) AllEvents(ctx context.Context, sessionID string, params ListSessionEventsParams) iter.Seq2[Event, error] {
	return all(params.Cursor, func(cursor *Cursor) ([]Event, NextCursor, error) {
		params := params
		params.Cursor = cursor
		page, err := c.Events(ctx, sessionID, params)
		return page.Items, page.NextCursor, err
	})
}

// Connections reads a page of the open sockets of devices and people, whichever instance
// of the gateway holds them.
func (c *CustomerClient) Connections(ctx context.Context, params ListConnectionsParams) (ConnectionList, error) {
	return result[ConnectionList](c.api.ListConnections(ctx, &params))
}

// AllConnections reads the open sockets, with a request for each page. An error is the
// last element.
func (c *CustomerClient) AllConnections(ctx context.Context, params ListConnectionsParams) iter.Seq2[Connection, error] {
	return all(params.Cursor, func(cursor *Cursor) ([]Connection, NextCursor, error) {
		params := params
		params.Cursor = cursor
		page, err := c.Connections(ctx, params)
		return page.Items, page.NextCursor, err
	})
}

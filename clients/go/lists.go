package fieldgate

import (
	"context"
	"iter"
)

// allPages returns the items of a list, which it reads page by page. If reading fails, the
// error is the last element. An empty page does not end the list; a page without a next cursor
// does.
func allPages[T any](cursor string, read func(cursor string) (items []T, next string, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for at := cursor; ; {
			items, next, err := read(at)
			if err != nil {
				var zero T
				yield(zero, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			at = next
		}
	}
}

// Devices returns a page of the devices of the fleet, the newest first.
func (c *CustomerClient) Devices(ctx context.Context, params ListDevicesParams) (DeviceList, error) {
	return decode[DeviceList](c.requester.listDevices(ctx, params))
}

// AllDevices returns the devices of the fleet, the newest first, with one request per page. If
// a request fails, the error is the last element.
func (c *CustomerClient) AllDevices(ctx context.Context, params ListDevicesParams) iter.Seq2[Device, error] {
	return allPages(params.Cursor, func(cursor string) ([]Device, string, error) {
		params := params
		params.Cursor = cursor
		page, err := c.Devices(ctx, params)
		return page.Items, page.NextCursor, err
	})
}

// Sessions returns a page of the sessions of the tenant, the newest first.
func (c *CustomerClient) Sessions(ctx context.Context, params ListSessionsParams) (SessionList, error) {
	return decode[SessionList](c.requester.listSessions(ctx, params))
}

// AllSessions returns the sessions of the tenant, the newest first, with one request per page.
// If a request fails, the error is the last element.
func (c *CustomerClient) AllSessions(ctx context.Context, params ListSessionsParams) iter.Seq2[Session, error] {
	return allPages(params.Cursor, func(cursor string) ([]Session, string, error) {
		params := params
		params.Cursor = cursor
		page, err := c.Sessions(ctx, params)
		return page.Items, page.NextCursor, err
	})
}

// Commands returns a page of the commands of a session, the oldest first unless Order is set. Lists omit results,
// and parameters of more than 4 KiB. If Command.ResultOmitted or Command.ParametersOmitted is
// true, read the whole command with CustomerClient.Command.
func (c *CustomerClient) Commands(ctx context.Context, sessionID string, params ListCommandsParams) (CommandList, error) {
	return decode[CommandList](c.requester.listCommands(ctx, sessionID, params))
}

// AllCommands returns the commands of a session, the oldest first unless Order or Cursor is set, with one request per page.
// As in Commands, results and large parameters are omitted. If a request fails, the error is
// the last element.
func (c *CustomerClient) AllCommands(ctx context.Context, sessionID string, params ListCommandsParams) iter.Seq2[Command, error] {
	return allPages(params.Cursor, func(cursor string) ([]Command, string, error) {
		params := params
		params.Cursor = cursor
		page, err := c.Commands(ctx, sessionID, params)
		return page.Items, page.NextCursor, err
	})
}

// TenantCommands returns a page of the commands of the tenant, on all devices, the newest first. As in
// Commands, results and large parameters are omitted. The gateway examines a bounded number of commands
// for a page, so that a page may be short, or empty, although it has a NextCursor.
func (c *CustomerClient) TenantCommands(ctx context.Context, params ListTenantCommandsParams) (CommandList, error) {
	return decode[CommandList](c.requester.listTenantCommands(ctx, params))
}

// AllTenantCommands returns the commands of the tenant, the newest first, with one request per page. As
// in Commands, results and large parameters are omitted. If a request fails, the error is the last
// element.
func (c *CustomerClient) AllTenantCommands(ctx context.Context, params ListTenantCommandsParams) iter.Seq2[Command, error] {
	return allPages(params.Cursor, func(cursor string) ([]Command, string, error) {
		params := params
		params.Cursor = cursor
		page, err := c.TenantCommands(ctx, params)
		return page.Items, page.NextCursor, err
	})
}

// Approvals returns a page of the commands that wait for a decision, in all sessions. Each has
// MayDecide, and WhyNot if the caller may not decide on it. If ParametersOmitted is true, read
// the command with CustomerClient.Command before you decide.
func (c *CustomerClient) Approvals(ctx context.Context, params ListApprovalsParams) (CommandList, error) {
	return decode[CommandList](c.requester.listApprovals(ctx, params))
}

// AllApprovals returns the commands that wait for a decision, with one request per page. As in
// Approvals, large parameters are omitted. If a request fails, the error is the last element.
func (c *CustomerClient) AllApprovals(ctx context.Context, params ListApprovalsParams) iter.Seq2[Command, error] {
	return allPages(params.Cursor, func(cursor string) ([]Command, string, error) {
		params := params
		params.Cursor = cursor
		page, err := c.Approvals(ctx, params)
		return page.Items, page.NextCursor, err
	})
}

// Events returns a page of the timeline of a session. An event records who did what and when,
// and the id of the request.
func (c *CustomerClient) Events(ctx context.Context, sessionID string, params ListSessionEventsParams) (EventList, error) {
	return decode[EventList](c.requester.listSessionEvents(ctx, sessionID, params))
}

// AllEvents returns the timeline of a session, with one request per page. If a request fails,
// the error is the last element.
func (c *CustomerClient) AllEvents(ctx context.Context, sessionID string, params ListSessionEventsParams) iter.Seq2[Event, error] {
	return allPages(params.Cursor, func(cursor string) ([]Event, string, error) {
		params := params
		params.Cursor = cursor
		page, err := c.Events(ctx, sessionID, params)
		return page.Items, page.NextCursor, err
	})
}

// CutOffs returns a page of the tenant's cut-offs that still refuse tokens, the newest first.
func (c *CustomerClient) CutOffs(ctx context.Context, params ListCutOffsParams) (CutOffList, error) {
	return decode[CutOffList](c.requester.listCutOffs(ctx, params))
}

// AllCutOffs returns the tenant's cut-offs, with one request per page. If a request fails, the error
// is the last element.
func (c *CustomerClient) AllCutOffs(ctx context.Context, params ListCutOffsParams) iter.Seq2[CutOff, error] {
	return allPages(params.Cursor, func(cursor string) ([]CutOff, string, error) {
		params := params
		params.Cursor = cursor
		page, err := c.CutOffs(ctx, params)
		return page.Items, page.NextCursor, err
	})
}

// Connections returns a page of the tenant's open sockets, on all instances of the gateway.
func (c *CustomerClient) Connections(ctx context.Context, params ListConnectionsParams) (ConnectionList, error) {
	return decode[ConnectionList](c.requester.listConnections(ctx, params))
}

// AllConnections returns the tenant's open sockets, with one request per page. If a request
// fails, the error is the last element.
func (c *CustomerClient) AllConnections(ctx context.Context, params ListConnectionsParams) iter.Seq2[Connection, error] {
	return allPages(params.Cursor, func(cursor string) ([]Connection, string, error) {
		params := params
		params.Cursor = cursor
		page, err := c.Connections(ctx, params)
		return page.Items, page.NextCursor, err
	})
}

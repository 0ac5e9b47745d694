package admin

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/handlers"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
)

// sessionsCommand has the commands on support sessions.
type sessionsCommand struct {
	List  listSessionsCommand  `cmd:"" help:"List support sessions, the newest of each tenant first."`
	Close closeSessionsCommand `cmd:"" help:"Close active support sessions, which ends their commands that are not claimed."`
}

// listSessionsCommand lists sessions.
type listSessionsCommand struct {
	storeFlags

	Tenant string `help:"Only sessions of this tenant, such as c.acme."`
	Status string `enum:"active,closed,expired,all" default:"active" help:"Only sessions with this status (active, closed, expired, all)."`
}

// Run lists the sessions.
func (c *listSessionsCommand) Run(ctx context.Context) error {
	status := session.Status(c.Status)
	if status == "all" {
		status = ""
	}
	return c.reading(ctx, func(v services) error {
		list := c.list("TENANT", "SESSION", "DEVICE", "STATUS", "TYPE", "CREATED BY", "CREATED", "EXPIRES")
		for s, err := range v.sessionsOf(ctx, c.Tenant, status) {
			if err != nil {
				return err
			}
			record := sessionRecord{s.Tenant, handlers.SessionRecord(s)}
			if err := list.add(record, s.Tenant, s.ID, s.DeviceID, s.Status, s.Type, s.CreatedBy, at(s.CreatedAt), at(s.ExpiresAt)); err != nil {
				return err
			}
		}
		return list.end()
	})
}

// sessionRecord is a session of the contract, with its tenant.
type sessionRecord struct {
	Tenant string `json:"tenant"`
	generated.Session
}

// sessionsOf returns an iterator over the sessions of a tenant, or of all tenants if it is empty.
// An empty status selects every status.
func (v services) sessionsOf(ctx context.Context, tenant string, status session.Status) iter.Seq2[session.Session, error] {
	return func(yield func(session.Session, error) bool) {
		for tenant, err := range v.tenants(ctx, tenant) {
			if err != nil {
				yield(session.Session{}, err)
				return
			}
			all := store.All(func(page store.Page) ([]session.Session, string, error) {
				return v.sessions.List(ctx, tenant, session.Filter{Status: status}, page)
			})
			for s, err := range all {
				if !yield(s, err) || err != nil {
					return
				}
			}
		}
	}
}

// closeSessionsCommand closes sessions as a user would: their queued commands and their commands
// pending approval end, and claimed ones go on.
type closeSessionsCommand struct {
	changeFlags
	actorFlags

	Session string `xor:"which" required:"" placeholder:"ID" help:"Close this session."`
	Tenant  string `xor:"which" required:"" help:"Close the active sessions of this tenant, such as c.acme."`
	All     bool   `xor:"which" required:"" help:"Close the active sessions of all tenants, for example after a restore."`
}

// Run closes the sessions and prints each. A session that cannot be closed does not stop the
// others.
func (c *closeSessionsCommand) Run(ctx context.Context) error {
	if c.Tenant != "" {
		if err := checkTenant(c.Tenant); err != nil {
			return err
		}
	}
	return c.changing(ctx, func(v services) error {
		list := c.list("TENANT", "SESSION", "DEVICE", "ENDED COMMANDS", "RESULT")
		failed := c.closeAll(ctx, v, list)
		return errors.Join(list.end(), failed)
	})
}

func (c *closeSessionsCommand) closeAll(ctx context.Context, v services, list *list) error {
	requestID, tally := newRequestID(), tally{what: "sessions", verb: "closed"}
	for s, err := range c.selected(ctx, v) {
		if err != nil {
			return errors.Join(err, tally.err())
		}
		done, err := c.close(ctx, v, s, requestID)
		tally.note(err)
		if err := list.add(done, s.Tenant, s.ID, s.DeviceID, done.EndedCommands, done.Result); err != nil {
			return err
		}
	}
	return tally.err()
}

// selected returns an iterator over the sessions to close.
func (c *closeSessionsCommand) selected(ctx context.Context, v services) iter.Seq2[session.Session, error] {
	if c.Session == "" {
		return v.sessionsOf(ctx, c.Tenant, session.Active)
	}
	return func(yield func(session.Session, error) bool) { yield(v.locateSession(ctx, c.Session)) }
}

// closedSession is the record of a session that was closed, or would be.
type closedSession struct {
	Tenant        string `json:"tenant"`
	SessionID     string `json:"sessionId"`
	DeviceID      string `json:"deviceId"`
	EndedCommands int    `json:"endedCommands"`
	RequestID     string `json:"requestId,omitempty"` // the timeline contains it; empty in a dry run
	Result        string `json:"result"`
}

// close closes one session. The number of commands that end is read before, so that it may be
// wrong by those that users propose meanwhile.
func (c *closeSessionsCommand) close(ctx context.Context, v services, s session.Session, requestID string) (closedSession, error) {
	done := closedSession{Tenant: s.Tenant, SessionID: s.ID, DeviceID: s.DeviceID, Result: "already " + string(s.Status)}
	if s.Status != session.Active {
		return done, nil
	}
	unfinished, err := v.queue.Unfinished(ctx, store.Device{Tenant: s.Tenant, ID: s.DeviceID})
	if err != nil {
		return done.failed(err)
	}
	done.EndedCommands = len(unfinished.Ready) + len(unfinished.Pending)
	if done.Result = "would be closed"; c.DryRun {
		return done, nil
	}
	closed, err := v.sessions.Close(ctx, session.CloseRequest{
		Tenant: s.Tenant, SessionID: s.ID, UserID: c.By, RequestID: requestID, Reason: c.Reason,
	})
	if err != nil {
		return done.failed(err)
	}
	done.Result, done.RequestID = string(closed.Status), requestID
	return done, nil
}

func (s closedSession) failed(err error) (closedSession, error) {
	s.EndedCommands, s.Result = 0, fmt.Sprintf("failed: %v", err)
	return s, err
}

package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/handlers"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
)

// commandCommand prints a command. Its output and its parameters are those of users and devices:
// only --json prints them.
type commandCommand struct {
	storeFlags

	ID     string `arg:"" help:"Id of the command."`
	Device string `placeholder:"ID" help:"Id of its device, which saves searching all devices of the partition."`
}

// commandDetail is a command with its tenant and its timeline.
type commandDetail struct {
	Tenant   string            `json:"tenant"`
	Command  generated.Command `json:"command"`
	Timeline []generated.Event `json:"timeline"`
}

// Run prints the command.
func (c *commandCommand) Run(ctx context.Context) error {
	return c.reading(ctx, func(v services) error {
		d, err := c.locate(ctx, v)
		if err != nil {
			return err
		}
		found, err := v.queue.GetOwn(ctx, d, c.ID)
		if fieldgate.CodeOf(err) == fieldgate.CodeCommandNotFound {
			return notFound("readable command", c.ID)
		} else if err != nil {
			return err
		}
		detail := commandDetail{Tenant: d.Tenant, Command: handlers.CommandRecord(found)}
		if detail.Timeline, err = timelineOf(ctx, v, found); err != nil {
			return err
		}
		return c.show(detail)
	})
}

func (c *commandCommand) locate(ctx context.Context, v services) (store.Device, error) {
	if c.Device != "" {
		return v.locateDevice(ctx, c.Device)
	}
	d, err := v.queue.Find(ctx, c.ID)
	if fieldgate.CodeOf(err) == fieldgate.CodeCommandNotFound {
		return d, notFound("command", c.ID)
	}
	return d, err
}

// timelineOf returns the events of a command. It returns none if the session is gone already.
func timelineOf(ctx context.Context, v services, c queue.Command) ([]generated.Event, error) {
	found := []generated.Event{}
	all := store.All(func(page store.Page) ([]session.Event, string, error) {
		return v.sessions.Events(ctx, c.Tenant, c.SessionID, c.CreatedAt.Add(-time.Second), page)
	})
	for e, err := range all {
		switch {
		case fieldgate.CodeOf(err) == fieldgate.CodeSessionNotFound:
			return found, nil
		case err != nil:
			return nil, err
		case e.CommandID == c.ID:
			found = append(found, handlers.EventRecord(e))
		}
	}
	return found, nil
}

// show prints the command for people, or as JSON.
func (c *commandCommand) show(d commandDetail) error {
	one := d.Command
	err := c.print(d, fields{
		{"command", one.ID}, {"tenant", d.Tenant}, {"device", one.DeviceID}, {"session", one.SessionID},
		{"type", one.Type}, {"status", one.Status}, {"attempt", attempts(one)}, {"priority", one.Priority},
		{"proposed", by(one.CreatedAt, one.ProposedBy, one.Reason)},
		{string(one.Approval.Decision), by(one.Approval.DecidedAt, one.Approval.DecidedBy, one.Approval.Reason)},
		{"next deadline", at(nextDeadline(one))}, {"finished", at(one.FinishedAt.Time)},
		{"cancel requested", flag(one.CancelRequested)}, {"late", flag(one.Late)}, {"result", describeResult(one)},
		{"request id", one.RequestID}, {"digest", one.Digest},
	})
	if err != nil || c.JSON {
		return err
	}
	_, _ = fmt.Fprintln(c.stdout)
	list := c.list("TIME", "EVENT", "ACTOR", "REQUEST ID", "DATA")
	for _, e := range d.Timeline {
		_ = list.add(nil, at(e.Time.Time), e.Type, string(e.Actor.Kind)+":"+e.Actor.ID, e.RequestID, string(json.RawMessage(e.Data)))
	}
	return list.end()
}

func attempts(c generated.Command) string { return fmt.Sprintf("%d of %d", c.Attempt, c.MaxAttempts) }

// nextDeadline returns the time at which a command changes if nothing else changes it earlier. It
// returns the zero time for a command that has ended.
func nextDeadline(c generated.Command) time.Time {
	switch queue.Status(c.Status) {
	case queue.PendingApproval:
		return c.ApproveBy.Time
	case queue.Queued:
		return c.DeliverBy.Time
	case queue.Claimed:
		return c.VisibleUntil.Time
	}
	return time.Time{}
}

// by describes the act of a user. It returns "" for an act that has not happened.
func by(when fieldgate.Timestamp, user, reason string) string {
	text := at(when.Time)
	if text != "" && user != "" {
		text += " by " + user
	}
	if reason != "" {
		text += ": " + reason
	}
	return text
}

func flag(set bool) string {
	if set {
		return "yes"
	}
	return ""
}

// describeResult returns the sizes of a result. The output itself may be confidential.
func describeResult(c generated.Command) string {
	if c.Result == nil {
		return ""
	}
	return fmt.Sprintf("%d bytes of output, %d of error", len(c.Result.Output), len(c.Result.Error))
}

package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/fieldgate/fieldgate/store"
)

// Report describes the progress of a command that its device runs.
type Report struct {
	Seq     int      // number of the report, which counts the reports of a claim from 1 on
	Percent *float64 // nil keeps the percent that was reported before
	Message *string  // nil keeps the message that was reported before
	Output  string   // output since the last report
}

// Reported describes the command after ReportProgress.
type Reported struct {
	Seq             int           // number of the newest report of the claim
	Remaining       time.Duration // time until the lease ends, by the store's clock
	CancelRequested bool
}

// ReportProgress keeps what a device reports of a command that it runs. It changes nothing if a
// report with the same or a higher number was kept before. Refusals: those of Extend, and
// quota_exceeded if the tenant may not store the output.
func (q *Queue) ReportProgress(ctx context.Context, ref ClaimRef, r Report) (Reported, error) {
	fields, err := json.Marshal(struct {
		Percent *float64 `json:"percent,omitempty"`
		Message *string  `json:"message,omitempty"`
	}{r.Percent, r.Message})
	if err != nil {
		return Reported{}, fmt.Errorf("encoding a report: %w", err)
	}
	reply, s, err := q.runAsDevice(ctx, progressScript, ref, scriptCall{
		args: []any{r.Seq, fields, r.Output, q.cfg.Limits.StoredBytes},
	})
	if err != nil {
		return Reported{}, err
	}
	return Reported{
		Seq: int(reply.Int(4)), Remaining: time.Duration(s.Visible-reply.Int(3)) * time.Millisecond, CancelRequested: s.Cancel,
	}, nil
}

// Progress is the newest report of a command. It is zero if there is none.
type Progress struct {
	Percent    *float64 // nil if the newest claim has not reported it
	Message    string
	Seq        int // number of the newest report
	Missed     int // number of reports that did not arrive
	ReportedAt time.Time
	Next       int // position after the newest output
}

// Progress returns the newest report of a command of a device, and the command's session. Refusal:
// command_not_found.
func (q *Queue) Progress(ctx context.Context, d store.Device, commandID string) (sessionID string, p Progress, err error) {
	s, r, err := q.readReport(ctx, d, commandID)
	return s.Session, r.progress(), err
}

// Output is a part of what a command has printed, and how far the command is.
type Output struct {
	Progress
	Text     string
	From     int  // position of the first byte of Text; after the requested position if output before it is no longer kept
	Complete bool // whether the command has ended
}

// Output returns the output of a command from the position since on. It reads the blocks after the
// report: a block that was deleted in between counts as output that is no longer kept. Refusals:
// session_not_found, command_not_found.
func (q *Queue) Output(ctx context.Context, tenant, sessionID, commandID string, since int) (o Output, err error) {
	err = q.readAtDevice(ctx, tenant, sessionID, func(d store.Device) (err error) {
		var found string
		if o, found, err = q.outputOf(ctx, d, commandID, since); err == nil && found != sessionID {
			return errCommandNotFound
		}
		return err
	})
	if err != nil {
		return Output{}, err
	}
	return o, nil
}

// KeptOutput returns all output of a command of a device that is kept. Refusal: command_not_found.
func (q *Queue) KeptOutput(ctx context.Context, d store.Device, commandID string) (Output, error) {
	o, _, err := q.outputOf(ctx, d, commandID, 0)
	return o, err
}

// outputOf returns the output of a command from the position since on, and the command's session.
func (q *Queue) outputOf(ctx context.Context, d store.Device, commandID string, since int) (o Output, sessionID string, err error) {
	s, r, err := q.readReport(ctx, d, commandID)
	if err != nil {
		return Output{}, "", err
	}
	from, text, err := q.readOutput(ctx, d, commandID, r, since)
	if err != nil {
		return Output{}, "", fmt.Errorf("reading the output of a command: %w", err)
	}
	return Output{Progress: r.progress(), Text: text, From: from, Complete: s.Status.Final()}, s.Session, nil
}

// report is the record of a report, as queue/lua/report.lua writes it.
type report struct {
	Seq     int      `json:"seq"`
	Missed  int      `json:"missed"`
	Percent *float64 `json:"percent"`
	Message string   `json:"message"`
	At      int64    `json:"at"`
	From    int      `json:"from"`
	Next    int      `json:"next"`
}

func (r report) progress() Progress {
	return Progress{
		Percent: r.Percent, Message: r.Message, Seq: r.Seq, Missed: r.Missed, ReportedAt: store.TimeOf(r.At), Next: r.Next,
	}
}

// readReport reads the state and the newest report of a command. The report is zero if there is
// none, or if it cannot be decoded.
func (q *Queue) readReport(ctx context.Context, d store.Device, id string) (s state, r report, err error) {
	if !store.OwnsID(d.Tenant, store.KindCommand, id) {
		return state{}, report{}, errCommandNotFound
	}
	fields, err := q.readFields(ctx, d, id, id+":progress")
	if err != nil {
		return state{}, report{}, fmt.Errorf("reading the progress of a command: %w", err)
	}
	if s, err = decodeState(fields.String(0)); err != nil {
		if fields.String(0) != "" {
			q.logSkipped(ctx, id, err)
		}
		return state{}, report{}, errCommandNotFound
	}
	if json.Unmarshal([]byte(fields.String(1)), &r) != nil {
		return s, report{}, nil
	}
	return s, r, nil
}

// readFields reads fields of the commands hash of a device.
func (q *Queue) readFields(ctx context.Context, d store.Device, names ...string) (fields store.Reply, err error) {
	err = q.store.Do(ctx, "read_progress", func(ctx context.Context, c store.Client) (err error) {
		fields, err = c.HMGet(ctx, d.CommandsKey(), names...).Result()
		return err
	})
	return fields, err
}

package queue

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate"
)

// Status is where a command stands in its life.
type Status string

// The states of a command. The last six are final, but for one thing: a result
// of the newest claim still turns TimedOut into what really happened.
const (
	PendingApproval Status = "pending_approval"
	Queued          Status = "queued"
	Claimed         Status = "claimed"
	Succeeded       Status = "succeeded"
	Failed          Status = "failed"
	TimedOut        Status = "timed_out"
	Rejected        Status = "rejected"
	Cancelled       Status = "cancelled"
	Expired         Status = "expired"
)

// Final tells whether the command has come to its end.
func (s Status) Final() bool {
	return s != PendingApproval && s != Queued && s != Claimed
}

// Command is a proposal that was accepted, and its progress. The proposal never changes.
type Command struct {
	Proposal // as it was accepted, without its IdempotencyKey, which is not kept

	ID       string
	DeviceID string
	Digest   string // of what a user approves, see Digest

	Status          Status
	Attempt         int // claims that counted
	CreatedAt       time.Time
	ApproveBy       time.Time // zero where no person is asked
	DeliverBy       time.Time
	ClaimedAt       time.Time // of the newest claim; zero before the first
	VisibleUntil    time.Time // end of the lease; zero unless claimed
	FinishedAt      time.Time // zero until then
	CancelRequested bool
	Late            bool // the result came after its lease had ended
	Approval        *fieldgate.Approval
	Attempts        []Attempt // its claims, the oldest first; the last twenty
	Result          *Result   // nil until the device has reported
}

// Attempt is one claim of a command.
type Attempt struct {
	Number    int
	ClaimedAt time.Time
	EndedAt   time.Time // zero while it lasts
	Outcome   string    // "released", "requeued", "timed_out", "succeeded", "failed" or "cancelled"
}

// Result is what a device reported.
type Result struct {
	Output     string          `json:"output,omitempty"`
	Error      string          `json:"error,omitempty"`
	Data       json.RawMessage `json:"data,omitempty"`
	ExecutedAt time.Time       `json:"executedAt,omitzero"` // by the device's own clock
	DurationMs int64           `json:"durationMs,omitempty"`
}

// state is the changing part of a command, as the scripts keep it. Moments are
// Unix milliseconds.
type state struct {
	Status    Status `json:"status"`
	Session   string `json:"session"`
	Priority  int    `json:"priority"`
	Max       int    `json:"max"`
	Created   int64  `json:"created"`
	DeliverBy int64  `json:"deliver_by"`
	ApproveBy int64  `json:"approve_by"`
	Attempt   int    `json:"attempt"`
	Queued    int64  `json:"queued"`
	Claimed   int64  `json:"claimed"`
	Visible   int64  `json:"visible"`
	Finished  int64  `json:"finished"`
	Cancel    bool   `json:"cancel"`
	Late      bool   `json:"late"`
	Request   string `json:"request"`
	Proposer  string `json:"proposer"`
	Approval  *struct {
		Decision string `json:"decision"`
		By       string `json:"by"`
		At       int64  `json:"at"`
		Reason   string `json:"reason"`
	} `json:"approval"`
	History []struct {
		Attempt int    `json:"attempt"`
		Claimed int64  `json:"claimed"`
		Ended   int64  `json:"ended"`
		Outcome string `json:"outcome"`
	} `json:"history"`
}

// body is the part of a command that no script looks into.
type body struct {
	Type       string          `json:"type"`
	Parameters json.RawMessage `json:"parameters"`
	Reason     string          `json:"reason,omitempty"`
	RetryOf    string          `json:"retryOf,omitempty"`
}

// record is a command as the store gives it. Without a result yet, that is empty.
type record struct {
	tenant, deviceID, id string
	state, body, result  string
}

func (r record) decode() (Command, error) {
	s, err := decodeState(r.state)
	if err != nil {
		return Command{}, err
	}
	return r.with(s)
}

// with puts the parts of a command together.
func (r record) with(s state) (Command, error) {
	var b body
	if err := json.Unmarshal([]byte(r.body), &b); err != nil {
		return Command{}, fmt.Errorf("reading the body of a command: %w", err)
	}
	c := Command{ID: r.id, DeviceID: r.deviceID, Proposal: s.proposal(b)}
	c.Tenant = r.tenant
	s.apply(&c)
	if r.result != "" {
		c.Result = new(Result)
		if err := json.Unmarshal([]byte(r.result), c.Result); err != nil {
			return Command{}, fmt.Errorf("reading a result: %w", err)
		}
	}
	var err error
	c.Digest, err = Digest(c)
	return c, err
}

func decodeState(raw string) (state, error) {
	var s state
	if err := json.Unmarshal([]byte(raw), &s); err != nil {
		return state{}, fmt.Errorf("reading the state of a command: %w", err)
	}
	return s, nil
}

// proposal returns what was proposed, except for its tenant.
func (s state) proposal(b body) Proposal {
	return Proposal{
		SessionID: s.Session, UserID: userID(s.Proposer), RequestID: s.Request,
		Type: b.Type, Parameters: b.Parameters, Reason: b.Reason, RetryOf: b.RetryOf,
		Priority: s.Priority, MaxAttempts: s.Max,
		DeliverWithin: time.Duration(s.DeliverBy-s.Created) * time.Millisecond,
	}
}

func (s state) apply(c *Command) {
	c.Status, c.Attempt = s.Status, s.Attempt
	c.CreatedAt, c.DeliverBy, c.ApproveBy = moment(s.Created), moment(s.DeliverBy), moment(s.ApproveBy)
	c.ClaimedAt, c.FinishedAt = moment(s.Claimed), moment(s.Finished)
	c.VisibleUntil = time.Time{}
	if s.Status == Claimed {
		c.VisibleUntil = moment(s.Visible)
	}
	c.CancelRequested, c.Late = s.Cancel, s.Late
	c.Approval = s.approval()
	c.Attempts = make([]Attempt, 0, len(s.History))
	for _, h := range s.History {
		c.Attempts = append(c.Attempts, Attempt{h.Attempt, moment(h.Claimed), moment(h.Ended), h.Outcome})
	}
}

func (s state) approval() *fieldgate.Approval {
	if s.Approval == nil {
		return nil
	}
	a := s.Approval
	return &fieldgate.Approval{Decision: a.Decision, DecidedBy: userID(a.By), DecidedAt: moment(a.At), Reason: a.Reason}
}

// moment reads Unix milliseconds; zero stays the zero time.
func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func userID(actor string) string { return strings.TrimPrefix(actor, "user:") }

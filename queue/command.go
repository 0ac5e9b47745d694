package queue

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/policy"
	"github.com/fieldgate/fieldgate/store"
)

// Status is the state of a command in its life cycle.
type Status string

// These are the states of a command. The last six are final, with one exception: a late result
// of the newest claim replaces TimedOut and Expired. It also replaces Cancelled if the user
// cancelled the command while it was claimed.
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

// Final reports whether a command in this state has ended.
func (s Status) Final() bool {
	return s != PendingApproval && s != Queued && s != Claimed
}

// Command is an accepted proposal and its progress. The proposal never changes.
type Command struct {
	Proposal // the accepted proposal; its IdempotencyKey is not kept and is empty

	ID       string
	DeviceID string
	Digest   string // digest that a user approves; see the function Digest

	// Statement is the complete description of the command, as it was stored at the proposal. It is
	// empty for a command without one, and if Parameters are omitted.
	Statement json.RawMessage

	// PolicyVersion and Rule identify the rule that applied to the proposal, and Needs is what it requires
	// of an approval. Needs is nil if the rule requires none. All are empty for a command without a
	// statement.
	PolicyVersion string
	Rule          string
	Needs         *policy.Requirement

	Status          Status
	Attempt         int // number of claims, excluding released ones
	CreatedAt       time.Time
	ApproveBy       time.Time // deadline for the decision; zero if no approval is needed
	Required        int       // number of users who must approve; zero if no approval is needed
	DeliverBy       time.Time
	ClaimedAt       time.Time // time of the newest claim; zero before the first claim
	VisibleUntil    time.Time // end of the lease; zero if the command is not claimed
	FinishedAt      time.Time // zero before the command has ended
	SetAsideAt      time.Time // time at which the command was set aside, so that it does not run; zero otherwise, and after its end
	CancelRequested bool
	Late            bool                // the result arrived after the lease had ended
	Approval        *fieldgate.Approval // the decision that ended the wait; nil before
	Votes           []Vote              // all votes, also that of Approval, the oldest first
	BreakGlass      *BreakGlass         // nil unless an admin has approved the command alone
	Attempts        []Attempt           // the last twenty claims, the oldest first
	Result          *Result             // nil before the device has submitted one

	// OtherResult is a result that was refused because the command had ended with another one. It
	// is nil if there is none, and in lists.
	OtherResult *OtherResult

	ParametersOmitted bool // Parameters is {}, because lists omit large parameters
	ResultOmitted     bool // the command has a result, but Result is nil because lists omit results
}

// Attempt describes one claim of a command.
type Attempt struct {
	Number    int
	ClaimedAt time.Time
	EndedAt   time.Time // end of the claim; zero if the claim has not ended
	Outcome   string    // how the claim ended: "released", "requeued", "timed_out", "succeeded", "failed" or "cancelled"
}

// Result holds the output of a command, as the device submitted it.
type Result struct {
	Output     string          `json:"output,omitempty"`
	Error      string          `json:"error,omitempty"`
	Data       json.RawMessage `json:"data,omitempty"`
	ExecutedAt time.Time       `json:"executedAt,omitzero"` // time of execution, by the device's own clock
	DurationMs int64           `json:"durationMs,omitempty"`
}

// state is the part of a command's record that the scripts read and write. Times are in
// Unix milliseconds; zero means not set.
type state struct {
	Status    Status          `json:"status"`
	Session   string          `json:"session"`
	Priority  int             `json:"priority"`
	Max       int             `json:"max"`
	Created   int64           `json:"created"`
	DeliverBy int64           `json:"deliver_by"`
	ApproveBy int64           `json:"approve_by"`
	Attempt   int             `json:"attempt"`
	Claims    int             `json:"claims"`
	Queued    int64           `json:"queued"`
	First     int64           `json:"first"`
	Claimed   int64           `json:"claimed"`
	Visible   int64           `json:"visible"`
	Finished  int64           `json:"finished"`
	Cancel    bool            `json:"cancel"`
	Token     string          `json:"token"` // hash of the newest claim token
	Late      bool            `json:"late"`
	Returned  bool            `json:"returned"` // the newest claim was taken back
	Request   string          `json:"request"`
	Proposer  string          `json:"proposer"`
	Name      string          `json:"proposer_name"`
	Email     string          `json:"proposer_email"`
	Trace     string          `json:"trace"`
	Result    string          `json:"result"`   // fingerprint of the result; empty before the device has submitted one
	Digest    string          `json:"digest"`   // empty in a record of an older release, which stored no digest
	MAC       string          `json:"mac"`      // authenticates what the proposal has set; empty in a record of an older release
	Bytes     int64           `json:"bytes"`    // counted towards the stored bytes of the tenant; zero in a record of an older release
	Required  int             `json:"required"` // number of users who must approve, if it is more than one
	Approval  *approvalState  `json:"approval"`
	Votes     []approvalState `json:"votes"` // the approvals before that of Approval
	Glass     *glassState     `json:"glass"`
	History   []attemptState  `json:"history"`
}

// approvalState is the decision in a state, or an approval before it.
type approvalState struct {
	Decision string `json:"decision"` // empty in an approval that did not end the wait
	By       string `json:"by"`
	Name     string `json:"name"`
	Email    string `json:"email"`
	At       int64  `json:"at"`
	Reason   string `json:"reason"`
	AAL      string `json:"aal"`     // assurance level of the sign-in, if the rule has conditions
	Roles    string `json:"roles"`   // names of the roles of the user, joined by spaces, if the rule has conditions
	Age      int64  `json:"age"`     // age of the sign-in in ms, at least 1, if the rule has conditions and the token says it
	Passkey  string `json:"passkey"` // assertion of the passkey that has signed it, as passkey.Assertion.String returns it
	Glass    bool   `json:"glass"`   // an admin has approved alone
	MAC      string `json:"mac"`
}

// glassState is the mark of a command in a state that an admin has approved alone.
type glassState struct {
	By            string `json:"by"`
	Name          string `json:"name"`
	Email         string `json:"email"`
	At            int64  `json:"at"`
	Reason        string `json:"reason"`
	Reviewer      string `json:"reviewer"` // empty until another user has reviewed it
	ReviewerName  string `json:"reviewer_name"`
	ReviewerEmail string `json:"reviewer_email"`
	Reviewed      int64  `json:"reviewed"`
	Comment       string `json:"comment"`
	MAC           string `json:"mac"`        // see record.marked
	ReviewMAC     string `json:"review_mac"` // see record.reviewed
}

// attemptState is a claim in a state.
type attemptState struct {
	Attempt int    `json:"attempt"`
	Claimed int64  `json:"claimed"`
	Ended   int64  `json:"ended"`
	Outcome string `json:"outcome"`
}

// body is the part of a command's record that the scripts do not read.
type body struct {
	Type       string          `json:"type"`
	Parameters json.RawMessage `json:"parameters"`
	Reason     string          `json:"reason,omitempty"`
	RetryOf    string          `json:"retryOf,omitempty"`

	// Policy is the rule of a statement. A body without a statement has none.
	Policy *statedPolicy `json:"policy,omitempty"`

	// Omitted reports whether this is the head of a body, without the parameters.
	Omitted bool `json:"omitted,omitempty"`
}

// storedBody is a body as it is read: also the members of a statement that a Command has.
type storedBody struct {
	body
	Stated struct {
		Kind string `json:"kind"`
	} `json:"proposer"`
}

// record is a command as it is stored. Its result is empty until the device submits one.
type record struct {
	tenant, deviceID, id string
	state, body, result  string
	other                string // the result that was refused; empty if there is none, and in lists
	aside                string // time in Unix ms at which the command was set aside; empty if it was not
}

// decode decodes a record for a reader, without the votes that no user has made.
func (q *Queue) decode(r record) (Command, error) {
	s, err := decodeState(r.state)
	if err != nil {
		return Command{}, err
	}
	return r.command(q.withoutForgeries(r, s))
}

// command decodes the body and the result and joins them with the decoded state.
func (r record) command(s state) (Command, error) {
	var b storedBody
	if err := json.Unmarshal([]byte(r.body), &b); err != nil {
		return Command{}, fmt.Errorf("decoding the body of a command: %w", err)
	}
	c := Command{ID: r.id, DeviceID: r.deviceID, Proposal: s.proposal(b.body)}
	c.Tenant, c.ParametersOmitted, c.ByProgram = r.tenant, b.Omitted, b.Stated.Kind == kindProgram
	if isStatement(r.body) {
		c.Statement = json.RawMessage(r.body)
	}
	if b.Policy != nil {
		c.PolicyVersion, c.Rule, c.Needs = b.Policy.Version, b.Policy.Rule, b.Policy.requirement()
	}
	s.apply(&c)
	if r.aside != "" && !s.Status.Final() {
		c.SetAsideAt = store.ParseTime(r.aside)
	}
	if r.result != "" {
		c.Result = new(Result)
		if err := json.Unmarshal([]byte(r.result), c.Result); err != nil {
			return Command{}, fmt.Errorf("decoding the result of a command: %w", err)
		}
	}
	var err error
	if c.OtherResult, err = decodeOther(r.other); err != nil {
		return Command{}, err
	}
	err = setDigest(&c, s, b.body)
	return c, err
}

// setDigest sets the digest of c. It computes the digest only if the record has none.
func setDigest(c *Command, s state, b body) (err error) {
	switch {
	case s.Digest != "":
		c.Digest = s.Digest
	case b.Omitted:
		err = errNoDigest
	default:
		c.Digest, err = Digest(*c)
	}
	return err
}

var errNoDigest = errors.New("a command has neither a digest nor the parameters to compute it from")

// listed decodes a record for a list, like decode. It omits large parameters and the result.
func (q *Queue) listed(r record) (Command, error) {
	s, err := decodeState(r.state)
	if err != nil {
		return Command{}, err
	}
	c, err := r.command(q.withoutForgeries(r, s))
	if len(c.Parameters) > maxListedParameters {
		c.Parameters, c.ParametersOmitted, c.Statement = noParameters, true, nil
	}
	c.ResultOmitted = s.Result != ""
	return c, err
}

// decodeState decodes a state in JSON or a packed one.
func decodeState(raw string) (state, error) {
	if isPacked(raw) {
		s, parsed := parsePacked(raw)
		if !parsed {
			return state{}, errState
		}
		return s, nil
	}
	s, parsed := parseState(raw)
	if parsed {
		return s, nil
	}
	s = state{}
	if err := json.Unmarshal([]byte(raw), &s); err != nil {
		return state{}, fmt.Errorf("decoding the state of a command: %w", err)
	}
	return s, nil
}

var errState = errors.New("decoding the state of a command: it is neither JSON nor a packed state")

// proposal returns the command's proposal, without its tenant.
func (s state) proposal(b body) Proposal {
	return Proposal{
		SessionID: s.Session, UserID: store.ActorID(s.Proposer), Names: fieldgate.Names{Name: s.Name, Email: s.Email}, RequestID: s.Request, Traceparent: s.Trace,
		Type: b.Type, Parameters: b.Parameters, Reason: b.Reason, RetryOf: b.RetryOf,
		Priority: s.Priority, MaxAttempts: s.Max,
		DeliverWithin: time.Duration(s.DeliverBy-s.Created) * time.Millisecond,
	}
}

// apply copies to c the fields of s that change during the life of a command.
func (s state) apply(c *Command) {
	c.Status, c.Attempt = s.Status, s.Attempt
	c.CreatedAt, c.DeliverBy, c.ApproveBy = store.TimeOf(s.Created), store.TimeOf(s.DeliverBy), store.TimeOf(s.ApproveBy)
	c.ClaimedAt, c.FinishedAt = store.TimeOf(s.Claimed), store.TimeOf(s.Finished)
	c.VisibleUntil = time.Time{}
	if s.Status == Claimed {
		c.VisibleUntil = store.TimeOf(s.Visible)
	}
	c.CancelRequested, c.Late = s.Cancel, s.Late
	c.Approval, c.Votes, c.BreakGlass = s.approval(), s.votes(), s.breakGlass()
	if c.Required = 0; s.ApproveBy != 0 {
		c.Required = s.requires()
	}
	c.Attempts = make([]Attempt, 0, len(s.History))
	for _, h := range s.History {
		c.Attempts = append(c.Attempts, Attempt{h.Attempt, store.TimeOf(h.Claimed), store.TimeOf(h.Ended), h.Outcome})
	}
}

func (s state) approval() *fieldgate.Approval {
	if s.Approval == nil {
		return nil
	}
	a := s.Approval
	return &fieldgate.Approval{
		Decision: a.Decision, DecidedBy: store.ActorID(a.By), Names: fieldgate.Names{Name: a.Name, Email: a.Email},
		DecidedAt: store.TimeOf(a.At), Reason: a.Reason,
	}
}

package model

import (
	"fmt"
	"maps"
	"slices"
)

// Kind is what happens.
type Kind string

// What may happen to a device and its commands.
const (
	Open         Kind = "open"         // a session; Span
	Close        Kind = "close"        // Session
	Propose      Kind = "propose"      // Session, By, Review, Priority, Max, Span (to be delivered in), Key
	Approve      Kind = "approve"      // Command, By, Sole
	Reject       Kind = "reject"       // Command, By
	Cancel       Kind = "cancel"       // Command
	Claim        Kind = "claim"        // Limit, Span (of the leases), Key
	Extend       Kind = "extend"       // Command, Token, Span
	Release      Kind = "release"      // Command, Token
	SubmitResult Kind = "report"       // Command, Token, Result, Content
	Suspend      Kind = "suspend"      //
	Resume       Kind = "resume"       //
	Decommission Kind = "decommission" //
	Sweep        Kind = "sweep"        // whatever is due is settled
	Elapse       Kind = "pass"         // Span: time passes, and nothing looks
)

// Event is one thing that happens. Its kind says which fields it uses.
type Event struct {
	Kind     Kind
	Session  string
	Command  string
	By       string
	Token    string
	Key      string // Idempotency-Key
	Span     int64
	Limit    int
	Priority int
	Max      int
	Review   bool
	Sole     bool // nobody else could decide
	Result   Status
	Content  string
}

// Answer is what the caller of an event is told.
type Answer struct {
	Code      string // "ok" or the code of the refusal
	ID        string // of the session or command that was made
	Status    Status // of the command, or of the session that was closed
	Attempt   int
	Leases    []Lease
	Until     int64 // of an extended lease
	Cancel    bool  // the device should stop
	Late      bool
	Duplicate bool
}

// Lease is a command as it was handed out.
type Lease struct {
	Command string
	Token   string
	Attempt int
	Until   int64
}

// Model is the queue of one device.
type Model struct {
	state  State
	proofs map[string]proof // by Idempotency-Key
}

// proof is what is remembered of a request with an Idempotency-Key.
type proof struct {
	event  Event
	answer Answer
	until  int64
}

// New is an active device without a session.
func New(now int64) *Model {
	return &Model{
		state:  State{Now: now, Device: "active", Sessions: map[string]Session{}, Commands: map[string]Command{}},
		proofs: map[string]proof{},
	}
}

// State gives the device as it ought to be now. It does not change any more.
func (m *Model) State() State {
	s := m.state
	s.Sessions, s.Commands = maps.Clone(s.Sessions), maps.Clone(s.Commands)
	s.Index = s.indexed()
	return s
}

// Apply lets something happen and gives what its caller is told.
func (m *Model) Apply(e Event) Answer {
	apply := map[Kind]func(Event) Answer{
		Open: m.open, Close: m.close, Propose: m.propose, Approve: m.decide, Reject: m.decide, Cancel: m.cancel,
		Claim: m.claim, Extend: m.extend, Release: m.release, SubmitResult: m.report,
		Suspend: m.suspend, Resume: m.resume, Decommission: m.decommission, Sweep: m.sweep, Elapse: m.pass,
	}[e.Kind]
	if apply == nil {
		panic(fmt.Sprintf("the model knows no event %q", e.Kind))
	}
	return apply(e)
}

// recall gives what was answered under the event's key: nil when nothing is
// remembered, a refusal when it was another request.
func (m *Model) recall(e Event) *Answer {
	kept, found := m.proofs[string(e.Kind)+e.Key]
	if e.Key == "" || !found || kept.until <= m.state.Now {
		return nil
	}
	if kept.event != e {
		return &Answer{Code: "idempotency_key_reused"}
	}
	return &kept.answer
}

func (m *Model) remember(e Event, a Answer, until int64) {
	if e.Key != "" {
		m.proofs[string(e.Kind)+e.Key] = proof{e, a, until}
	}
}

// keep stores a command with what has happened to it.
func (m *Model) keep(c Command, events ...string) Command {
	c.Timeline = append(slices.Clip(c.Timeline), events...)
	m.state.Commands[c.ID] = c
	return c
}

func ok() Answer { return Answer{Code: "ok"} }

// told is an answer that carries where the command stands.
func told(code string, c Command) Answer {
	return Answer{Code: code, Status: c.Status, Attempt: c.Attempt}
}

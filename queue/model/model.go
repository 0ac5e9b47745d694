// Package model is an executable specification of the queue of one device, without a store. It
// keeps the states of the commands, applies operations and computes the response to each
// operation. The property test of package queue applies the same operations to the model and
// to the scripts, and compares the results. The history test uses the types of this package to
// check concurrent operations.
package model

import (
	"fmt"
	"maps"
	"slices"
)

// Kind is the kind of an operation.
type Kind string

// These are the kinds of operations. Each comment describes the operation and names the fields
// of Operation that it uses. Operations on sessions and devices stand for calls of the
// packages session and device. All others, except for Elapse, stand for methods of
// queue.Queue.
const (
	Open         Kind = "open"         // opens a session that lasts Span
	Close        Kind = "close"        // closes the session Session
	SetPolicy    Kind = "setPolicy"    // replaces the policy; uses Policy
	Propose      Kind = "propose"      // proposes a command; uses Session, UserID, Type, Priority, MaxAttempts, Key, and Span (time until the delivery deadline)
	Approve      Kind = "approve"      // approves a command; uses Command, UserID and SoleUser
	Reject       Kind = "reject"       // rejects a command; uses Command and UserID
	BreakGlass   Kind = "breakGlass"   // approves a command without other users; uses Command and UserID
	Withdraw     Kind = "withdraw"     // takes back an approval; uses Command and UserID
	Cancel       Kind = "cancel"       // cancels the command Command
	Claim        Kind = "claim"        // claims commands; uses Limit, Key, Instance, and Span (length of the leases)
	Extend       Kind = "extend"       // extends a lease; uses Command, Token, and Span (time from now to the lease's new end)
	Progress     Kind = "progress"     // reports progress, which changes nothing; uses Command, Token and Seq
	Release      Kind = "release"      // releases a claim; uses Command and Token
	SubmitResult Kind = "submitResult" // submits a result; uses Command, Token, Status, Output, and Next with Span (length of the next lease)
	Resolve      Kind = "resolve"      // ends the conflict of the device's instances: the newest is right
	Suspend      Kind = "suspend"      // suspends the device
	Resume       Kind = "resume"       // ends the suspension of the device
	Decommission Kind = "decommission" // decommissions the device
	Settle       Kind = "settle"       // applies all deadlines that have passed, as the sweeper does
	Elapse       Kind = "elapse"       // advances the clock by Span; applies no deadline
)

// Operation is one call by a user, a device or the sweeper, or the passing of time. Times
// are in milliseconds.
type Operation struct {
	Kind        Kind
	Session     string
	Command     string
	UserID      string
	Token       string
	Key         string // Idempotency-Key
	Instance    string // instance of the device that claims; may be empty
	Span        int64
	Limit       int
	Priority    int
	MaxAttempts int
	Type        Type
	Policy      Policy
	SoleUser    bool   // the tenant has no other user
	Status      Status // status of a submitted result
	Output      string // output of a submitted result
	Next        bool   // the result claims the next command
	Seq         int    // number of a report of progress
}

// Response is the reply to an operation.
type Response struct {
	Code            string // "ok" or the code of the refusal
	ID              string // id of the session or command that was created
	Status          Status // status of the command, or of the closed session
	Attempt         int
	Leases          []Lease
	VisibleUntil    int64 // end of an extended lease
	CancelRequested bool
	Late            bool
	Duplicate       bool
}

// Lease is one command in the response to a claim, or to a result that claims the next command.
type Lease struct {
	Command      string
	Token        string
	Attempt      int
	VisibleUntil int64
}

// Model simulates the queue of one device.
type Model struct {
	state     State
	requests  map[string]request // requests with an Idempotency-Key, by kind and key
	instances []string           // instances of the device that have claimed
}

// request is a request with an Idempotency-Key, and its response.
type request struct {
	operation Operation
	response  Response
	until     int64 // time at which the model forgets the request
}

// New returns the model of an active device without a session. The clock starts at now, which
// must not be zero.
func New(now int64) *Model {
	return &Model{
		state:    State{Now: now, Device: "active", Sessions: map[string]Session{}, Commands: map[string]Command{}},
		requests: map[string]request{},
	}
}

// State returns a copy of the expected state of the device.
func (m *Model) State() State {
	s := m.state
	s.Sessions, s.Commands = maps.Clone(s.Sessions), maps.Clone(s.Commands)
	s.Index = s.expectedIndex()
	return s
}

// Apply applies an operation and returns its response. It panics for an unknown kind.
func (m *Model) Apply(op Operation) Response {
	apply := map[Kind]func(Operation) Response{
		Open: m.open, Close: m.close, SetPolicy: m.setPolicy, Propose: m.propose, Approve: m.decide, Reject: m.decide, BreakGlass: m.decide, Withdraw: m.withdraw, Cancel: m.cancel,
		Claim: m.claim, Extend: m.extend, Progress: m.progress, Release: m.release, SubmitResult: m.submitResult,
		Resolve: m.resolve, Suspend: m.suspend, Resume: m.resume, Decommission: m.decommission, Settle: m.settleDue, Elapse: m.elapse,
	}[op.Kind]
	if apply == nil {
		panic(fmt.Sprintf("the model has no operation %q", op.Kind))
	}
	return apply(op)
}

// recall returns the response that the model remembers for the operation's key. It returns nil
// if there is none, and a refusal if the key belongs to another request.
func (m *Model) recall(op Operation) *Response {
	kept, found := m.requests[string(op.Kind)+op.Key]
	if op.Key == "" || !found || kept.until <= m.state.Now {
		return nil
	}
	if kept.operation != op {
		return &Response{Code: "idempotency_key_reused"}
	}
	return &kept.response
}

// remember stores the response r for the operation's key. The model forgets r when its clock
// reaches forgetAt. For an operation without a key it does nothing.
func (m *Model) remember(op Operation, r Response, forgetAt int64) {
	if op.Key != "" {
		m.requests[string(op.Kind)+op.Key] = request{op, r, forgetAt}
	}
}

// save stores the command c and appends events to its timeline.
func (m *Model) save(c Command, events ...string) Command {
	c.Timeline = append(slices.Clip(c.Timeline), events...)
	m.state.Commands[c.ID] = c
	return c
}

func ok() Response { return Response{Code: "ok"} }

// respond returns a response with code and the state of the command c.
func respond(code string, c Command) Response {
	return Response{Code: code, Status: c.Status, Attempt: c.Attempt}
}

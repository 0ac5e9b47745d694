// Package model is the life of a command without a store: its states, what may
// happen to them, what is answered, and what must be true whatever happens. It
// is what the scripts of package queue are held against, one operation at a time
// and many at once.
package model

// Invariant is the name of a promise that no sequence of operations, failures
// and clocks may break. The same names stand in the tests, in the guarantees
// that are published and in the metric that counts violations.
type Invariant string

// The promises of the queue.
const (
	// NothingLost: a command that was accepted is kept, for as long as its
	// retention, in exactly the one structure that its status belongs to: the
	// line, the inbox, the leases, or none once it has ended.
	NothingLost Invariant = "nothingLost"

	// NothingForgotten: whatever time will change, and has not yet, has an entry in the
	// due index that is not later than the moment of the change.
	NothingForgotten Invariant = "nothingForgotten"

	// NoDoubleLease: a command has one lease at a time; the next begins only when
	// the one before it has ended, was given back, or ran out.
	NoDoubleLease Invariant = "noDoubleLease"

	// NoUnapprovedClaim: a command that asks for a person is neither in the line
	// nor handed out without that person's approval.
	NoUnapprovedClaim Invariant = "noUnapprovedClaim"

	// DecidedOnce: a decision, once recorded, never changes, and who proposed a
	// command does not approve it where other people could.
	DecidedOnce Invariant = "decidedOnce"

	// NothingAfterItsSession: a command is not handed out once its session is over,
	// its device is out of service or suspended, or its delivery time has passed.
	NothingAfterItsSession Invariant = "nothingAfterItsSession"

	// FinishedIsFinal: a command that has ended never runs again, and only the
	// result of its newest claim corrects what time had made of it.
	FinishedIsFinal Invariant = "finishedIsFinal"

	// OneResult: one result stands; the same one may be sent again, another one
	// changes nothing.
	OneResult Invariant = "oneResult"

	// AttemptsBounded: a command is handed out at most as often as its proposal
	// allows; what was given back counts towards a bound of its own.
	AttemptsBounded Invariant = "attemptsBounded"

	// ExecutionCapped: no lease lasts beyond 12 h from the first claim that counts.
	ExecutionCapped Invariant = "executionCapped"

	// FIFOWithinPriority: what is handed out is what stands first: by priority,
	// within a priority by the order of the proposals, also after a lease has run out.
	FIFOWithinPriority Invariant = "fifoWithinPriority"

	// TokenFences: only the newest claim's token extends, releases or finishes a
	// command; any other changes nothing but what time had already ended.
	TokenFences Invariant = "tokenFences"

	// CancelIsHeard: once somebody wants a claimed command cancelled, its device can
	// tell so for as long as it holds the claim, and the command is not run again.
	CancelIsHeard Invariant = "cancelIsHeard"

	// ReadyIsBounded: no proposal is accepted while the line, or for one under
	// review the inbox, of its device is full.
	ReadyIsBounded Invariant = "readyIsBounded"

	// EverythingIsTold: every change of a command's status is an event in the timeline,
	// once, in the order in which it happened, and nothing else is.
	EverythingIsTold Invariant = "everythingIsTold"
)

// Invariants lists all of them, in the order of a command's life.
func Invariants() []Invariant {
	return []Invariant{
		NothingLost, NothingForgotten, NoDoubleLease, NoUnapprovedClaim, DecidedOnce,
		NothingAfterItsSession, FinishedIsFinal, OneResult, AttemptsBounded, ExecutionCapped,
		FIFOWithinPriority, TokenFences, CancelIsHeard, ReadyIsBounded, EverythingIsTold,
	}
}

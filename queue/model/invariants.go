// Package model is an executable specification of the queue of one device. It has no store:
// it holds the states of the commands, applies operations to them and computes the
// response of each. The property test of package queue applies the same operations to the
// model and to the scripts and compares the results. The test of histories uses its words
// to check concurrent operations.
package model

// Invariant names a condition that holds after every sequence of operations and failures,
// and whatever the clocks do. The published guarantees, the tests and the metric of
// violations use the same names.
type Invariant string

// The invariants of the queue.
const (
	// NothingLost: an accepted command is kept until its retention ends. It is in exactly
	// the one index that belongs to its status: the ready queue, the pending approvals or
	// the leases. A command that has ended is in none of them.
	NothingLost Invariant = "nothingLost"

	// NothingForgotten: a command or session that a deadline will change has an entry in
	// the due index, no later than that deadline.
	NothingForgotten Invariant = "nothingForgotten"

	// NoDoubleLease: a command has at most one lease. The next one begins only after the
	// one before it has ended, was released or has expired.
	NoDoubleLease Invariant = "noDoubleLease"

	// NoUnapprovedClaim: a command that needs approval is neither ready nor claimed before
	// a user has approved it.
	NoUnapprovedClaim Invariant = "noUnapprovedClaim"

	// DecidedOnce: a recorded decision never changes. A user does not approve a command of
	// their own in a tenant that has other users.
	DecidedOnce Invariant = "decidedOnce"

	// NothingAfterItsSession: a command is not claimed once its session has ended, its
	// device is suspended or decommissioned, or its delivery deadline has passed.
	NothingAfterItsSession Invariant = "nothingAfterItsSession"

	// FinishedIsFinal: a command that has ended never runs again. Only the result of its
	// newest claim replaces a status that a deadline has set.
	FinishedIsFinal Invariant = "finishedIsFinal"

	// OneResult: the first result stands. The same result may be submitted again; another
	// one changes nothing.
	OneResult Invariant = "oneResult"

	// AttemptsBounded: a command is claimed at most as often as its proposal allows.
	// Released claims do not count as attempts, but have a limit of their own.
	AttemptsBounded Invariant = "attemptsBounded"

	// ExecutionCapped: no lease ends later than 12 h after the first claim that counts.
	ExecutionCapped Invariant = "executionCapped"

	// FIFOWithinPriority: a claim takes the first ready command: the one of the highest
	// priority and, within a priority, the one that was proposed first. A command whose
	// lease has expired returns to its old position.
	FIFOWithinPriority Invariant = "fifoWithinPriority"

	// TokenFences: only the token of the newest claim extends the lease, releases the
	// claim or records a result. Any other token changes nothing, except that deadlines
	// that have passed are applied.
	TokenFences Invariant = "tokenFences"

	// CancelIsHeard: after a user has cancelled a claimed command, its device can learn of
	// it for as long as it holds the claim, and the command is not run again.
	CancelIsHeard Invariant = "cancelIsHeard"

	// ReadyIsBounded: no proposal is accepted while the device has the maximum number of
	// ready commands or, for a command that needs approval, of pending ones.
	ReadyIsBounded Invariant = "readyIsBounded"

	// EverythingIsTold: every change of a command's status is an event in the timeline,
	// once and in the order of the changes, and there are no other events.
	EverythingIsTold Invariant = "everythingIsTold"
)

// Invariants returns all invariants, in the order of a command's life cycle.
func Invariants() []Invariant {
	return []Invariant{
		NothingLost, NothingForgotten, NoDoubleLease, NoUnapprovedClaim, DecidedOnce,
		NothingAfterItsSession, FinishedIsFinal, OneResult, AttemptsBounded, ExecutionCapped,
		FIFOWithinPriority, TokenFences, CancelIsHeard, ReadyIsBounded, EverythingIsTold,
	}
}

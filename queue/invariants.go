package queue

import "github.com/fieldgate/fieldgate/store"

// The invariants of commands, besides those of all records in package store.
const (
	// NoDoubleLease: a command has at most one lease. The next one begins only after the
	// one before it has ended, was released or has expired.
	NoDoubleLease store.Invariant = "noDoubleLease"

	// NoUnapprovedClaim: a command that needs approval is neither ready nor claimed before
	// a user has approved it.
	NoUnapprovedClaim store.Invariant = "noUnapprovedClaim"

	// DecidedOnce: a recorded decision never changes. A user does not approve a command of
	// their own in a tenant that has other users.
	DecidedOnce store.Invariant = "decidedOnce"

	// NothingAfterItsSession: a command is not claimed once its session has ended, its
	// device is suspended or decommissioned, or its delivery deadline has passed.
	NothingAfterItsSession store.Invariant = "nothingAfterItsSession"

	// FinishedIsFinal: a command that has ended never runs again. Only the result of its
	// newest claim replaces a status that a deadline has set.
	FinishedIsFinal store.Invariant = "finishedIsFinal"

	// OneResult: the first result stands. The same result may be submitted again; another
	// one changes nothing.
	OneResult store.Invariant = "oneResult"

	// AttemptsBounded: a command is claimed at most as often as its proposal allows.
	// Released claims do not count as attempts, but have a limit of their own.
	AttemptsBounded store.Invariant = "attemptsBounded"

	// ExecutionCapped: no lease ends later than 12 h after the first claim that counts.
	ExecutionCapped store.Invariant = "executionCapped"

	// FIFOWithinPriority: a claim takes the first ready command: the one of the highest
	// priority and, within a priority, the one that was proposed first. A command whose
	// lease has expired returns to its old position.
	FIFOWithinPriority store.Invariant = "fifoWithinPriority"

	// TokenFences: only the token of the newest claim extends the lease, releases the
	// claim or records a result. Any other token changes nothing, except that deadlines
	// that have passed are applied.
	TokenFences store.Invariant = "tokenFences"

	// CancelIsHeard: after a user has cancelled a claimed command, its device can learn of
	// it for as long as it holds the claim, and the command is not run again.
	CancelIsHeard store.Invariant = "cancelIsHeard"

	// ReadyIsBounded: no proposal is accepted while the device has the maximum number of
	// ready commands or, for a command that needs approval, of pending ones.
	ReadyIsBounded store.Invariant = "readyIsBounded"

	// EverythingIsTold: every change of a command's status is an event in the timeline,
	// once and in the order of the changes, and there are no other events.
	EverythingIsTold store.Invariant = "everythingIsTold"
)

// Invariants returns all invariants, in the order of a command's life cycle.
func Invariants() []store.Invariant {
	return []store.Invariant{
		store.NothingLost, store.NothingForgotten, NoDoubleLease, NoUnapprovedClaim, DecidedOnce,
		NothingAfterItsSession, FinishedIsFinal, OneResult, AttemptsBounded, ExecutionCapped,
		FIFOWithinPriority, TokenFences, CancelIsHeard, ReadyIsBounded, EverythingIsTold,
	}
}

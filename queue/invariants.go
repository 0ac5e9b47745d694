package queue

import "github.com/fieldgate/fieldgate/store"

// These are the invariants of commands. Package store has the invariants of all records.
const (
	// NoDoubleLease: a command has at most one lease at a time. The next lease begins
	// only after the previous one was released, has ended or has expired.
	NoDoubleLease store.Invariant = "noDoubleLease"

	// NoUnapprovedClaim: a command that needs approval is neither ready nor claimed before as many
	// users have approved it as its rule requires, or an admin alone where the rule allows it.
	NoUnapprovedClaim store.Invariant = "noUnapprovedClaim"

	// StrictestRuleHolds: a device gets, and a user approves, only what the policy as it is then lets run,
	// whatever the policy was at the proposal. A policy that has become looser lets nothing run that lacks
	// the approvals of the statement.
	StrictestRuleHolds store.Invariant = "strictestRuleHolds"

	// ApprovedIsWhatRuns: what a device claims is what was proposed and, if it needed approval,
	// approved. A command whose record was changed in the store is set aside.
	ApprovedIsWhatRuns store.Invariant = "approvedIsWhatRuns"

	// VotesAreDistinct: where several users must approve, each has one vote, and the proposer has none.
	VotesAreDistinct store.Invariant = "votesAreDistinct"

	// DecidedOnce: a recorded decision never changes, unless an approval is withdrawn before the claim, or
	// a stricter policy needs more of them. In a tenant with several users, no
	// user approves a command that they proposed themselves.
	DecidedOnce store.Invariant = "decidedOnce"

	// NothingAfterItsSession: no command is claimed after its session has ended, after its
	// device was suspended or decommissioned, or after its delivery deadline.
	NothingAfterItsSession store.Invariant = "nothingAfterItsSession"

	// FinishedIsFinal: a command that has ended never runs again. Its status changes only if a
	// deadline has set the status and the newest claim then submits a result.
	FinishedIsFinal store.Invariant = "finishedIsFinal"

	// OneResult: the first recorded result never changes. The same result may be
	// submitted again. A different result changes nothing.
	OneResult store.Invariant = "oneResult"

	// AttemptsBounded: a command is claimed at most as often as its proposal allows. Released
	// claims do not count as attempts, but have a separate limit.
	AttemptsBounded store.Invariant = "attemptsBounded"

	// ExecutionCapped: no lease ends later than 12 h after the first claim that was not
	// released.
	ExecutionCapped store.Invariant = "executionCapped"

	// FIFOWithinPriority: a claim takes the ready command with the highest priority. Among
	// commands of equal priority it takes the one that was proposed first. A command whose
	// lease has expired returns to its old position in the queue.
	FIFOWithinPriority store.Invariant = "fifoWithinPriority"

	// TokenFences: only the token of the newest claim extends the lease, releases the claim or
	// records a result. A call with any other token only applies the deadlines that have
	// passed.
	TokenFences store.Invariant = "tokenFences"

	// HeldUntilResolved: while two instances of a device use its identity, no command that
	// needed approval is claimed. It was approved for one machine.
	HeldUntilResolved store.Invariant = "heldUntilResolved"

	// CancelIsHeard: after a user has cancelled a claimed command, the device can read the
	// cancellation for as long as it holds the claim. The command does not run again.
	CancelIsHeard store.Invariant = "cancelIsHeard"

	// ReadyIsBounded: no proposal is accepted while the device has the maximum number of
	// ready commands. A proposal that needs approval is not accepted while the device has
	// the maximum number of pending commands.
	ReadyIsBounded store.Invariant = "readyIsBounded"

	// EverythingIsTold: every change of a command's status has exactly one event in the
	// timeline, in the order of the changes. There are no other events.
	EverythingIsTold store.Invariant = "everythingIsTold"
)

// Invariants returns all invariants, in the order of a command's life cycle.
func Invariants() []store.Invariant {
	return []store.Invariant{
		store.NothingLost, store.NothingForgotten, NoDoubleLease, NoUnapprovedClaim, StrictestRuleHolds, VotesAreDistinct, ApprovedIsWhatRuns, DecidedOnce,
		NothingAfterItsSession, HeldUntilResolved, FinishedIsFinal, OneResult, AttemptsBounded, ExecutionCapped,
		FIFOWithinPriority, TokenFences, CancelIsHeard, ReadyIsBounded, EverythingIsTold,
	}
}

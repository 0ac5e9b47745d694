package model

import (
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"

	"cmp"
	"reflect"
	"slices"
)

// Step is one operation with its response, and with the states before and after the operation.
// The states come from a model or were read from a store.
type Step struct {
	Before, After State
	Operation     Operation
	Response      Response
}

// Violations returns the invariants that the step s violates.
func Violations(s Step) (violated []store.Invariant) {
	for _, name := range queue.Invariants() {
		if !checks()[name](s) {
			violated = append(violated, name)
		}
	}
	return violated
}

// checks returns a function for each invariant. The function reports whether a step keeps the
// invariant.
func checks() map[store.Invariant]func(Step) bool {
	return map[store.Invariant]func(Step) bool{
		store.NothingLost:            nothingLost,
		store.NothingForgotten:       nothingForgotten,
		queue.NoDoubleLease:          forEachClaim(noDoubleLease),
		queue.NoUnapprovedClaim:      forEach(approvedIfReady),
		queue.StrictestRuleHolds:     strictestRuleHolds,
		queue.VotesAreDistinct:       forEach(votesAreDistinct),
		queue.ApprovedIsWhatRuns:     forEachChange(approvedIsWhatRuns),
		queue.DecidedOnce:            forEachChange(decidedOnce),
		queue.NothingAfterItsSession: forEachClaim(deliverable),
		queue.HeldUntilResolved:      forEachClaim(heldUntilResolved),
		queue.FinishedIsFinal:        forEachChange(finishedIsFinal),
		queue.OneResult:              forEachChange(oneResult),
		queue.AttemptsBounded:        forEach(func(c Command) bool { return 0 <= c.Attempt && c.Attempt <= c.MaxAttempts && c.Claims <= MaxClaims }),
		queue.ExecutionCapped:        forEach(func(c Command) bool { return c.Status != Claimed || c.VisibleUntil <= c.FirstClaim+ExecutionCap }),
		queue.FIFOWithinPriority:     fifoWithinPriority,
		queue.TokenFences:            forEachChange(tokenFences),
		queue.CancelIsHeard:          cancelIsHeard,
		queue.ReadyIsBounded:         readyIsBounded,
		queue.EverythingIsTold:       forEachChange(everythingIsTold),
	}
}

// forEach returns a check of a step. The check reports whether isValid returns true for each
// command as it is after the step.
func forEach(isValid func(Command) bool) func(Step) bool {
	return func(s Step) bool {
		for _, c := range s.After.Commands {
			if !isValid(c) {
				return false
			}
		}
		return true
	}
}

// forEachChange returns a check of a step. The check reports whether isValid returns true for
// each command. The arguments of isValid are the command before and after the step. The
// command before the step is the zero Command if the step proposed the command.
func forEachChange(isValid func(s Step, before, after Command) bool) func(Step) bool {
	return func(s Step) bool {
		for id, after := range s.After.Commands {
			if !isValid(s, s.Before.Commands[id], after) {
				return false
			}
		}
		return true
	}
}

// forEachClaim is like forEachChange, but the check calls isValid only for the commands that
// the step claimed.
func forEachClaim(isValid func(s Step, before, after Command) bool) func(Step) bool {
	return forEachChange(func(s Step, before, after Command) bool {
		return after.Claims == before.Claims || isValid(s, before, after)
	})
}

func nothingLost(s Step) bool {
	for id := range s.Before.Commands {
		if _, kept := s.After.Commands[id]; !kept {
			return false
		}
	}
	want, got := s.After.expectedIndex(), s.After.Index
	return sameIDs(want.Ready, got.Ready) && sameIDs(want.Pending, got.Pending) && reflect.DeepEqual(want.Leases, got.Leases)
}

func sameIDs(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func nothingForgotten(s Step) bool {
	return forEach(func(c Command) bool {
		due, found := s.After.Index.Due[c.ID]
		return found && due <= c.nextDeadline()
	})(s)
}

func noDoubleLease(s Step, before, after Command) bool {
	leased := before.Status == Claimed && before.VisibleUntil > s.After.Now
	return !leased && after.Claims == before.Claims+1 && after.Token != before.Token && !slices.Contains(before.PastTokens, after.Token)
}

func approvedIfReady(c Command) bool {
	runs := c.Status == Queued || c.Status == Claimed || c.Claims > 0 && !c.Released
	return !c.Reviewed || !runs || c.Approval.Decision == "approved" && (c.Approval.Glass || len(c.Votes)+1 >= c.Required)
}

// strictestRuleHolds checks that the device gets, and that a user approves, only what the policy as it is now
// lets run, whatever the policy was at the proposal.
func strictestRuleHolds(s Step) bool {
	for _, l := range s.Response.Leases {
		c := s.After.Commands[l.Command]
		if !s.After.Policy.RuleOf(c.Type).allows(c) {
			return false
		}
	}
	return forEachChange(func(s Step, before, after Command) bool {
		isNew := after.Approval.Decision == "approved" && before.Approval != after.Approval
		return !isNew || s.After.Policy.RuleOf(after.Type).allows(after)
	})(s)
}

// votesAreDistinct checks that no user has two votes and, where several users must approve, that the
// proposer has none.
func votesAreDistinct(c Command) bool {
	seen := map[string]bool{}
	if c.Required > 1 {
		seen[c.Proposer] = true
	}
	for _, user := range c.approvers() {
		if seen[user] {
			return false
		}
		seen[user] = true
	}
	return true
}

// approvedIsWhatRuns checks that nothing changes what a command is, from its proposal on, and that it never needs
// less than before.
func approvedIsWhatRuns(_ Step, before, after Command) bool {
	needsLess := before.Reviewed && !after.Reviewed || before.Required > after.Required
	return before.ID == "" || before.proposed() == after.proposed() && !needsLess
}

// proposed returns a command without what changes during its life.
func (c Command) proposed() [8]any {
	return [8]any{c.ID, c.Session, c.Type, c.Proposer, c.Priority, c.MaxAttempts, c.Seq, c.DeliverBy}
}

func decidedOnce(s Step, before, after Command) bool {
	if s.Operation.Kind == Withdraw && after.Approval == (Approval{}) {
		return before.Approval.Decision != "rejected" && before.Claims == after.Claims
	}
	if s.isTakenBack(before, after) {
		return before.Approval.Decision != "rejected" && !s.After.Policy.RuleOf(before.Type).allows(before)
	}
	if before.Approval != (Approval{}) || after.Approval == (Approval{}) {
		return after.Approval == before.Approval
	}
	own := after.Approval.Decision == "approved" && after.Approval.By == after.Proposer
	mayDecide := after.Approval.Glass && after.proposerMayBreakGlass() || s.Operation.SoleUser && after.Required <= 1
	return !own || mayDecide
}

// isTakenBack reports whether a claim has taken an approval back.
func (s Step) isTakenBack(before, after Command) bool {
	return s.claims() && before.Approval != (Approval{}) && after.Approval == (Approval{})
}

// claims reports whether the operation claims commands.
func (s Step) claims() bool { return s.Operation.Kind == Claim || s.Operation.Next }

func deliverable(s Step, _, after Command) bool {
	return s.After.Device == "active" && !s.After.sessionEnded(after) && after.DeliverBy > s.After.Now
}

func heldUntilResolved(s Step, before, _ Command) bool { return !s.After.isHeld(before) }

func finishedIsFinal(s Step, before, after Command) bool {
	if !before.Status.Final() || before.Status == after.Status {
		return after.Claims == before.Claims || !before.Status.Final()
	}
	byDeadline := before.Status == TimedOut || before.Status == Expired || before.Status == Cancelled && before.CancelRequested
	return byDeadline && before.Result == "" && after.Result != "" &&
		s.Operation.Kind == SubmitResult && s.Operation.Token == before.Token
}

func oneResult(_ Step, before, after Command) bool {
	return before.Result == "" || after.Result == before.Result && after.Status == before.Status
}

// fifoWithinPriority checks the order of the ready commands. It also checks that a claim
// took commands from the front of that order, apart from those that are held.
func fifoWithinPriority(s Step) bool {
	commands := s.After.Commands
	order := func(a, b string) int { return commands[a].compare(commands[b]) }
	if !slices.IsSortedFunc(s.After.Index.Ready, order) {
		return false
	}
	free := slices.DeleteFunc(slices.Clone(s.After.Index.Ready), func(id string) bool { return s.After.isHeld(commands[id]) })
	if !s.claims() || len(free) == 0 {
		return true
	}
	return forEachClaim(func(_ Step, _, claimed Command) bool { return order(claimed.ID, free[0]) < 0 })(s)
}

// tokenFences checks who writes to a claimed command. A claim may also take one back.
func tokenFences(s Step, before, after Command) bool {
	written := after.Result != before.Result || after.Released && !before.Released && !s.claims() ||
		after.Status == Claimed && after.Claims == before.Claims && after.VisibleUntil != before.VisibleUntil
	if !written {
		return true
	}
	return s.Response.Code == "ok" && s.Operation.Command == after.ID && s.Operation.Token != "" &&
		s.Operation.Token == before.Token && !before.Released
}

func cancelIsHeard(s Step) bool {
	notCancelled := func(_ Step, before, _ Command) bool { return !before.CancelRequested }
	return slices.Equal(s.After.expectedIndex().Cancels, s.After.Index.Cancels) && forEachClaim(notCancelled)(s)
}

func readyIsBounded(s Step) bool {
	if len(s.After.Commands) == len(s.Before.Commands) {
		return true
	}
	return len(s.Before.Index.Ready) < MaxReady && (s.After.Policy.RuleOf(s.Operation.Type).Required == 0 || len(s.Before.Index.Pending) < MaxReady)
}

// everythingIsTold checks three properties of a command's timeline: it only grows, it has one
// event for each claim, and the last event that sets a status agrees with the command's
// status.
func everythingIsTold(_ Step, before, after Command) bool {
	last, claims := Status(""), 0
	isReviewed := after.Reviewed && !slices.Contains(after.Timeline, "released to pending_approval")
	for _, event := range after.Timeline {
		last = cmp.Or(statusOf(event, isReviewed), last)
		if event == "claimed" {
			claims++
		}
	}
	known := len(before.Timeline)
	grew := len(after.Timeline) >= known && slices.Equal(after.Timeline[:known], before.Timeline)
	missing := len(after.Timeline) == known && after.Status != before.Status
	return grew && !missing && last == after.Status && claims == after.Claims
}

// statusOf returns the status of a command after an event. It returns an empty status for an
// event that does not change the status.
func statusOf(event string, reviewed bool) Status {
	switch event {
	case "proposed":
		if reviewed {
			return PendingApproval
		}
		return Queued
	case "approved", "requeued", "released":
		return Queued
	case "vote_withdrawn to pending_approval", "released to pending_approval":
		return PendingApproval
	case "cancel_requested", "result_conflict", "vote", "vote_withdrawn", "break_glass":
		return ""
	}
	return Status(event)
}

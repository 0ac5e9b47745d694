package model

import (
	"cmp"
	"reflect"
	"slices"
)

// Step is one event: the device before it and after it, and what was answered.
// The states may be the model's, or what a store was seen to hold.
type Step struct {
	Before, After State
	Event         Event
	Answer        Answer
}

// Broken tells which promises a step has broken.
func Broken(s Step) (broken []Invariant) {
	for _, name := range Invariants() {
		if !checks()[name](s) {
			broken = append(broken, name)
		}
	}
	return broken
}

// checks says how to tell that a step keeps a promise.
func checks() map[Invariant]func(Step) bool {
	return map[Invariant]func(Step) bool{
		NothingLost:            nothingLost,
		NothingForgotten:       nothingForgotten,
		NoDoubleLease:          everyClaim(noDoubleLease),
		NoUnapprovedClaim:      every(approved),
		DecidedOnce:            everyChange(decidedOnce),
		NothingAfterItsSession: everyClaim(inItsSession),
		FinishedIsFinal:        everyChange(finishedIsFinal),
		OneResult:              everyChange(oneResult),
		AttemptsBounded:        every(func(c Command) bool { return 0 <= c.Attempt && c.Attempt <= c.Max && c.Claims <= ClaimsCap }),
		ExecutionCapped:        every(func(c Command) bool { return c.Status != Claimed || c.Visible <= c.First+ExecutionCap }),
		FIFOWithinPriority:     fifoWithinPriority,
		TokenFences:            everyChange(tokenFences),
		CancelIsHeard:          cancelIsHeard,
		ReadyIsBounded:         readyIsBounded,
		EverythingIsTold:       everyChange(everythingIsTold),
	}
}

func every(holds func(Command) bool) func(Step) bool {
	return func(s Step) bool {
		for _, c := range s.After.Commands {
			if !holds(c) {
				return false
			}
		}
		return true
	}
}

// everyChange is for what depends on how a command was before. A command that
// was just proposed was a zero one.
func everyChange(holds func(s Step, before, after Command) bool) func(Step) bool {
	return func(s Step) bool {
		for id, after := range s.After.Commands {
			if !holds(s, s.Before.Commands[id], after) {
				return false
			}
		}
		return true
	}
}

// everyClaim is for what must be true of a command that was handed out.
func everyClaim(holds func(s Step, before, after Command) bool) func(Step) bool {
	return everyChange(func(s Step, before, after Command) bool {
		return after.Claims == before.Claims || holds(s, before, after)
	})
}

func nothingLost(s Step) bool {
	for id := range s.Before.Commands {
		if _, kept := s.After.Commands[id]; !kept {
			return false
		}
	}
	want, is := s.After.indexed(), s.After.Index
	return sameIDs(want.Ready, is.Ready) && sameIDs(want.Pending, is.Pending) && reflect.DeepEqual(want.Leases, is.Leases)
}

func sameIDs(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func nothingForgotten(s Step) bool {
	return every(func(c Command) bool {
		at, found := s.After.Index.Due[c.ID]
		return found && at <= c.moment()
	})(s)
}

func noDoubleLease(s Step, before, after Command) bool {
	held := before.Status == Claimed && before.Visible > s.After.Now
	return !held && after.Claims == before.Claims+1 && after.Token != before.Token && !slices.Contains(before.Past, after.Token)
}

func approved(c Command) bool {
	runs := c.Status == Queued || c.Status == Claimed || c.Claims > 0
	return !c.Reviewed || !runs || c.Approval.Decision == "approved"
}

func decidedOnce(s Step, before, after Command) bool {
	if before.Approval != (Approval{}) || after.Approval == (Approval{}) {
		return after.Approval == before.Approval
	}
	return after.Approval.Decision != "approved" || after.Approval.By != after.Proposer || s.Event.Sole
}

func inItsSession(s Step, _, after Command) bool {
	return s.After.Device == "active" && !s.After.sessionOver(after) && after.DeliverBy > s.After.Now
}

func finishedIsFinal(s Step, before, after Command) bool {
	if !before.Status.Final() || before.Status == after.Status {
		return after.Claims == before.Claims || !before.Status.Final()
	}
	timeDid := before.Status == TimedOut || before.Status == Expired || before.Status == Cancelled && before.Cancel
	return timeDid && before.Result == "" && after.Result != "" && s.Event.Kind == SubmitResult && s.Event.Token == before.Token
}

func oneResult(_ Step, before, after Command) bool {
	return before.Result == "" || after.Result == before.Result && after.Status == before.Status
}

func fifoWithinPriority(s Step) bool {
	commands := s.After.Commands
	order := func(a, b string) int { return commands[a].before(commands[b]) }
	if !slices.IsSortedFunc(s.After.Index.Ready, order) {
		return false
	}
	if s.Event.Kind != Claim || len(s.After.Index.Ready) == 0 {
		return true
	}
	head := s.After.Index.Ready[0]
	return everyClaim(func(_ Step, _, given Command) bool { return order(given.ID, head) < 0 })(s)
}

func tokenFences(s Step, before, after Command) bool {
	wrote := after.Result != before.Result || after.Returned && !before.Returned ||
		after.Status == Claimed && after.Claims == before.Claims && after.Visible != before.Visible
	if !wrote {
		return true
	}
	return s.Answer.Code == "ok" && s.Event.Command == after.ID && s.Event.Token != "" &&
		s.Event.Token == before.Token && !before.Returned
}

func cancelIsHeard(s Step) bool {
	again := func(_ Step, before, _ Command) bool { return !before.Cancel }
	return slices.Equal(s.After.indexed().Cancels, s.After.Index.Cancels) && everyClaim(again)(s)
}

func readyIsBounded(s Step) bool {
	if len(s.After.Commands) == len(s.Before.Commands) {
		return true
	}
	return len(s.Before.Index.Ready) < Bound && (!s.Event.Review || len(s.Before.Index.Pending) < Bound)
}

// everythingIsTold reads the timeline: it only grows, its claims are the
// command's, and what it tells last is how the command stands.
func everythingIsTold(_ Step, before, after Command) bool {
	told, claims := Status(""), 0
	for _, event := range after.Timeline {
		told = cmp.Or(becomes(event, after.Reviewed), told)
		if event == "claimed" {
			claims++
		}
	}
	known := len(before.Timeline)
	grew := len(after.Timeline) >= known && slices.Equal(after.Timeline[:known], before.Timeline)
	silent := len(after.Timeline) == known && after.Status != before.Status
	return grew && !silent && told == after.Status && claims == after.Claims
}

// becomes gives the status that an event tells of.
func becomes(event string, reviewed bool) Status {
	switch event {
	case "proposed":
		if reviewed {
			return PendingApproval
		}
		return Queued
	case "approved", "requeued", "released":
		return Queued
	case "cancel_requested":
		return ""
	}
	return Status(event)
}

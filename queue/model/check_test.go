package model_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue/model"
)

// life is a device on which something of everything has happened: c1 is claimed and wanted
// cancelled, c2 was proposed for review and waits, c3 and c4 are queued, c5 has a result.
func life() *model.Model {
	m := model.New(model.Hour)
	m.Apply(model.Event{Kind: model.Open, Span: model.Hour})
	for _, e := range []model.Event{
		{Priority: 9, Max: 2}, {Review: true, Max: 1}, {Max: 3}, {Max: 3}, {Priority: 9, Max: 1},
	} {
		e.Kind, e.Session, e.By, e.Span = model.Propose, "s1", "ann", 24*model.Hour
		m.Apply(e)
	}
	m.Apply(model.Event{Kind: model.Claim, Limit: 2, Span: 1000})
	m.Apply(model.Event{Kind: model.Cancel, Command: "c1"})
	m.Apply(model.Event{Kind: model.SubmitResult, Command: "c5", Token: "c5#1", Result: model.Succeeded, Content: "done"})
	return m
}

// look is a step in which nothing happened.
func look() model.Step {
	s := life().State()
	return model.Step{Before: life().State(), After: s, Event: model.Event{Kind: model.Sweep}, Answer: model.Answer{Code: "ok"}}
}

// with changes a command as it was after the step.
func with(id string, change func(c *model.Command)) func(s *model.Step) {
	return func(s *model.Step) {
		c := s.After.Commands[id]
		change(&c)
		s.After.Commands[id] = c
	}
}

// claimedAgain is a command that was handed out.
func claimedAgain(c *model.Command) { c.Status, c.Claims, c.Token = model.Claimed, c.Claims+1, "new" }

func TestABrokenPromiseIsNoticed(t *testing.T) {
	t.Parallel()
	require.Empty(t, model.Broken(look()))
	breaks := map[model.Invariant]func(s *model.Step){
		model.NothingLost:       func(s *model.Step) { s.After.Index.Ready = s.After.Index.Ready[:1] },
		model.NothingForgotten:  func(s *model.Step) { delete(s.After.Index.Due, "c1") },
		model.NoDoubleLease:     with("c1", claimedAgain),
		model.NoUnapprovedClaim: with("c2", func(c *model.Command) { c.Status = model.Queued }),
		model.DecidedOnce:       with("c2", func(c *model.Command) { c.Approval = model.Approval{Decision: "approved", By: "ann"} }),
		model.NothingAfterItsSession: func(s *model.Step) {
			s.After.Session = ""
			with("c3", claimedAgain)(s)
		},
		model.FinishedIsFinal: with("c5", func(c *model.Command) { c.Status = model.Queued }),
		model.OneResult:       with("c5", func(c *model.Command) { c.Result = "failed other" }),
		model.AttemptsBounded: with("c1", func(c *model.Command) { c.Attempt = 3 }),
		model.ExecutionCapped: with("c1", func(c *model.Command) { c.Visible = c.First + model.ExecutionCap + 1 }),
		model.FIFOWithinPriority: func(s *model.Step) {
			s.Event = model.Event{Kind: model.Claim}
			with("c4", claimedAgain)(s)
		},
		model.TokenFences: func(s *model.Step) {
			s.Event = model.Event{Kind: model.Extend, Command: "c1", Token: "c1#0"}
			with("c1", func(c *model.Command) { c.Visible++ })(s)
		},
		model.CancelIsHeard: func(s *model.Step) { s.After.Index.Cancels = nil },
		model.ReadyIsBounded: func(s *model.Step) {
			delete(s.Before.Commands, "c4")
			s.Before.Index.Ready = make([]string, model.Bound)
		},
		model.EverythingIsTold: with("c3", func(c *model.Command) { c.Status = model.Cancelled }),
	}
	for _, name := range model.Invariants() {
		require.Contains(t, breaks, name)
		s := look()
		breaks[name](&s)
		require.Contains(t, model.Broken(s), name)
	}
}

func TestALateResultCorrectsWhatTimeHadNoted(t *testing.T) {
	t.Parallel()
	m := life()
	m.Apply(model.Event{Kind: model.Elapse, Span: 1000})
	before := m.State()
	e := model.Event{Kind: model.SubmitResult, Command: "c1", Token: "c1#1", Result: model.Failed, Content: "late"}
	answer := m.Apply(e)
	require.Equal(t, model.Answer{Code: "ok", Status: model.Failed, Late: true}, answer)
	require.Empty(t, model.Broken(model.Step{Before: before, After: m.State(), Event: e, Answer: answer}))
}

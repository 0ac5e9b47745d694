package model_test

import (
	"cmp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/queue/model"
	"github.com/fieldgate/fieldgate/store"
)

// newModel returns the model of a device with five commands. c1 is claimed and a user has
// asked to cancel it, c2 is pending approval, c3 and c4 are queued, and c5 has a result.
func newModel() *model.Model {
	m := model.New(model.Hour)
	m.Apply(model.Operation{Kind: model.Open, Span: model.Hour})
	for _, op := range []model.Operation{
		{Priority: 9, MaxAttempts: 2}, {Type: model.Reviewed, MaxAttempts: 1}, {MaxAttempts: 3}, {MaxAttempts: 3}, {Priority: 9, MaxAttempts: 1},
	} {
		op.Type = cmp.Or(op.Type, model.Plain)
		op.Kind, op.Session, op.UserID, op.Span = model.Propose, "s1", "ann", 24*model.Hour
		m.Apply(op)
	}
	m.Apply(model.Operation{Kind: model.Claim, Limit: 2, Span: 1000})
	m.Apply(model.Operation{Kind: model.Cancel, Command: "c1"})
	m.Apply(model.Operation{Kind: model.SubmitResult, Command: "c5", Token: "c5#1", Status: model.Succeeded, Output: "done"})
	return m
}

// unchanged returns a step that changed nothing.
func unchanged() model.Step {
	return model.Step{
		Before: newModel().State(), After: newModel().State(),
		Operation: model.Operation{Kind: model.Settle}, Response: model.Response{Code: "ok"},
	}
}

// command returns a function that applies change to the command with the given id. The
// function changes only the state after the step.
func command(id string, change func(c *model.Command)) func(s *model.Step) {
	return func(s *model.Step) {
		c := s.After.Commands[id]
		change(&c)
		s.After.Commands[id] = c
	}
}

// claim changes c as if the device had claimed it once more.
func claim(c *model.Command) { c.Status, c.Claims, c.Token = model.Claimed, c.Claims+1, "new" }

func TestViolations_FindsEveryInvariant(t *testing.T) {
	t.Parallel()
	require.Empty(t, model.Violations(unchanged()))
	violate := map[store.Invariant]func(s *model.Step){
		store.NothingLost:       func(s *model.Step) { s.After.Index.Ready = s.After.Index.Ready[:1] },
		store.NothingForgotten:  func(s *model.Step) { delete(s.After.Index.Due, "c1") },
		queue.NoDoubleLease:     command("c1", claim),
		queue.NoUnapprovedClaim: command("c2", func(c *model.Command) { c.Status = model.Queued }),
		queue.StrictestRuleHolds: func(s *model.Step) {
			s.After.Policy = model.Strict
			s.Operation, s.Response.Leases = model.Operation{Kind: model.Claim}, []model.Lease{{Command: "c3"}}
			command("c3", claim)(s)
		},
		queue.VotesAreDistinct:   command("c2", func(c *model.Command) { c.Votes = []string{"bob", "bob"} }),
		queue.ApprovedIsWhatRuns: command("c1", func(c *model.Command) { c.MaxAttempts++ }),
		queue.DecidedOnce:        command("c2", func(c *model.Command) { c.Approval = model.Approval{Decision: "approved", By: "ann"} }),
		queue.NothingAfterItsSession: func(s *model.Step) {
			s.After.Session = ""
			command("c3", claim)(s)
		},
		queue.HeldUntilResolved: func(s *model.Step) {
			s.After.Conflict = true
			command("c2", claim)(s)
		},
		queue.FinishedIsFinal: command("c5", func(c *model.Command) { c.Status = model.Queued }),
		queue.OneResult:       command("c5", func(c *model.Command) { c.Result = "failed other" }),
		queue.AttemptsBounded: command("c1", func(c *model.Command) { c.Attempt = 3 }),
		queue.ExecutionCapped: command("c1", func(c *model.Command) { c.VisibleUntil = c.FirstClaim + model.ExecutionCap + 1 }),
		queue.FIFOWithinPriority: func(s *model.Step) {
			s.Operation = model.Operation{Kind: model.Claim}
			command("c4", claim)(s)
		},
		queue.TokenFences: func(s *model.Step) {
			s.Operation = model.Operation{Kind: model.Extend, Command: "c1", Token: "c1#0"}
			command("c1", func(c *model.Command) { c.VisibleUntil++ })(s)
		},
		queue.CancelIsHeard: func(s *model.Step) { s.After.Index.Cancels = nil },
		queue.ReadyIsBounded: func(s *model.Step) {
			delete(s.Before.Commands, "c4")
			s.Before.Index.Ready = make([]string, model.MaxReady)
		},
		queue.EverythingIsTold: command("c3", func(c *model.Command) { c.Status = model.Cancelled }),
	}
	for _, name := range queue.Invariants() {
		require.Contains(t, violate, name)
		s := unchanged()
		violate[name](&s)
		require.Contains(t, model.Violations(s), name)
	}
}

// TestModel_StricterPolicyReachesWhatWaits replaces the policy while commands wait: by a stricter one, and by the one before.
func TestModel_StricterPolicyReachesWhatWaits(t *testing.T) {
	t.Parallel()
	m := newModel()
	m.Apply(model.Operation{Kind: model.Approve, Command: "c2", UserID: "bob"})
	m.Apply(model.Operation{Kind: model.SetPolicy, Policy: model.Strict})
	require.Empty(t, m.Apply(model.Operation{Kind: model.Claim, Limit: 4, Span: 1000}).Leases)
	waiting := m.State().Commands
	require.Equal(t, []model.Status{model.PendingApproval, model.PendingApproval}, []model.Status{waiting["c2"].Status, waiting["c3"].Status})
	require.Equal(t, []string{"bob"}, waiting["c2"].Votes, "a vote stays")
	m.Apply(model.Operation{Kind: model.SetPolicy, Policy: model.Usual})
	require.Empty(t, m.Apply(model.Operation{Kind: model.Claim, Limit: 4, Span: 1000}).Leases, "a looser policy does not let it run")
	m.Apply(model.Operation{Kind: model.Approve, Command: "c2", UserID: "carol"})
	require.Len(t, m.Apply(model.Operation{Kind: model.Claim, Limit: 4, Span: 1000}).Leases, 1)

	m = newModel()
	m.Apply(model.Operation{Kind: model.SetPolicy, Policy: model.Denying})
	require.Equal(t, "command_denied", m.Apply(model.Operation{Kind: model.Approve, Command: "c2", UserID: "bob"}).Code)
}

func TestModel_LateResultReplacesTimedOut(t *testing.T) {
	t.Parallel()
	m := newModel()
	m.Apply(model.Operation{Kind: model.Elapse, Span: 1000})
	before := m.State()
	op := model.Operation{Kind: model.SubmitResult, Command: "c1", Token: "c1#1", Status: model.Failed, Output: "late"}
	response := m.Apply(op)
	require.Equal(t, model.Response{Code: "ok", Status: model.Failed, Late: true}, response)
	require.Empty(t, model.Violations(model.Step{Before: before, After: m.State(), Operation: op, Response: response}))
}

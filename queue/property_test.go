package queue_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fieldgate/fieldgate/queue/model"
	"github.com/fieldgate/fieldgate/store"
)

// TestModel_MatchesScripts applies the same random operations to a device in a store and to
// the model of that device. After each operation it compares the responses and the states, and
// checks the invariants. The flag -rapid.checks sets the number of sequences. The flag
// -rapid.steps sets the length of a sequence.
func TestModel_MatchesScripts(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		rapid.Check(t, func(r *rapid.T) {
			f := newModelFixture(t, s)
			before := f.step(r, f.observe(), model.Operation{Kind: model.Open, Span: 24 * model.Hour})
			r.Repeat(map[string]func(*rapid.T){"operation": func(r *rapid.T) {
				for _, op := range f.drawOperations(r) {
					before = f.step(r, before, op)
				}
			}})
		})
	})
}

// step applies an operation to the store and to the model and compares the responses and
// states. It returns the state of the store afterwards.
func (f *modelFixture) step(r *rapid.T, before model.State, op model.Operation) model.State {
	r.Helper()
	r.Logf("%+v", op)
	got, want := f.apply(f.t, op), f.model.Apply(op)
	require.Equal(r, want, got, "the responses differ")
	after := f.observe()
	require.Equal(r, f.model.State(), after, "the states differ")
	step := model.Step{Before: before, After: after, Operation: op, Response: got}
	require.Empty(r, model.Violations(step), "an invariant is violated")
	return after
}

// weights are the relative frequencies of the kinds of operations.
var weights = []struct {
	kind   model.Kind
	weight int
}{
	{model.Propose, 12}, {model.Approve, 12}, {model.Reject, 2}, {model.Withdraw, 3}, {model.BreakGlass, 1}, {model.Cancel, 5}, {model.Claim, 14}, {model.Extend, 7}, {model.Progress, 5},
	{model.Release, 6}, {model.SubmitResult, 7}, {model.Settle, 8}, {model.Elapse, 20}, {model.Open, 5}, {model.Close, 2},
	{model.SetPolicy, 4}, {model.Resolve, 3}, {model.Suspend, 1}, {model.Resume, 4}, {model.Decommission, 1},
}

// onCommand holds the kinds of operations that need a command.
var onCommand = []model.Kind{model.Approve, model.Reject, model.BreakGlass, model.Withdraw, model.Cancel, model.Extend, model.Progress, model.Release, model.SubmitResult}

// drawOperations draws the next operation. Sometimes it draws a short sequence that would
// seldom occur by chance.
func (f *modelFixture) drawOperations(r *rapid.T) []model.Operation {
	if len(f.recent) > 0 && rapid.IntRange(0, 7).Draw(r, "again") == 7 {
		return []model.Operation{rapid.SampledFrom(f.recent).Draw(r, "repeated")} // a client repeats an operation if the response is lost
	}
	s := f.model.State()
	op := model.Operation{Kind: drawKind(r)}
	c, found := drawCommand(r, s)
	if !found && slices.Contains(onCommand, op.Kind) {
		op.Kind = model.Propose
	}
	if op.Kind == model.Propose {
		return f.drawProposals(r, s)
	}
	if c.Status == model.Claimed && rapid.IntRange(0, 15).Draw(r, "long execution") == 15 {
		extend := model.Operation{Kind: model.Extend, Command: c.ID, Token: c.Token, Span: 11 * model.Hour}
		return []model.Operation{extend, {Kind: model.Elapse, Span: 5 * model.Hour}, extend}
	}
	f.drawArguments(r, s, c, &op)
	f.recent = append(f.recent[max(0, len(f.recent)-7):], op)
	return []model.Operation{op}
}

func drawKind(r *rapid.T) model.Kind {
	var choices []model.Kind
	for _, w := range weights {
		choices = append(choices, slices.Repeat([]model.Kind{w.kind}, w.weight)...)
	}
	kind := rapid.SampledFrom(choices).Draw(r, "kind")
	if kind == model.Decommission && rapid.IntRange(0, 3).Draw(r, "decommission") < 3 {
		return model.Elapse // few operations are possible on a decommissioned device
	}
	return kind
}

// drawArguments sets the fields that the kind of op uses. For an operation on a command, that
// command is c.
func (f *modelFixture) drawArguments(r *rapid.T, s model.State, c model.Command, op *model.Operation) {
	switch op.Kind {
	case model.Open:
		op.Span = rapid.SampledFrom([]int64{2 * tick, model.Hour, 24 * model.Hour}).Draw(r, "span")
	case model.SetPolicy:
		op.Policy = rapid.SampledFrom([]model.Policy{model.Usual, model.Usual, model.Strict, model.Denying}).Draw(r, "policy")
	case model.Close:
		op.Session = drawSession(r, s)
	case model.Approve, model.Reject, model.BreakGlass, model.Withdraw:
		op.Command, op.UserID = c.ID, rapid.SampledFrom([]string{proposer, approver, "u-second", "u-third"}).Draw(r, "user")
		op.SoleUser = rapid.IntRange(0, 4).Draw(r, "sole user") == 4
	case model.Cancel:
		op.Command = c.ID
	case model.Claim:
		op.Limit, op.Span = rapid.IntRange(1, 4).Draw(r, "limit"), drawLeaseSpan(r)
		op.Key = rapid.SampledFrom([]string{"", "", "k1", "k2"}).Draw(r, "key")
		op.Instance = rapid.SampledFrom([]string{"", "", "a", "b", "c", "d", "e", "f"}).Draw(r, "instance")
	case model.Extend:
		op.Command, op.Token, op.Span = c.ID, f.drawToken(r, s, c), drawLeaseSpan(r)
	case model.Progress:
		op.Command, op.Token, op.Seq = c.ID, f.drawToken(r, s, c), rapid.IntRange(1, 3).Draw(r, "seq")
	case model.Release:
		op.Command, op.Token = c.ID, f.drawToken(r, s, c)
	case model.SubmitResult:
		op.Command, op.Token = c.ID, f.drawToken(r, s, c)
		op.Status = rapid.SampledFrom([]model.Status{model.Succeeded, model.Failed, model.Cancelled}).Draw(r, "status")
		op.Output = rapid.SampledFrom([]string{"one", "two"}).Draw(r, "output")
		if op.Next = rapid.Bool().Draw(r, "next"); op.Next {
			op.Span = drawLeaseSpan(r)
		}
	case model.Elapse:
		op.Span = drawElapsed(r, s)
	}
}

// drawElapsed draws a span of time. The span is so short that no retention period ends, because
// the model deletes nothing.
func drawElapsed(r *rapid.T, s model.State) int64 {
	span := rapid.SampledFrom([]int64{
		tick, tick, tick, tick, 2 * tick, 2 * tick, 3 * tick, model.Hour, 5 * model.Hour, 11 * model.Hour, 25 * model.Hour,
	}).Draw(r, "span")
	if s.Now+span > 25*24*model.Hour {
		return tick
	}
	return span
}

func (f *modelFixture) drawProposals(r *rapid.T, s model.State) []model.Operation {
	op := model.Operation{
		Kind: model.Propose, Session: drawSession(r, s), UserID: proposer, Type: rapid.SampledFrom([]model.Type{model.Plain, model.Plain, model.Reviewed, model.Paired}).Draw(r, "type"),
		Priority: rapid.SampledFrom([]int{5, 5, 9, 0}).Draw(r, "priority"), MaxAttempts: rapid.IntRange(1, 3).Draw(r, "max attempts"),
		Span: rapid.SampledFrom([]int64{2 * tick, 13 * model.Hour, 48 * model.Hour}).Draw(r, "span"),
	}
	if rapid.IntRange(0, 40).Draw(r, "many") == 40 {
		return slices.Repeat([]model.Operation{op}, 55)
	}
	op.Key = rapid.SampledFrom([]string{"", "", "", "p1"}).Draw(r, "key")
	f.recent = append(f.recent[max(0, len(f.recent)-7):], op)
	return []model.Operation{op}
}

func drawLeaseSpan(r *rapid.T) int64 {
	return rapid.SampledFrom([]int64{tick, tick, 2 * tick, model.Hour}).Draw(r, "lease")
}

// drawCommand draws a command, preferably an unfinished one. It returns false if there is
// no command.
func drawCommand(r *rapid.T, s model.State) (model.Command, bool) {
	var unfinished, all []string
	for id, c := range s.Commands {
		all = append(all, id)
		if !c.Status.Final() {
			unfinished = append(unfinished, id)
		}
	}
	if len(all) == 0 {
		return model.Command{}, false
	}
	if len(unfinished) > 0 && rapid.IntRange(0, 3).Draw(r, "unfinished") > 0 {
		all = unfinished
	}
	slices.Sort(all)
	return s.Commands[rapid.SampledFrom(all).Draw(r, "command")], true
}

// drawToken draws a claim token, preferably the newest token of the command c. Otherwise it
// draws an earlier token, a token of another command, or an invented token. The tokens of claims that were taken
// back are not known.
func (f *modelFixture) drawToken(r *rapid.T, s model.State, c model.Command) string {
	other, _ := drawCommand(r, s)
	token := rapid.SampledFrom(append([]string{c.Token, c.Token, c.Token, other.Token, "invented"}, c.PastTokens...)).Draw(r, "token")
	if f.tokens[token] == "" {
		return "invented"
	}
	return token
}

// drawSession draws a session, preferably the open one. All other sessions have ended.
func drawSession(r *rapid.T, s model.State) string {
	all := make([]string, 0, len(s.Sessions)+3)
	for id := range s.Sessions {
		all = append(all, id)
	}
	slices.Sort(all)
	if s.Session != "" {
		all = append(all, s.Session, s.Session, s.Session)
	}
	return rapid.SampledFrom(all).Draw(r, "session")
}

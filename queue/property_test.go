package queue_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fieldgate/fieldgate/queue/model"
	"github.com/fieldgate/fieldgate/store"
)

// TestTheScriptsDoWhatTheModelSays lets the same things happen to a device in a
// store and to its model, at random, and compares what was answered and all that
// is stored after each of them. More and longer: -rapid.checks, -rapid.steps.
func TestTheScriptsDoWhatTheModelSays(t *testing.T) {
	t.Parallel()
	eachAlone(t, func(t *testing.T, s *store.Store) {
		rapid.Check(t, func(r *rapid.T) {
			w := newTwin(t, s)
			seen := w.step(r, w.observe(), model.Event{Kind: model.Open, Span: 24 * model.Hour})
			r.Repeat(map[string]func(*rapid.T){"event": func(r *rapid.T) {
				for _, e := range w.next(r) {
					seen = w.step(r, seen, e)
				}
			}})
		})
	})
}

// step lets an event happen on both sides and compares. It gives what the store
// holds then.
func (w *twin) step(r *rapid.T, before model.State, e model.Event) model.State {
	r.Helper()
	r.Logf("%+v", e)
	got, want := w.act(w.t, e), w.model.Apply(e)
	require.Equal(r, want, got, "the answer")
	require.Less(r, time.Since(w.since), 55*time.Second, "one sequence must not take a minute: see twin.minute")
	after := w.observe()
	require.Equal(r, w.model.State(), after, "what is stored")
	step := model.Step{Before: before, After: after, Event: e, Answer: got}
	require.Empty(r, model.Broken(step), "a promise is broken")
	return after
}

const minutes = int64(60_000)

// kinds is what happens, as often as it stands here.
var kinds = []struct {
	kind  model.Kind
	often int
}{
	{model.Propose, 12}, {model.Approve, 8}, {model.Reject, 2}, {model.Cancel, 5}, {model.Claim, 14}, {model.Extend, 7},
	{model.Release, 6}, {model.SubmitResult, 7}, {model.Sweep, 8}, {model.Elapse, 20}, {model.Open, 5}, {model.Close, 2},
	{model.Suspend, 1}, {model.Resume, 4}, {model.Decommission, 1},
}

// next draws what happens next: one event, or a few that seldom come together.
func (w *twin) next(r *rapid.T) []model.Event {
	var choices []model.Kind
	for _, k := range kinds {
		choices = append(choices, slices.Repeat([]model.Kind{k.kind}, k.often)...)
	}
	if len(w.recent) > 0 && rapid.IntRange(0, 7).Draw(r, "again") == 7 {
		return []model.Event{rapid.SampledFrom(w.recent).Draw(r, "repeated")} // a client that lost the answer
	}
	s := w.model.State()
	e := model.Event{Kind: rapid.SampledFrom(choices).Draw(r, "kind")}
	c, found := someCommand(r, s)
	if !found && slices.Contains([]model.Kind{model.Approve, model.Reject, model.Cancel, model.Extend, model.Release, model.SubmitResult}, e.Kind) {
		e.Kind = model.Propose
	}
	if e.Kind == model.Decommission && rapid.IntRange(0, 3).Draw(r, "for good") < 3 {
		e.Kind = model.Elapse // not much happens afterwards
	}
	if c.Status == model.Claimed && rapid.IntRange(0, 15).Draw(r, "long work") == 15 {
		longer := model.Event{Kind: model.Extend, Command: c.ID, Token: c.Token, Span: 11 * model.Hour}
		return []model.Event{longer, {Kind: model.Elapse, Span: 5 * model.Hour}, longer}
	}
	switch e.Kind {
	case model.Propose:
		return w.proposals(r, s)
	case model.Open:
		e.Span = rapid.SampledFrom([]int64{5 * minutes, model.Hour, 24 * model.Hour}).Draw(r, "span")
	case model.Close:
		e.Session = someSession(r, s)
	case model.Approve, model.Reject:
		e.Command, e.By, e.Sole = c.ID, rapid.SampledFrom([]string{proposer, approver}).Draw(r, "by"), rapid.IntRange(0, 4).Draw(r, "sole") == 4
	case model.Cancel:
		e.Command = c.ID
	case model.Claim:
		e.Limit, e.Span, e.Key = rapid.IntRange(1, 4).Draw(r, "limit"), leaseSpan(r), rapid.SampledFrom([]string{"", "", "k1", "k2"}).Draw(r, "key")
	case model.Extend, model.Release, model.SubmitResult:
		e.Command, e.Token = c.ID, someToken(r, s, c)
		w.complete(r, &e)
	case model.Elapse:
		e.Span = rapid.SampledFrom([]int64{minutes, minutes, minutes, minutes, 5 * minutes, 5 * minutes, 30 * minutes, model.Hour, 5 * model.Hour, 11 * model.Hour, 25 * model.Hour}).Draw(r, "span")
		if s.Now+e.Span > 25*24*model.Hour { // not into the end of the retention
			e.Span = minutes
		}
	}
	w.recent = append(w.recent[max(0, len(w.recent)-7):], e)
	return []model.Event{e}
}

// complete fills in what a device does with its claim.
func (w *twin) complete(r *rapid.T, e *model.Event) {
	switch e.Kind {
	case model.Extend:
		e.Span = leaseSpan(r)
	case model.SubmitResult:
		e.Result = rapid.SampledFrom([]model.Status{model.Succeeded, model.Failed, model.Cancelled}).Draw(r, "result")
		e.Content = rapid.SampledFrom([]string{"one", "two"}).Draw(r, "content")
	}
}

func (w *twin) proposals(r *rapid.T, s model.State) []model.Event {
	e := model.Event{
		Kind: model.Propose, Session: someSession(r, s), By: proposer, Review: rapid.Bool().Draw(r, "review"),
		Priority: rapid.SampledFrom([]int{5, 5, 9, 0}).Draw(r, "priority"), Max: rapid.IntRange(1, 3).Draw(r, "max"),
		Span: rapid.SampledFrom([]int64{30 * minutes, 13 * model.Hour, 48 * model.Hour}).Draw(r, "span"),
	}
	if rapid.IntRange(0, 40).Draw(r, "many") == 40 {
		return slices.Repeat([]model.Event{e}, 55)
	}
	e.Key = rapid.SampledFrom([]string{"", "", "", "p1"}).Draw(r, "key")
	return []model.Event{e}
}

func leaseSpan(r *rapid.T) int64 {
	return rapid.SampledFrom([]int64{minutes, minutes, 5 * minutes, model.Hour}).Draw(r, "lease")
}

// someCommand prefers those that have not ended.
func someCommand(r *rapid.T, s model.State) (model.Command, bool) {
	var alive, all []string
	for id, c := range s.Commands {
		all = append(all, id)
		if !c.Status.Final() {
			alive = append(alive, id)
		}
	}
	if len(all) == 0 {
		return model.Command{}, false
	}
	if len(alive) > 0 && rapid.IntRange(0, 3).Draw(r, "alive") > 0 {
		all = alive
	}
	slices.Sort(all)
	return s.Commands[rapid.SampledFrom(all).Draw(r, "command")], true
}

// someToken prefers the newest; others are old, of another command, or made up.
func someToken(r *rapid.T, s model.State, c model.Command) string {
	other, _ := someCommand(r, s)
	return rapid.SampledFrom(append([]string{c.Token, c.Token, c.Token, other.Token, "made up"}, c.Past...)).Draw(r, "token")
}

// someSession is the device's, or one that is over.
func someSession(r *rapid.T, s model.State) string {
	all := make([]string, 0, len(s.Sessions)+2)
	for id := range s.Sessions {
		all = append(all, id)
	}
	slices.Sort(all)
	if s.Session != "" {
		all = append(all, s.Session, s.Session, s.Session)
	}
	return rapid.SampledFrom(all).Draw(r, "session")
}

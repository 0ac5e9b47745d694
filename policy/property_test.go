package policy_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fieldgate/fieldgate/policy"
)

var effects = []policy.Effect{policy.Auto, policy.Review, policy.Deny}

// drawDuration draws one of few durations, or none, as a rule has them.
func drawDuration(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "1h", "2h"}).Draw(t, "duration")
}

// drawRule draws a rule whose matchers often overlap with those of others.
func drawRule(t *rapid.T, name string) policy.Rule {
	r := policy.Rule{
		Name: name, Effect: rapid.SampledFrom(effects).Draw(t, "effect"),
		Types:         rapid.SampledFrom([][]string{nil, {"a"}, {"a.*"}, {"a.b", "b"}, {"*"}}).Draw(t, "types"),
		Tags:          rapid.SampledFrom([]map[string]string{nil, nil, {"env": "prod"}, {"env": "test"}, {"env": "prod", "site": "x"}}).Draw(t, "tags"),
		Proposer:      rapid.SampledFrom([]string{"", "", policy.Person, policy.Program}).Draw(t, "proposer"),
		ProposerRoles: rapid.SampledFrom([][]string{nil, nil, {"admin"}, {"operator", "admin"}}).Draw(t, "roles"),
		When:          rapid.SampledFrom([]string{"", "", "", "parameters.n > 1", "parameters.n == 2"}).Draw(t, "when"),
		Window: rapid.SampledFrom([]*policy.Window{nil, nil, nil, {Days: "Mon-Fri"}, {From: "22:00", To: "05:00", Zone: "device"}}).
			Draw(t, "window"),
	}
	if r.Effect == policy.Review {
		r.Approvals = rapid.IntRange(0, 3).Draw(t, "approvals")
		r.Roles = rapid.SampledFrom([][]string{nil, {"approver"}, {"admin"}}).Draw(t, "approvers")
		r.Assurance = rapid.SampledFrom([]string{"", "aal2", "passkey"}).Draw(t, "assurance")
		r.SignInAge, r.Within = drawDuration(t), drawDuration(t)
		r.Reason, r.BreakGlass = rapid.Bool().Draw(t, "reason"), rapid.Bool().Draw(t, "breakGlass")
		r.BreakGlassByProposer = r.BreakGlass && rapid.Bool().Draw(t, "breakGlassByProposer")
	}
	return r
}

// drawDocument draws a valid document.
func drawDocument(t *rapid.T) (policy.Document, *policy.Policy) {
	var d policy.Document
	compiled, err := d.Compile()
	require.NoError(t, err)
	for i := range rapid.IntRange(0, 6).Draw(t, "rules") {
		longer := policy.Document{Rules: append(slices.Clone(d.Rules), drawRule(t, fmt.Sprint("rule ", i)))}
		if p, err := longer.Compile(); err == nil { // otherwise the rule is never reached
			d, compiled = longer, p
		}
	}
	return d, compiled
}

func drawFacts(t *rapid.T) policy.Facts {
	return policy.Facts{
		Type:         rapid.SampledFrom([]string{"a", "a.b", "a.c", "b", "c"}).Draw(t, "type"),
		Parameters:   json.RawMessage(rapid.SampledFrom([]string{``, `{}`, `{"n":1}`, `{"n":2}`, `{"n":"x"}`, `{"n":3}`}).Draw(t, "parameters")),
		Tags:         rapid.SampledFrom([]map[string]string{nil, {"env": "prod"}, {"env": "test", "timezone": "Asia/Tokyo"}, {"env": "prod", "site": "x"}}).Draw(t, "tags"),
		ProposerKind: rapid.SampledFrom([]string{policy.Person, policy.Program}).Draw(t, "kind"),
		ProposerRole: rapid.SampledFrom([]string{"operator", "approver", "admin"}).Draw(t, "role"),
		At:           friday.Add(time.Duration(rapid.IntRange(0, 72).Draw(t, "hours")) * time.Hour),
	}
}

// TestStricter_StrictestRuleHolds requires that the outcome of a floor and a tenant's policy is never
// looser than either of them.
func TestStricter_StrictestRuleHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		_, floor := drawDocument(t)
		_, tenant := drawDocument(t)
		facts := drawFacts(t)
		a, b := tenant.Judge(facts), floor.Judge(facts)
		both := policy.Stricter(a, b)
		require.False(t, both.IsLooser(a), "%+v is looser than the tenant's %+v", both, a)
		require.False(t, both.IsLooser(b), "%+v is looser than the floor's %+v", both, b)
		require.Equal(t, both.Effect, policy.Stricter(b, a).Effect)
		require.False(t, policy.Stricter(b, a).IsLooser(both) || both.IsLooser(policy.Stricter(b, a)), "the order of both decides")
	})
}

// TestDocument_LoosensFindsEachLooserOutcome requires that a change which is not reported to loosen a
// document requires at least as much of each command.
func TestDocument_LoosensFindsEachLooserOutcome(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before, old := drawDocument(t)
		after, now := drawDocument(t)
		if rapid.Bool().Draw(t, "related") {
			after, now = changed(t, before)
		}
		if len(after.Loosens(&before)) > 0 {
			return
		}
		for range 5 {
			facts := drawFacts(t)
			require.False(t, now.Judge(facts).IsLooser(old.Judge(facts)), "%+v", facts)
		}
	})
}

// changed returns a document that differs from another one in one rule, if it is valid.
func changed(t *rapid.T, d policy.Document) (policy.Document, *policy.Policy) {
	rules, at := slices.Clone(d.Rules), rapid.IntRange(0, len(d.Rules)).Draw(t, "at")
	r := drawRule(t, "changed")
	switch {
	case at < len(rules) && rapid.Bool().Draw(t, "replace"):
		rules[at] = r
	case at < len(rules) && rapid.Bool().Draw(t, "remove"):
		rules = slices.Delete(rules, at, at+1)
	default:
		rules = slices.Insert(rules, at, r)
	}
	after := policy.Document{Rules: rules}
	p, err := after.Compile()
	if err != nil {
		after = d
		p, err = after.Compile()
		require.NoError(t, err)
	}
	return after, p
}

func TestDocument_LoosensNothingWithStricterRules(t *testing.T) {
	t.Parallel()
	before, err := policy.Parse([]byte(example))
	require.NoError(t, err)
	require.Empty(t, before.Loosens(&before), "the same document")
	require.Equal(t, []string{"admins"}, before.Loosens(nil), "only break glass is looser than no document")

	stricter := policy.Document{Rules: slices.Clone(before.Rules)}
	stricter.Rules[0].Effect = policy.Review
	stricter.Rules[1].Approvals = 3
	stricter.Rules[4].BreakGlass = false
	stricter.Rules = slices.Insert(stricter.Rules, 1, policy.Rule{Name: "new", Types: []string{"firmware.*"}, Effect: policy.Deny})
	require.Empty(t, stricter.Loosens(&before))
	require.Equal(t, []string{"diagnostics", "reboot in production", "programs propose", "admins", "rest"}, before.Loosens(&stricter))
}

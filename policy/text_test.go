package policy_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fieldgate/fieldgate/policy"
)

func TestParseRequirement_ReadsEachCondition(t *testing.T) {
	t.Parallel()
	const text = "approvals=2,roles=approver|admin,assurance=aal2,signInAge=15m,within=1h30m,reason=true,breakGlass=true,breakGlassByProposer=true"
	needs, err := policy.ParseRequirement(text)
	require.NoError(t, err)
	require.Equal(t, policy.Requirement{
		Approvals: 2, Roles: []string{"approver", "admin"}, Assurance: "aal2", SignInAge: 15 * time.Minute, Within: 90 * time.Minute,
		Reason: true, BreakGlass: true, GlassByProposer: true,
	}, needs)
	require.Equal(t, text, needs.String())
}

func TestParseRequirement_BreakGlassIsAllowedForbiddenOrLeftToTenants(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]policy.Requirement{
		"approvals=2": {Approvals: 2}, "approvals=2,breakGlass=true": {Approvals: 2, BreakGlass: true},
		"approvals=2,breakGlass=false": {Approvals: 2, NoBreakGlass: true},
	} {
		needs, err := policy.ParseRequirement(text)
		require.NoError(t, err)
		require.Equal(t, want, needs, text)
	}
}

func TestParseRequirement_RefusesWhatARuleMayNotHave(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "not a condition", "approvals": "not a condition", "approvals=": "not a condition", "approvals=two": "not a condition",
		"approvals=0": "not a condition", "approvals=11": "approvals must be 1 to 10", "roles=viewer": "roles/0 must be approver or admin",
		"roles=": "not a condition", "assurance=aal1": "assurance must be aal2 or passkey", "signInAge=4": "signInAge must be a duration",
		"within=4 hours": "within must be a duration", "reason=yes": "not a condition", "reason": "not a condition",
		"breakGlassByProposer=true": "breakGlassByProposer must be false", "Approvals=2": "not a condition", "votes=2": "not a condition",
		"approvals=2,": "not a condition", "approvals=2,approvals=3": "given twice", "approvals=2;reason=true": "not a condition",
	} {
		_, err := policy.ParseRequirement(text)
		require.ErrorContains(t, err, want, text)
	}
}

// TestRequirement_TextIsComplete writes the conditions of a rule as text. They are the same when they are read
// again, so that a version of the floor that is computed from the text covers all of them.
func TestRequirement_TextIsComplete(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := policy.Document{Rules: []policy.Rule{drawRule(t, "rule")}}
		d.Rules[0].Effect, d.Rules[0].Types, d.Rules[0].Window = policy.Review, nil, nil
		d.Rules[0].Tags, d.Rules[0].Proposer, d.Rules[0].ProposerRoles, d.Rules[0].When = nil, "", nil, ""
		p, err := d.Compile()
		require.NoError(t, err)
		needs := p.Judge(policy.Facts{Type: "a"}).Needs
		read, err := policy.ParseRequirement(needs.String())
		require.NoError(t, err)
		needs.Approvals = read.Approvals // 0 and 1 mean the same
		require.Equal(t, needs, read)
	})
}

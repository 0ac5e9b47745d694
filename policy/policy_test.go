package policy_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/policy"
)

// example is the document of the design: it uses each matcher and each condition.
const example = `{"rules": [
  {"name": "diagnostics", "types": ["diagnostic.*"], "effect": "auto"},
  {"name": "reboot in production", "types": ["remediation.reboot"], "tags": {"env": "prod"},
   "effect": "review", "approvals": 2, "roles": ["approver"], "assurance": "passkey", "within": "4h", "reason": true,
   "window": {"days": "Mon-Fri", "from": "22:00", "to": "05:00", "zone": "device"}},
  {"name": "long delays", "when": "parameters.delay > 600", "effect": "deny"},
  {"name": "programs propose", "proposer": "program", "effect": "review", "approvals": 1},
  {"name": "admins", "proposerRoles": ["admin"], "effect": "review", "breakGlass": true, "signInAge": "1h"},
  {"name": "rest", "effect": "review"}]}`

func compile(t testing.TB, encoded string) *policy.Policy {
	t.Helper()
	d, err := policy.Parse([]byte(encoded))
	require.NoError(t, err)
	p, err := d.Compile()
	require.NoError(t, err)
	return p
}

// friday is a time in the window of the example in Europe/Berlin: a Friday at 23:30 there.
var friday = time.Date(2025, 11, 21, 22, 30, 0, 0, time.UTC)

func TestPolicy_FirstRuleThatMatchesApplies(t *testing.T) {
	t.Parallel()
	p := compile(t, example)
	prod := map[string]string{"env": "prod", "timezone": "Europe/Berlin"}
	for name, c := range map[string]struct {
		facts  policy.Facts
		rule   string
		effect policy.Effect
	}{
		"type":              {policy.Facts{Type: "diagnostic.ping"}, "diagnostics", policy.Auto},
		"tags and window":   {policy.Facts{Type: "remediation.reboot", Tags: prod, At: friday}, "reboot in production", policy.Review},
		"after midnight":    {policy.Facts{Type: "remediation.reboot", Tags: prod, At: friday.Add(4 * time.Hour)}, "reboot in production", policy.Review},
		"expression":        {policy.Facts{Type: "a", Parameters: json.RawMessage(`{"delay":601}`)}, "long delays", policy.Deny},
		"outside of window": {policy.Facts{Type: "remediation.reboot", Tags: prod, At: friday.Add(6 * time.Hour), Parameters: json.RawMessage(`{"delay":1}`)}, "rest", policy.Review},
		"other tag":         {policy.Facts{Type: "remediation.reboot", At: friday, Parameters: json.RawMessage(`{"delay":1}`)}, "rest", policy.Review},
		"kind of proposer":  {policy.Facts{Type: "a", ProposerKind: policy.Program, Parameters: json.RawMessage(`{"delay":600}`)}, "programs propose", policy.Review},
		"role of proposer":  {policy.Facts{Type: "a", ProposerRole: "admin", Parameters: json.RawMessage(`{"delay":0.5}`)}, "admins", policy.Review},
	} {
		got, why := p.Explain(c.facts)
		require.Equal(t, c.rule, got.Rule, name)
		require.Equal(t, c.effect, got.Effect, name)
		require.Equal(t, got, p.Judge(c.facts), name)
		require.Contains(t, why, c.rule, name)
	}
	got := p.Judge(policy.Facts{Type: "remediation.reboot", Tags: prod, At: friday})
	require.Equal(t, policy.Requirement{
		Approvals: 2, Roles: []string{"approver"}, Assurance: "passkey", Within: 4 * time.Hour, Reason: true, NoBreakGlass: true,
	}, got.Needs)
}

// TestPolicy_StricterOutcomeOfRuleThatCannotBeDecided judges commands of which a rule cannot know
// whether it matches: it lacks a parameter, a time zone, or the device and the proposer.
func TestPolicy_StricterOutcomeOfRuleThatCannotBeDecided(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rule  string
		facts policy.Facts
	}{
		"parameter":             {`"when": "parameters.delay > 600"`, policy.Facts{}},
		"type of parameter":     {`"when": "parameters.delay > 600"`, policy.Facts{Parameters: json.RawMessage(`{"delay":"long"}`)}},
		"zone":                  {`"window": {"from": "08:00", "to": "09:00", "zone": "device"}`, policy.Facts{At: friday}},
		"bad zone":              {`"window": {"from": "08:00", "to": "09:00", "zone": "device"}`, policy.Facts{At: friday, Tags: map[string]string{"timezone": "Local"}}},
		"tags":                  {`"tags": {"env": "prod"}`, policy.Facts{Partial: true}},
		"tags in an expression": {`"when": "tags.env == 'prod'"`, policy.Facts{Partial: true}},
		"proposer":              {`"proposer": "program"`, policy.Facts{Partial: true}},
		"role":                  {`"proposerRoles": ["admin"]`, policy.Facts{Partial: true}},
	} {
		for _, effects := range [][2]string{{"auto", "deny"}, {"deny", "auto"}} {
			p := compile(t, `{"rules":[{"name":"first",`+c.rule+`,"effect":"`+effects[0]+`"},{"name":"rest","effect":"`+effects[1]+`"}]}`)
			require.Equal(t, policy.Deny, p.Judge(c.facts).Effect, name)
			_, why := p.Explain(c.facts)
			require.Contains(t, why, `"first" may match`, name)
		}
	}
}

func TestPolicy_UnmatchedNeedsApproval(t *testing.T) {
	t.Parallel()
	for _, encoded := range []string{`{"rules":[]}`, `{"rules":[{"name":"a","types":["a"],"effect":"auto"}]}`} {
		got, why := compile(t, encoded).Explain(policy.Facts{Type: "b"})
		require.Equal(t, policy.Outcome{Effect: policy.Review, Needs: policy.Requirement{NoBreakGlass: true}}, got)
		require.Contains(t, why, "No rule matches")
	}
}

func TestParse_RefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, encoded := range []string{
		`{"rules":[],"extra":1}`, `{"Rules":[]}`, `{"rules":[],"rules":[]}`, `{"rules":[]} {}`, `[]`, `"a"`, `{"rules":{}}`,
		`{"rules":[{"name":"a","Effect":"auto"}]}`, `{"rules":[{"name":"a","name":"b"}]}`, `{"rules":[{"window":{"until":"1"}}]}`,
		`{"rules":[{"tags":{"a":"1","a":"2"}}]}`, ``, `{"rules":[`,
	} {
		_, err := policy.Parse([]byte(encoded))
		require.Error(t, err, encoded)
	}
}

// TestCompile_NamesFaultyPart requires the pointer to the part of a rule that is not valid.
func TestCompile_NamesFaultyPart(t *testing.T) {
	t.Parallel()
	const first = `{"name":"first","types":["a.*"],"effect":"auto"},`
	for rule, pointer := range map[string]string{
		`"name":""`:                                    "/name",
		`"name":" a"`:                                  "/name",
		`"name":"first"`:                               "/name",
		`"name":"a\u202eb"`:                            "/name",
		`"name":"a\u200bb"`:                            "/name",
		`"name":"a\u007fb"`:                            "/name",
		`"name":"\u3164"`:                              "/name",
		`"name":"a","effect":"allow"`:                  "/effect",
		`"name":"a","effect":"auto","approvals":2`:     "/effect",
		`"name":"a","effect":"deny","breakGlass":true`: "/effect",
		`"name":"a","effect":"review","breakGlassByProposer":true`:               "/breakGlassByProposer",
		`"name":"a","effect":"review","approvals":11`:                            "/approvals",
		`"name":"a","effect":"review","approvals":-1`:                            "/approvals",
		`"name":"a","effect":"review","roles":["viewer"]`:                        "/roles/0",
		`"name":"a","effect":"review","roles":["admin","admin"]`:                 "/roles/1",
		`"name":"a","effect":"review","assurance":"aal1"`:                        "/assurance",
		`"name":"a","effect":"review","within":"4 hours"`:                        "/within",
		`"name":"a","effect":"review","within":"1ms"`:                            "/within",
		`"name":"a","effect":"review","signInAge":"9999h"`:                       "/signInAge",
		`"name":"a","effect":"auto","types":["a b"]`:                             "/types/0",
		`"name":"a","effect":"auto","types":["a..*"]`:                            "/types/0",
		`"name":"a","effect":"auto","types":["*.a"]`:                             "/types/0",
		`"name":"a","effect":"auto","types":["b","b.*","b.c"]`:                   "/types/2",
		`"name":"a","effect":"auto","types":["b","b"]`:                           "/types/1",
		`"name":"a","effect":"auto","types":["b","a.x"]`:                         "/types/1",
		`"name":"a","effect":"auto","types":["a.b*"],"tags":{"env":"prod"}`:      "/types/0",
		`"name":"a","effect":"auto","tags":{"a b":"1"}`:                          "/tags",
		`"name":"a","effect":"auto","proposer":"device"`:                         "/proposer",
		`"name":"a","effect":"auto","proposerRoles":["viewer"]`:                  "/proposerRoles/0",
		`"name":"a","effect":"auto","window":{"days":"Monday"}`:                  "/window",
		`"name":"a","effect":"auto","window":{"from":"9:00","to":"10:00"}`:       "/window",
		`"name":"a","effect":"auto","window":{"from":"09:00"}`:                   "/window",
		`"name":"a","effect":"auto","window":{"from":"09:00","to":"09:00"}`:      "/window",
		`"name":"a","effect":"auto","window":{"from":"24:00","to":"01:00"}`:      "/window",
		`"name":"a","effect":"auto","window":{"zone":"Local"}`:                   "/window",
		`"name":"a","effect":"auto","window":{"zone":"Europe/Leipzig"}`:          "/window",
		`"name":"a","effect":"auto","when":"parameters.a.matches(parameters.b)"`: "/when",
		`"name":"a","effect":"auto","when":"parameters.a"`:                       "/when",
		`"name":"a","effect":"auto","when":"parameters.a ="`:                     "/when",
		`"name":"a","effect":"auto","when":"unknown == 1"`:                       "/when",
		`"name":"a","effect":"auto","when":"parameters.a.all(x, x > 1)"`:         "/when",
		`"name":"a","effect":"deny","when":"false"`:                              "/when",
		`"name":"a","effect":"deny","when":"1 == 2"`:                             "/when",
		`"name":"a","effect":"deny","when":"parameters.a == 1 && !true"`:         "/when",
	} {
		d, err := policy.Parse([]byte(`{"rules":[` + first + `{` + rule + `}]}`))
		require.NoError(t, err, rule)
		_, err = d.Compile()
		var invalid *policy.InvalidError
		require.ErrorAs(t, err, &invalid, rule)
		var pointers []string
		for _, f := range invalid.Faults {
			pointers = append(pointers, f.Pointer)
		}
		require.Contains(t, pointers, "/rules/1"+pointer, rule)
	}
}

func TestCompile_RefusesRuleThatIsNeverReached(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ first, second string }{
		{`"effect":"deny"`, `"effect":"auto"`},
		{`"effect":"deny"`, `"when":"parameters.a == 1","effect":"auto"`},
		{`"types":["*"],"effect":"deny"`, `"tags":{"env":"prod"},"effect":"auto"`},
		{`"tags":{"env":"prod"},"effect":"deny"`, `"tags":{"env":"prod","site":"a"},"effect":"auto"`},
		{`"proposerRoles":["admin","operator"],"effect":"deny"`, `"proposerRoles":["admin"],"effect":"auto"`},
		{`"when":"parameters.a == 1","effect":"deny"`, `"when":"parameters.a == 1","proposer":"person","effect":"auto"`},
		{`"window":{"days":"Mon"},"effect":"deny"`, `"window":{"days":"Mon"},"effect":"auto"`},
	} {
		d, err := policy.Parse([]byte(`{"rules":[{"name":"first",` + c.first + `},{"name":"second",` + c.second + `}]}`))
		require.NoError(t, err)
		_, err = d.Compile()
		require.ErrorContains(t, err, `/rules/1 is never reached: the rule "first"`, c.second)
		d.Rules[0], d.Rules[1] = d.Rules[1], d.Rules[0]
		if c.first[strings.Index(c.first, "\"effect"):] != c.first && d.Rules[0].Window == nil {
			_, err = d.Compile()
			require.NoError(t, err, "the other way round, both rules are reached")
		}
	}
}

// TestCompile_AcceptsConditionThatMayHold compiles expressions that are false without parameters and tags, and
// may be true with them, and names in many scripts.
func TestCompile_AcceptsConditionThatMayHold(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"true", "has(parameters.a)", "parameters.a == 1 || false", "tags.env == 'prod' && true", "'a' in parameters", "size(tags) > 1"} {
		d := policy.Document{Rules: []policy.Rule{{Name: "Größe 漢字 מים", Effect: policy.Auto, When: when}}}
		_, err := d.Compile()
		require.NoError(t, err, when)
	}
}

func TestCompile_IsBounded(t *testing.T) {
	t.Parallel()
	d := policy.Document{Rules: make([]policy.Rule, policy.MaxRules+1)}
	_, err := d.Compile()
	require.ErrorContains(t, err, "100 rules")
	_, err = policy.Parse(make([]byte, policy.MaxBytes+1))
	require.ErrorContains(t, err, "65537 bytes")
}

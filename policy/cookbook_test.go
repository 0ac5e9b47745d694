package policy_test

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/policy"
)

// outcome is a command and the decision of a recipe of the guide on it.
type outcome struct {
	facts policy.Facts
	rule  string
	want  policy.Effect
}

// at returns the facts of a command at a time.
func at(commandType, day string, tags map[string]string) policy.Facts {
	when, err := time.Parse(time.RFC3339, day)
	if err != nil {
		panic(err)
	}
	return policy.Facts{Type: commandType, At: when, Tags: tags}
}

// with returns the facts of a command with parameters.
func with(commandType, parameters string) policy.Facts {
	return policy.Facts{Type: commandType, Parameters: json.RawMessage(parameters)}
}

var berlin = map[string]string{"timezone": "Europe/Berlin"}

// recipes are the recipes of the guide, by their titles, each with commands that it decides on.
var recipes = map[string][]outcome{
	"Diagnostics run without approval": {
		{policy.Facts{Type: "diagnostic.ping"}, "diagnostics", policy.Auto}, {policy.Facts{Type: "a"}, "rest", policy.Review},
	},
	"Two users approve a reboot in production": {
		{policy.Facts{Type: "remediation.reboot", Tags: map[string]string{"env": "prod"}}, "reboot in production", policy.Review},
		{policy.Facts{Type: "remediation.reboot", Tags: map[string]string{"env": "test"}}, "rest", policy.Review},
	},
	"Programs never act alone": {
		{policy.Facts{Type: "a", ProposerKind: policy.Program}, "programs", policy.Review},
		{policy.Facts{Type: "a", ProposerKind: policy.Person}, "rest", policy.Auto},
	},
	"Programs may only diagnose": {
		{policy.Facts{Type: "diagnostic.ping", ProposerKind: policy.Program}, "programs diagnose", policy.Auto},
		{policy.Facts{Type: "a", ProposerKind: policy.Program}, "programs do nothing else", policy.Deny},
		{policy.Facts{Type: "diagnostic.ping", ProposerKind: policy.Person}, "rest", policy.Review},
	},
	"Restarts at night, by the clock of the device": {
		{at("service.restart", "2025-11-21T22:30:00Z", berlin), "at night", policy.Auto},
		{at("service.restart", "2025-11-21T03:59:00Z", berlin), "at night", policy.Auto},
		{at("service.restart", "2025-11-21T04:00:00Z", berlin), "by day", policy.Review},
		{at("service.restart", "2025-11-21T22:30:00Z", nil), "by day", policy.Review},
	},
	"No changes on weekends": {
		{at("a", "2025-11-22T12:00:00Z", nil), "weekend", policy.Deny},
		{at("a", "2025-11-21T23:30:00Z", nil), "weekend", policy.Deny},
		{at("a", "2025-11-21T22:30:00Z", nil), "rest", policy.Review},
		{at("diagnostic.ping", "2025-11-22T12:00:00Z", nil), "diagnostics", policy.Auto},
	},
	"A limit for a parameter": {
		{with("service.restart", `{"delaySeconds":600}`), "short", policy.Auto},
		{with("service.restart", `{"delaySeconds":601}`), "long", policy.Deny},
		{with("service.restart", `{}`), "long", policy.Deny},
	},
	"Only certain units": {
		{with("service.restart", `{"unit":"display"}`), "harmless units", policy.Auto},
		{with("service.restart", `{"unit":"sshd"}`), "rest", policy.Review},
		{with("service.restart", `{}`), "rest", policy.Review},
	},
	"Operators are reviewed, admins are not": {
		{policy.Facts{Type: "service.restart", ProposerRole: "admin"}, "admins", policy.Auto},
		{policy.Facts{Type: "service.restart", ProposerRole: "operator"}, "rest", policy.Review},
	},
	"Emergencies": {{policy.Facts{Type: "pump.stop"}, "pumps", policy.Review}, {policy.Facts{Type: "a"}, "rest", policy.Review}},
}

// TestGuide_EachRecipeDecidesAsItsTitleSays reads the recipes from the guide.
func TestGuide_EachRecipeDecidesAsItsTitleSays(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../docs/guides/policy.md")
	require.NoError(t, err)
	found := regexp.MustCompile("(?s)### ([^\n]+)\n\n(?:<!-- [^\n]*\n)?```json\n(.*?)```").FindAllStringSubmatch(string(guide), -1)
	require.Len(t, found, len(recipes))
	for _, recipe := range found {
		title := recipe[1]
		require.NotEmpty(t, recipes[title], title)
		p := compile(t, recipe[2])
		for _, c := range recipes[title] {
			got, why := p.Explain(c.facts)
			require.Equal(t, c.rule, got.Rule, "%s: %s", title, why)
			require.Equal(t, c.want, got.Effect, title)
		}
	}
	require.True(t, compile(t, found[len(found)-1][2]).Judge(policy.Facts{Type: "pump.stop"}).Needs.BreakGlass)
}

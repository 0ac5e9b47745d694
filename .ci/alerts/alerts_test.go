// Package alerts tests the alerts in the guide to operations with promtool, the test program of
// Prometheus. It contains only tests.
package alerts_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// guide is the file that lists the alerts.
const guide = "../../docs/guides/operations.md"

// ruleFile is a file of Prometheus with alerts.
type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

// rule is one alert. An empty field is not written, so that a rule can be written without its
// annotations.
type rule struct {
	Alert       string
	Expr        string
	For         string            `yaml:",omitempty"`
	Annotations map[string]string `yaml:",omitempty"`
}

// caseFile is the part of a file for `promtool test rules` that this test reads.
type caseFile struct {
	Tests []struct {
		Cases []struct {
			Alert    string `yaml:"alertname"`
			Expected []any  `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	}
}

// TestAlerts_HaveCases requires of each alert a case in which it fires and one in which it does
// not.
func TestAlerts_HaveCases(t *testing.T) {
	t.Parallel()
	var cases caseFile
	require.NoError(t, yaml.Unmarshal(read(t, "cases.yaml"), &cases))
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range cases.Tests {
		for _, c := range test.Cases {
			fires[c.Alert] = fires[c.Alert] || len(c.Expected) > 0
			silent[c.Alert] = silent[c.Alert] || len(c.Expected) == 0
		}
	}
	_, rules := alerts(t)
	for _, rule := range rules.Groups[0].Rules {
		require.True(t, fires[rule.Alert], "cases.yaml has no case in which %s fires", rule.Alert)
		require.True(t, silent[rule.Alert], "cases.yaml has no case in which %s does not fire", rule.Alert)
	}
}

func TestAlerts_FireInTheirCasesOnly(t *testing.T) {
	t.Parallel()
	text, rules := alerts(t)
	dir := t.TempDir()
	runPromtool(t, "check", "rules", write(t, dir, "guide.yaml", text))

	// A case would have to repeat the annotations of its alert.
	for i := range rules.Groups[0].Rules {
		rules.Groups[0].Rules[i].Annotations = nil
	}
	bare, err := yaml.Marshal(rules)
	require.NoError(t, err)
	write(t, dir, "rules.yaml", string(bare))
	runPromtool(t, "test", "rules", write(t, dir, "cases.yaml", string(read(t, "cases.yaml"))))
}

// alerts returns the alerts in the guide to operations, as text and parsed.
func alerts(t testing.TB) (text string, rules ruleFile) {
	t.Helper()
	_, text, found := strings.Cut(string(read(t, guide)), "<!-- alerts -->\n```yaml\n")
	require.True(t, found, "%s has no alerts", guide)
	text, _, _ = strings.Cut(text, "```\n")
	require.NoError(t, yaml.Unmarshal([]byte(text), &rules))
	require.Len(t, rules.Groups, 1)
	require.NotEmpty(t, rules.Groups[0].Rules)
	return text, rules
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return content
}

func write(t testing.TB, dir, name, content string) (path string) {
	t.Helper()
	path = filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func runPromtool(t testing.TB, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput()
	require.NoError(t, err, string(out))
}

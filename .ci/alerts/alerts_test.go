// Package alerts tests the alerts of deploy/prometheus with promtool, the test program of
// Prometheus. It contains only tests.
package alerts_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// These are the file with the rules, and the runbook to which alerts refer.
const (
	rulesPath   = "../../deploy/prometheus/rules.yaml"
	runbookPath = "../../docs/guides/runbook.md"
	runbookURL  = "https://github.com/fieldgate/fieldgate/blob/main/docs/guides/runbook.md#"
)

// caseFiles are the files with cases.
var caseFiles = []string{"cases.yaml", "cases-slow.yaml"}

// ruleFile is a file of Prometheus with rules.
type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

// rule is a recording rule or an alert. An empty field is not written, so that an alert can be written
// without its annotations.
type rule struct {
	Record      string `yaml:",omitempty"`
	Alert       string `yaml:",omitempty"`
	Expr        string
	For         string            `yaml:",omitempty"`
	Labels      map[string]string `yaml:",omitempty"`
	Annotations map[string]string `yaml:",omitempty"`
}

// alerts returns the rules that are alerts.
func (f ruleFile) alerts() (found []*rule) {
	for _, group := range f.Groups {
		for i := range group.Rules {
			if group.Rules[i].Alert != "" {
				found = append(found, &group.Rules[i])
			}
		}
	}
	return found
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
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, name := range caseFiles {
		var cases caseFile
		require.NoError(t, yaml.Unmarshal(read(t, name), &cases))
		for _, test := range cases.Tests {
			for _, c := range test.Cases {
				fires[c.Alert] = fires[c.Alert] || len(c.Expected) > 0
				silent[c.Alert] = silent[c.Alert] || len(c.Expected) == 0
			}
		}
	}
	for _, alert := range rules(t).alerts() {
		require.True(t, fires[alert.Alert], "there is no case in which %s fires", alert.Alert)
		require.True(t, silent[alert.Alert], "there is no case in which %s does not fire", alert.Alert)
	}
}

func TestAlerts_FireInTheirCasesOnly(t *testing.T) {
	t.Parallel()
	runPromtool(t, "check", "rules", rulesPath)
	dir, file := t.TempDir(), rules(t)
	for _, alert := range file.alerts() {
		alert.Labels, alert.Annotations = nil, nil // a case would have to repeat them
	}
	bare, err := yaml.Marshal(file)
	require.NoError(t, err)
	write(t, dir, "rules.yaml", string(bare))
	for _, name := range caseFiles {
		runPromtool(t, "test", "rules", write(t, dir, name, string(read(t, name))))
	}
}

// TestAlerts_LeadToRunbook requires that an alert names its severity, and a section that exists.
func TestAlerts_LeadToRunbook(t *testing.T) {
	t.Parallel()
	sections := map[string]bool{}
	for _, heading := range regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatch(string(read(t, runbookPath)), -1) {
		sections[strings.ReplaceAll(strings.ToLower(heading[1]), " ", "-")] = true
	}
	text := string(read(t, runbookPath))
	for _, alert := range rules(t).alerts() {
		require.Contains(t, []string{"critical", "warning"}, alert.Labels["severity"], alert.Alert)
		require.NotEmpty(t, alert.Annotations["summary"], alert.Alert)
		section, found := strings.CutPrefix(alert.Annotations["runbook_url"], runbookURL)
		require.True(t, found, alert.Alert)
		require.True(t, sections[section], "the runbook has no section %s for %s", section, alert.Alert)
		require.Contains(t, text, "`"+alert.Alert+"`", "the runbook does not name the alert")
	}
}

// rules returns the rules of the repository.
func rules(t testing.TB) (file ruleFile) {
	t.Helper()
	require.NoError(t, yaml.Unmarshal(read(t, rulesPath), &file))
	require.NotEmpty(t, file.alerts())
	return file
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

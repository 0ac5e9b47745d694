package gateway_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	declaredMetric = regexp.MustCompile(`Name:\s+"(fieldgate_[a-z_]+)"`)
	documentedRow  = regexp.MustCompile("(?m)^\\| `(fieldgate_[a-z_]+)` \\|")
	alertName      = regexp.MustCompile(`- alert: (\w+)`)
	alertRow       = regexp.MustCompile("(?m)^\\| `(Fieldgate[A-Za-z]+)` \\|")
	metricInAlert  = regexp.MustCompile(`fieldgate_[a-z_]+`)
)

// firsts are the first groups of all matches, sorted.
func firsts(expr *regexp.Regexp, text string) (found []string) {
	for _, match := range expr.FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	slices.Sort(found)
	return found
}

func TestOperationsGuide_ListsEveryMetricAndNoOther(t *testing.T) {
	t.Parallel()
	var declared []string
	files, err := filepath.Glob("../*/metrics.go")
	require.NoError(t, err)
	for _, path := range files {
		source, err := os.ReadFile(path)
		require.NoError(t, err)
		declared = append(declared, firsts(declaredMetric, string(source))...)
	}
	slices.Sort(declared)
	require.Greater(t, len(declared), 10)
	require.Equal(t, declared, firsts(documentedRow, operationsGuide(t)))
}

func TestOperationsGuide_ExplainsEveryAlert(t *testing.T) {
	t.Parallel()
	guide := operationsGuide(t)
	alerts := firsts(alertName, guide)
	require.NotEmpty(t, alerts)
	require.Equal(t, alerts, firsts(alertRow, guide))

	_, rules, _ := strings.Cut(guide, "<!-- alerts -->")
	rules, _, _ = strings.Cut(rules, "### What to do")
	for _, metric := range metricInAlert.FindAllString(rules, -1) {
		require.Contains(t, firsts(documentedRow, guide), strings.TrimSuffix(metric, "_bucket"))
	}
}

func operationsGuide(t testing.TB) string {
	t.Helper()
	guide, err := os.ReadFile("../docs/guides/operations.md")
	require.NoError(t, err)
	return string(guide)
}

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

// submatches returns the first group of every match, sorted.
func submatches(expr *regexp.Regexp, text string) (found []string) {
	for _, match := range expr.FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	slices.Sort(found)
	return found
}

func TestOperationsGuide_ListsEveryMetricAndNoOther(t *testing.T) {
	t.Parallel()
	var declared []string
	files, err := filepath.Glob("../*/*metrics.go")
	require.NoError(t, err)
	for _, path := range files {
		source, err := os.ReadFile(path)
		require.NoError(t, err)
		declared = append(declared, submatches(declaredMetric, string(source))...)
	}
	slices.Sort(declared)
	require.Greater(t, len(declared), 10)
	require.Equal(t, declared, submatches(documentedRow, operationsGuide(t)))
}

func TestOperationsGuide_ExplainsEveryAlert(t *testing.T) {
	t.Parallel()
	guide := operationsGuide(t)
	rules, err := os.ReadFile("../deploy/prometheus/rules.yaml")
	require.NoError(t, err)
	alerts := submatches(alertName, string(rules))
	require.NotEmpty(t, alerts)
	require.Equal(t, alerts, submatches(alertRow, guide))

	documented := submatches(documentedRow, guide)
	for _, metric := range metricInAlert.FindAllString(string(rules), -1) {
		if histogram, ok := strings.CutSuffix(metric, "_count"); ok {
			metric = histogram
		}
		require.Contains(t, documented, strings.TrimSuffix(metric, "_bucket"))
	}
}

func operationsGuide(t testing.TB) string {
	t.Helper()
	guide, err := os.ReadFile("../docs/guides/operations.md")
	require.NoError(t, err)
	return string(guide)
}

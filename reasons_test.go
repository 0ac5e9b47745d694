package fieldgate_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
)

// reasons returns the reasons of reasons.go.
func reasons(t *testing.T) (words []string) {
	t.Helper()
	for _, match := range regexp.MustCompile(`Reason = "([^"]+)"`).FindAllStringSubmatch(read(t, "reasons.go"), -1) {
		words = append(words, match[1])
	}
	require.Greater(t, len(words), 20)
	return words
}

func TestReasons_ListHasEachOne(t *testing.T) {
	t.Parallel()
	var listed []string
	for _, reason := range fieldgate.Reasons() {
		listed = append(listed, string(reason))
	}
	require.Equal(t, reasons(t), listed)
}

// TestReasons_EachScriptNamesAKnownOne fails for a script that refuses a credential without a
// reason, or with one that reasons.go does not have.
func TestReasons_EachScriptNamesAKnownOne(t *testing.T) {
	t.Parallel()
	refusal := regexp.MustCompile(`refuse\('(?:unauthorized|invalid_credentials|invalid_activation_code)'(?:, '([a-z_]+)')?`)
	found := 0
	for _, file := range luaFiles(t) {
		for _, match := range refusal.FindAllStringSubmatch(read(t, file), -1) {
			require.Contains(t, reasons(t), match[1], "%s: %s", file, match[0])
			found++
		}
	}
	require.Greater(t, found, 8)
}

// TestReasons_AreDocumented compares reasons.go with the guide to operations.
func TestReasons_AreDocumented(t *testing.T) {
	t.Parallel()
	_, section, found := strings.Cut(read(t, "docs/guides/operations.md"), "\n### Why a credential was refused\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	var rows []string
	for _, match := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(section, -1) {
		rows = append(rows, match[1])
	}
	words := reasons(t)
	slices.Sort(words)
	slices.Sort(rows)
	require.Equal(t, words, rows)
}

package fieldgate_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/yuin/gopher-lua/parse"
	"go.yaml.in/yaml/v3"
)

// mutant is a mutation that a test must detect. See .ci/mutants.
type mutant struct{ Name, File, Find, Replace, Package, Test string }

// TestMutants_MatchSource requires that each mutation still applies to the source, and that
// its tests exist. Otherwise the mutation would prove nothing.
func TestMutants_MatchSource(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(".ci/mutants/mutants.yaml")
	require.NoError(t, err)
	var mutants []mutant
	require.NoError(t, yaml.Unmarshal(text, &mutants))
	require.GreaterOrEqual(t, len(mutants), 60)
	names := map[string]bool{}
	tests := map[string]string{}
	for _, m := range mutants {
		require.False(t, names[m.Name], "two mutations have the name %q", m.Name)
		names[m.Name] = true
		whole, err := os.ReadFile(m.File)
		require.NoError(t, err, m.Name)
		require.Equal(t, 1, strings.Count(string(whole), m.Find), "%q in %s", m.Name, m.File)
		requireParsable(t, m, strings.Replace(string(whole), m.Find, m.Replace, 1))
		if tests[m.Package] == "" {
			tests[m.Package] = testsOf(t, m.Package)
		}
		for name := range strings.SplitSeq(m.Test, "|") {
			require.Regexp(t, regexp.MustCompile(`func `+name), tests[m.Package], m.Name)
		}
	}
}

// requireParsable requires that a mutated script parses. A syntax error proves nothing
// about the tests.
func requireParsable(t *testing.T, m mutant, broken string) {
	t.Helper()
	if filepath.Ext(m.File) == ".lua" {
		_, err := parse.Parse(strings.NewReader(broken), m.Name)
		require.NoError(t, err, m.Name)
	}
}

// testsOf returns the source of all tests of a package.
func testsOf(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	require.NoError(t, err)
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		all.Write(text)
	}
	return all.String()
}

package model_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/stretchr/testify/require"
)

// root is the root directory of the repository.
const root = "../.."

// TestInvariants_ArePublishedWithTests checks docs/guarantees.md. The page must list each
// invariant together with a test. Every test on the page must exist.
func TestInvariants_ArePublishedWithTests(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "docs", "guarantees.md"))
	require.NoError(t, err)
	tests := readTests(t)
	for _, name := range queue.Invariants() {
		_, row, found := strings.Cut(string(page), "| `"+string(name)+"` |")
		require.True(t, found, "%s is not published", name)
		row, _, _ = strings.Cut(row, "\n")
		require.Contains(t, row, "`Test", "no test is named for %s", name)
	}
	for _, named := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(page), -1) {
		require.Contains(t, tests, "func "+named[1]+"(", "docs/guarantees.md names a test that does not exist")
	}
}

// readTests returns the text of all test files of the repository.
func readTests(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	}))
	return all.String()
}

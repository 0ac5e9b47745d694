package model_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue/model"
)

// root is the repository.
const root = "../.."

// A promise that is published has a test, and the test is there.
func TestEveryPromiseIsPublishedWithATestThatExists(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "docs", "guarantees.md"))
	require.NoError(t, err)
	tests := testsOfTheRepository(t)
	for _, name := range model.Invariants() {
		_, row, found := strings.Cut(string(page), "| `"+string(name)+"` |")
		require.True(t, found, "%s is not published", name)
		row, _, _ = strings.Cut(row, "\n")
		require.Contains(t, row, "`Test", "%s has no test", name)
	}
	for _, named := range regexp.MustCompile("`(Test[A-Za-z0-9_]+)`").FindAllStringSubmatch(string(page), -1) {
		require.Contains(t, tests, "func "+named[1]+"(", "there is no such test")
	}
}

// testsOfTheRepository is the text of all files with tests.
func testsOfTheRepository(t *testing.T) string {
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

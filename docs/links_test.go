package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/docs"
)

var (
	// link matches the destination of a Markdown link.
	link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

	// code matches code blocks and inline code. Links in code are ignored.
	code = regexp.MustCompile("(?ms)^```.*?^```$|`[^`\n]+`")
)

func TestMarkdown_LinksHaveTargets(t *testing.T) {
	t.Parallel()
	found := 0
	for _, file := range markdownFiles(t) {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		text := code.ReplaceAllString(string(content), "x")
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(match[1], "://") {
				continue
			}
			requireTarget(t, file, match[1])
			found++
		}
	}
	require.Greater(t, found, 20)
}

// markdownFiles returns all Markdown files of the repository.
func markdownFiles(t testing.TB) (files []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		if entry.IsDir() && (name == "node_modules" || strings.HasPrefix(name, ".") && name != "..") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(name, ".md") {
			files = append(files, path)
		}
		return err
	}))
	return files
}

// requireTarget fails the test if a link leads to a file or a heading that does not exist.
func requireTarget(t testing.TB, from, link string) {
	t.Helper()
	path, anchor, _ := strings.Cut(link, "#")
	target := from
	if path != "" {
		target = filepath.Join(filepath.Dir(from), path)
	}
	_, err := os.Stat(target)
	require.NoError(t, err, "%s links to %s", from, link)
	if anchor == "" {
		return
	}
	content, err := os.ReadFile(target)
	require.NoError(t, err)
	document, err := docs.Render("x", content)
	require.NoError(t, err)
	require.True(t, strings.Contains(string(document.HTML), `id="`+anchor+`"`), "%s links to %s, which has no such heading", from, link)
}

package docs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sample is a block of code in a Markdown file. A comment above the block annotates it:
//
//	<!-- the gateway -->        not run, because the test has already started the gateway
//	<!-- in the background -->  runs in the background while the next samples run
//	<!-- not run: why -->       not run, for the given reason
//	<!-- rehearsed: what -->    run by TestRestore_RehearsesGuide and TestRunbook in cmd/fieldgate, or by the tests in gateway/supabase
//	<!-- schema: Problem -->    JSON that matches a schema of openapi.yaml
//	<!-- frame: claim -->       JSON that matches a frame of asyncapi.yaml
//	<!-- typescript -->         compiled and run in clients/typescript/test/readme.test.ts
//	<!-- file: c/client.c -->   the whole file of clients/examples, which make generate copies
//
// All other shell and Go samples of a file are run in order, in one shell.
type sample struct {
	language, text string
	annotation     string // the text of the comment, or ""
	line           int    // number of the line on which the block begins
}

// sampledFiles returns the Markdown files whose samples are tested.
func sampledFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("guides/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return append(files, "../README.md")
}

// annotation matches the line of an annotation.
var annotation = regexp.MustCompile(`^<!-- (.+) -->$`)

// samplesOf returns the samples of a file.
func samplesOf(t testing.TB, file string) (samples []sample) {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	var open *sample
	next := "" // the annotation of the next block
	for i, line := range strings.Split(string(content), "\n") {
		language, fence := strings.CutPrefix(line, "```")
		switch {
		case open != nil && fence:
			samples, open, next = append(samples, *open), nil, ""
		case open != nil:
			open.text += line + "\n"
		case fence:
			open = &sample{language: language, annotation: next, line: i + 1}
		case annotation.MatchString(line):
			next = annotation.FindStringSubmatch(line)[1]
		case line != "":
			next = ""
		}
	}
	require.Nil(t, open, "a block of %s is not closed", file)
	return samples
}

// isRehearsed reports whether another test runs the sample.
func (s sample) isRehearsed() bool { return strings.HasPrefix(s.annotation, "rehearsed: ") }

// has reports whether the sample has an annotation.
func (s sample) has(text string) bool { return s.annotation == text }

// reason returns the reason why the sample is not run. It returns false if the sample is run.
func (s sample) reason() (string, bool) { return strings.CutPrefix(s.annotation, "not run: ") }

func TestSamples_AreTestedOrHaveReason(t *testing.T) {
	t.Parallel()
	skipped, all := 0, 0
	for _, file := range sampledFiles(t) {
		for _, s := range samplesOf(t, file) {
			at := fmt.Sprintf("%s:%d", file, s.line)
			all++
			switch s.language {
			case "sh", "go":
				if reason, skip := s.reason(); skip {
					require.Greater(t, len(reason), 10, at)
					skipped++
				} else if !s.isRehearsed() {
					require.Contains(t, []string{"", "the gateway", "in the background"}, s.annotation, at)
				}
			case "json":
				require.Regexp(t, `^(schema|frame): \w+$`, s.annotation, at)
			case "ts":
				require.Equal(t, "typescript", s.annotation, at)
			case "c", "python":
				require.Regexp(t, `^file: `, s.annotation, at) // see TestSamples_AreWholeFiles
			case "sql":
				require.True(t, s.isRehearsed(), at)
			default:
				require.Equal(t, "text", s.language, "%s: a block must name its language", at)
			}
		}
	}
	require.Greater(t, all, 30)
	require.LessOrEqual(t, skipped, 6, "most samples must run")
}

// fileSample matches a sample that is a file of clients/examples: the annotation with the name of
// the file, the first line of the block, and the content.
var fileSample = regexp.MustCompile("(?s)(<!-- file: (\\S+) -->\n```\\w+\n)(.*?)(```\n)")

// TestSamples_AreWholeFiles requires that each sample that names a file has its content.
// FIELDGATE_TEST_WRITE_SAMPLES=yes copies the files into the guides.
func TestSamples_AreWholeFiles(t *testing.T) {
	t.Parallel()
	found := 0
	for _, guide := range sampledFiles(t) {
		text, err := os.ReadFile(guide)
		require.NoError(t, err)
		updated := fileSample.ReplaceAllStringFunc(string(text), func(block string) string {
			found++
			parts := fileSample.FindStringSubmatch(block)
			content, err := os.ReadFile(filepath.Join("../clients/examples", parts[2]))
			require.NoError(t, err)
			return parts[1] + string(content) + parts[4]
		})
		if os.Getenv("FIELDGATE_TEST_WRITE_SAMPLES") != "" && updated != string(text) {
			require.NoError(t, os.WriteFile(guide, []byte(updated), 0o600))
		} else {
			require.True(t, updated == string(text), "%s differs from clients/examples: make generate", guide)
		}
	}
	require.Equal(t, 6, found)
}

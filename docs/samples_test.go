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

// sample is a block of code in a text. What is said of it stands in a comment above it:
//
//	<!-- the gateway -->        starts the gateway, which the test has done already
//	<!-- in the background -->  goes on while the next samples run
//	<!-- not run: why -->       cannot run here
//	<!-- schema: Problem -->    JSON that follows a schema of openapi.yaml
//	<!-- frame: claim -->       JSON that is a frame of asyncapi.yaml
//	<!-- typescript -->         is compiled and run by clients/typescript/test/readme.test.ts
//
// All others are run, in their order, in one shell for each text.
type sample struct {
	language, text, said string
	line                 int
}

// texts are the files whose samples are tested.
func texts(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("guides/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return append(files, "../README.md")
}

var remark = regexp.MustCompile(`^<!-- (.+) -->$`)

// samplesOf reads the blocks of a text.
func samplesOf(t testing.TB, file string) (samples []sample) {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	var open *sample
	said := ""
	for i, line := range strings.Split(string(content), "\n") {
		language, fence := strings.CutPrefix(line, "```")
		switch {
		case open != nil && fence:
			samples, open, said = append(samples, *open), nil, ""
		case open != nil:
			open.text += line + "\n"
		case fence:
			open = &sample{language: language, said: said, line: i + 1}
		case remark.MatchString(line):
			said = remark.FindStringSubmatch(line)[1]
		case line != "":
			said = ""
		}
	}
	require.Nil(t, open, "a block of %s does not end", file)
	return samples
}

func (s sample) says(what string) bool { return s.said == what }

func (s sample) reason() (string, bool) { return strings.CutPrefix(s.said, "not run: ") }

func TestEverySampleIsTestedOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	left, all := 0, 0
	for _, file := range texts(t) {
		for _, s := range samplesOf(t, file) {
			at := fmt.Sprintf("%s:%d", file, s.line)
			all++
			switch s.language {
			case "sh", "go":
				if reason, not := s.reason(); not {
					require.Greater(t, len(reason), 10, at)
					left++
				} else {
					require.Contains(t, []string{"", "the gateway", "in the background"}, s.said, at)
				}
			case "json":
				require.Regexp(t, `^(schema|frame): \w+$`, s.said, at)
			case "yaml":
				require.Equal(t, "alerts", s.said, at)
			case "ts":
				require.Equal(t, "typescript", s.said, at)
			default:
				require.Equal(t, "text", s.language, "%s: a block must say what it is", at)
			}
		}
	}
	require.Greater(t, all, 30)
	require.LessOrEqual(t, left, 6, "most samples must run")
}

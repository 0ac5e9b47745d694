// Command comments checks that comments in Go, Lua and TypeScript files follow
// docs/contributing/style.md. It prints one line for each violation, and exits with 1 if
// there is any.
//
//	go run ./.ci/comments [directory...]
//
// It finds only violations that a pattern can match: a doc comment whose subject is not the
// declared name, the verbs and pronouns that the style replaces, and definitions that begin
// with "is what". Only a reader can judge whether a sentence is plain.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A finding is a comment that violates the style.
type finding struct {
	file   string
	line   int
	reason string
	text   string // first line of the comment
}

func (f finding) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", f.file, f.line, f.reason, f.text)
}

func main() {
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: comments [directory...]")
	}
	flag.Parse()
	found, err := check(flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "comments:", err)
		os.Exit(2)
	}
	for _, f := range found {
		fmt.Println(f)
	}
	if len(found) > 0 {
		fmt.Printf("%d comments to rewrite: see docs/contributing/style.md\n", len(found))
		os.Exit(1)
	}
}

// check returns the findings in the files in the given directories. It reads only hand-written
// files that git tracks. Without directories it checks the whole repository.
func check(directories []string) (found []finding, err error) {
	files, err := listFiles(directories)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue // the file was deleted, but the deletion is not committed yet
		}
		if err != nil {
			return nil, err
		}
		more, err := checkFile(file, string(text))
		if err != nil {
			return nil, fmt.Errorf("reading the comments of %s: %w", file, err)
		}
		found = append(found, more...)
	}
	return found, nil
}

func listFiles(directories []string) ([]string, error) {
	args := append([]string{"ls-files", "-co", "--exclude-standard", "--"}, directories...)
	out, err := exec.Command("git", args...).Output()
	if err != nil {
		return nil, fmt.Errorf("listing the files that git knows: %w", err)
	}
	var files []string
	for _, file := range strings.Fields(string(out)) {
		if !strings.Contains(file, ".gen.") && !strings.HasPrefix(file, "api/console/") {
			files = append(files, file)
		}
	}
	return files, nil
}

// checkFile returns the findings in one file. It returns none for a file in a language that it
// does not know.
func checkFile(file, text string) ([]finding, error) {
	var comments []comment
	var err error
	switch filepath.Ext(file) {
	case ".go":
		comments, err = goComments(file, text)
	case ".lua":
		comments = luaComments(text)
	case ".ts", ".tsx":
		comments = tsComments(text)
	}
	if err != nil {
		return nil, err
	}
	var found []finding
	for _, c := range comments {
		if reason := fault(c); reason != "" {
			first, _, _ := strings.Cut(c.text, "\n")
			found = append(found, finding{file, c.line, reason, first})
		}
	}
	return found, nil
}

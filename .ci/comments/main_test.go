package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// planted holds comments that break a rule. The field reason is a part of the reason that
// check must report.
var planted = map[string]struct{ file, text, reason string }{
	"no name":           {"a.go", "package a\n\n// Returns the answer.\nfunc Answer() {}\n", "does not begin with Answer"},
	"another name":      {"a.go", "package a\n\n// Question returns it.\nfunc Answer() {}\n", "does not begin with Answer"},
	"method":            {"a.go", "package a\n\n// It returns it.\nfunc (T) Answer() {}\n", "does not begin with Answer"},
	"type":              {"a.go", "package a\n\n// Somewhere to keep things.\ntype Store struct{}\n", "does not begin with Store"},
	"constant":          {"a.go", "package a\n\n// Seconds between two pings.\nconst pingEvery = 25\n", "does not begin with pingEvery"},
	"constant in group": {"a.go", "package a\n\nconst (\n\t// Seconds between two pings.\n\tpingEvery = 25\n)\n", "does not begin with pingEvery"},
	"gives":             {"a.go", "package a\n\n// Answer gives the answer.\nfunc Answer() {}\n", "the verb is gives"},
	"tells":             {"a.go", "package a\n\n// Answer tells whether it is.\nfunc Answer() {}\n", "the verb is tells"},
	"says":              {"a.go", "package a\n\n// Answer says if it is.\nfunc Answer() {}\n", "the verb is says"},
	"answers":           {"a.go", "package a\n\n// Answer answers a request.\nfunc Answer() {}\n", "the verb is answers"},
	"bare verb":         {"a.go", "package a\n\n// Makes two of them.\nconst a, b = 1, 2\n", "begins with a verb"},
	"is what":           {"a.go", "package a\n\n// answer is what came back.\ntype answer struct{}\n", `defines by "is what"`},
	"is how":            {"a.go", "package a\n\n// tries is how often it is tried.\nconst tries = 3\n", `defines by "is how"`},
	"are what":          {"a.go", "package a\n\n// answers are what came back.\nvar answers = 1\n", `defines by "are what"`},
	"whoever":           {"a.go", "package a\n\nfunc f() {\n\t_ = 1 // for whoever reads it\n}\n", `"whoever" names no subject`},
	"nobody":            {"a.go", "package a\n\n// Nobody reads this.\n\nfunc f() {}\n", `"nobody" names no subject`},
	"somebody":          {"a.go", "package a\n\n// f wakes somebody.\nfunc f() {}\n", `"somebody" names no subject`},
	"Lua function":      {"a.lua", "-- Returns the fence.\nlocal function fence(c)\nend\n", "does not begin with fence"},
	"Lua constant":      {"a.lua", "-- The number of claims.\nlocal CLAIMS_CAP = 3\n", "does not begin with CLAIMS_CAP"},
	"Lua verb":          {"a.lua", "-- fence tells whether it is.\nlocal function fence(c)\nend\n", "the verb is tells"},
	"TypeScript":        {"a.ts", "/** Gives the answer. */\nexport const answer = 1;\n", "begins with a verb"},
	"TypeScript block":  {"a.tsx", "/**\n * Answers whoever asks.\n */\nexport const answer = 1;\n", `"whoever" names no subject`},
}

func TestCheckFile_FindsPlantedComments(t *testing.T) {
	t.Parallel()
	for name, c := range planted {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := checkFile(c.file, c.text)
			require.NoError(t, err)
			require.Len(t, found, 1)
			require.Contains(t, found[0].String(), c.reason)
		})
	}
}

// good holds comments that follow the style.
var good = map[string]struct{ file, text string }{
	"function":     {"a.go", "package a\n\n// Answer returns the answer. It gives up after a second.\nfunc Answer() {}\n"},
	"article":      {"a.go", "package a\n\n// A Store keeps commands.\ntype Store struct{}\n"},
	"plural":       {"a.go", "package a\n\n// Stores keep commands.\ntype Store struct{}\n"},
	"possessive":   {"a.go", "package a\n\n// Store's zero value is empty.\ntype Store struct{}\n"},
	"group":        {"a.go", "package a\n\n// The bounds of a request.\nconst (\n\tlow = 1\n\thigh = 2\n)\n"},
	"pair":         {"a.go", "package a\n\n// The bounds of a request.\nconst low, high = 1, 2\n"},
	"unused value": {"a.go", "package a\n\n// Thing must implement it.\nvar _ = 1\n"},
	"field":        {"a.go", "package a\n\ntype a struct {\n\t// The number of tries.\n\ttries int\n}\n"},
	"inline":       {"a.go", "package a\n\nfunc f() {\n\t// It tells whether this is so.\n\t_ = 1\n}\n"},
	"package":      {"a.go", "// Package a keeps commands.\npackage a\n"},
	"directive":    {"a.go", "package a\n\n//go:generate echo\n\nfunc f() {}\n"},
	"string":       {"a.go", "package a\n\nconst text = `// whoever`\n"},
	"Lua":          {"a.lua", "-- fence returns the state of the claim.\nlocal function fence(c)\nend\n"},
	"Lua header":   {"a.lua", "--@include lease\n-- Extends a lease.\n-- KEYS: the record.\nlocal c = 1\n"},
	"TypeScript":   {"a.ts", "/** The client of the gateway. */\nexport class Client {}\n"},
	"other files":  {"a.md", "Whoever reads this.\n"},
}

func TestCheckFile_AcceptsGoodComments(t *testing.T) {
	t.Parallel()
	for name, c := range good {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := checkFile(c.file, c.text)
			require.NoError(t, err)
			require.Empty(t, found)
		})
	}
}

func TestCheckFile_ReportsPosition(t *testing.T) {
	t.Parallel()
	found, err := checkFile("a.go", "package a\n\n// f is good.\nfunc f() {}\n\n// g tells\n// something.\nfunc g() {}\n")
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, "a.go:6: the verb is tells: g tells", found[0].String())
}

func TestCheckFile_RefusesInvalidGo(t *testing.T) {
	t.Parallel()
	_, err := checkFile("a.go", "package")
	require.ErrorContains(t, err, "a.go")
}

// TestCheck_ReadsHandWrittenFiles changes the working directory, so it is not parallel.
func TestCheck_ReadsHandWrittenFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	const bad = "package a\n\n// f tells nothing.\nfunc f() {}\n"
	for _, file := range []string{"in/a.go", "in/new.go", "in/deleted.go", "in/a.gen.go", "in/ignored.go", "out/a.go"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(bad), 0o600))
	}
	require.NoError(t, os.WriteFile(".gitignore", []byte("ignored.go\n"), 0o600))
	git(t, "init", "-q")
	git(t, "add", "in/a.go", "in/deleted.go", "in/a.gen.go", "out/a.go")
	require.NoError(t, os.Remove("in/deleted.go"))

	found, err := check([]string{"in"})
	require.NoError(t, err)
	var files []string
	for _, f := range found {
		files = append(files, f.file)
	}
	require.ElementsMatch(t, []string{"in/a.go", "in/new.go"}, files)
}

func git(t testing.TB, args ...string) {
	t.Helper()
	out, err := exec.Command("git", args...).CombinedOutput()
	require.NoError(t, err, strings.TrimSpace(string(out)))
}

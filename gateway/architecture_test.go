package gateway_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/fieldgate/fieldgate"

// allowedImports lists, for every package of the program, the other packages of the
// module that it may import. "." is the root package with the errors and the contract.
// A new package needs a row, with as few names as possible.
var allowedImports = map[string]string{
	".":                   "",
	"docs":                ".",
	"diagnosis":           "",
	"tracing":             ".",
	"logs":                "api/request",
	"store":               ". diagnosis tracing",
	"refusal":             ". store",
	"quota":               "store",
	"queue":               ". approver approver/lua customer/lua device/lua passkey policy quota receipt recent recordkey refusal seal store tenantpolicy tracing",
	"policy":              ".",
	"passkey":             "",
	"recordkey":           "",
	"approver":            ". customer/lua passkey recordkey refusal store",
	"approver/lua":        "store",
	"tenantpolicy":        ". customer/lua policy recent recordkey refusal store",
	"receipt":             ". passkey",
	"queue/model":         "queue store", // used by tests only
	"queue/lua":           "store",
	"credential":          "",
	"seal":                "",
	"recent":              "",
	"session":             ". quota refusal store queue/lua",
	"session/lua":         "store",
	"device":              ". credential quota recent refusal seal store queue/lua session/lua",
	"device/lua":          "store",
	"ratelimit":           ". recent refusal store",
	"customer":            ". credential diagnosis refusal store",
	"customer/issuer":     "",
	"customer/lua":        "store",
	"generated":           ".",
	"api/request":         ". tracing",
	"api/problem":         ". api/request",
	"api/schema":          ".",
	"api":                 ". api/problem api/request api/schema docs generated listen tracing",
	"verify":              "device queue quota session store",
	"erase":               ". approver customer device queue realtime session store",
	"handlers":            ". api/request api/schema approver realtime customer device generated passkey policy queue quota receipt session store tenantpolicy tracing",
	"listen":              "",
	"gateway/admin":       "listen logs",
	"gateway":             ". approver passkey api api/problem api/request realtime customer device diagnosis gateway/admin handlers listen logs queue quota ratelimit receipt refusal session store tenantpolicy tracing",
	"clients/examples":    "", // contains tests only
	"deploy/image":        "", // contains tests only
	"deploy/packages":     "", // contains tests only
	"deploy/release":      "", // contains tests only
	"gateway/measure":     "", // contains tests only
	"gateway/monitoring":  "", // contains tests only
	"gateway/faults":      "", // contains tests only
	"gateway/stores":      "", // contains tests only
	"gateway/supabase":    "", // contains tests only
	"cmd/fieldgate":       "gateway listen logs cmd/program cmd/program/manual cmd/fieldgate-agent/settings cmd/fieldgate/admin cmd/fieldgate/connection customer customer/issuer device diagnosis queue quota ratelimit store clients/go clients/go/agent clients/go/passkeytest",
	"cmd/fieldgate-agent": "diagnosis clients/go clients/go/agent cmd/fieldgate-agent/diagnostics cmd/fieldgate-agent/remediation cmd/fieldgate-agent/settings cmd/program cmd/program/manual",
	"cmd/fieldgate-load":  "cmd/fieldgate-load/fleet cmd/fieldgate-load/report cmd/fieldgate-load/scenario cmd/fieldgate-load/site cmd/program",
	"cmd/program":         "",
	"cmd/program/manual":  "",

	"cmd/fieldgate/admin":             ". cmd/fieldgate/connection handlers generated realtime customer device session queue policy tenantpolicy quota ratelimit store verify erase",
	"cmd/fieldgate/connection":        "store",
	"cmd/fieldgate-agent/diagnostics": "clients/go clients/go/agent cmd/fieldgate-agent/process",
	"cmd/fieldgate-agent/remediation": "clients/go/agent cmd/fieldgate-agent/process cmd/fieldgate-agent/settings",
	"cmd/fieldgate-agent/settings":    "",
	"cmd/fieldgate-agent/process":     "clients/go/agent",
	"cmd/fieldgate-load/fleet":        "clients/go cmd/fieldgate-load/report cmd/fieldgate-load/scenario",
	"cmd/fieldgate-load/report":       "clients/go",
	"cmd/fieldgate-load/scenario":     "",
	"cmd/fieldgate-load/site":         "cmd/fieldgate-load/report",
	"realtime":                        ". refusal store tracing device/lua",
}

// imports returns, for each package in a directory, the packages of the module that the
// package imports.
func imports(t testing.TB, dir string) map[string][]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...")
	cmd.Dir = dir
	out, err := cmd.Output()
	require.NoError(t, err)
	found := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		name := packageName(fields[0])
		found[name] = nil
		for _, imported := range fields[1:] {
			if imported == module || strings.HasPrefix(imported, module+"/") {
				found[name] = append(found[name], packageName(imported))
			}
		}
	}
	return found
}

// packageName returns an import path relative to the module.
func packageName(path string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}

func TestArchitecture_ImportsRunOneWay(t *testing.T) {
	t.Parallel()
	for name, imported := range imports(t, "..") {
		if strings.HasSuffix(name, "test") {
			continue // test helpers may import what they test
		}
		allowed, known := allowedImports[name]
		require.True(t, known, "package %s has no row in allowedImports", name)
		require.Subset(t, strings.Fields(allowed), imported, "imports of %s", name)
	}
}

// TestArchitecture_ProgramImportsNoTestHelper excepts the passkeys in software, with which the demonstration
// shows what a device accepts.
func TestArchitecture_ProgramImportsNoTestHelper(t *testing.T) {
	t.Parallel()
	programs, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{if eq .Name "main"}}{{.ImportPath}}{{end}}`, "../cmd/...").Output()
	require.NoError(t, err)
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list", "-deps"}, strings.Fields(string(programs))...)...).Output()
	require.NoError(t, err)
	require.Contains(t, strings.Fields(string(out)), module+"/gateway")
	for _, dependency := range strings.Fields(string(out)) {
		if dependency == module+"/clients/go/passkeytest" {
			continue
		}
		require.False(t, strings.HasSuffix(dependency, "test") && strings.HasPrefix(dependency, module), dependency)
		require.NotContains(t, []string{"testing", "github.com/stretchr/testify/require", module + "/queue/model"}, dependency)
	}
}

func TestArchitecture_ClientImportsNoServerPackage(t *testing.T) {
	t.Parallel()
	for name, imported := range imports(t, "../clients/go") {
		for _, one := range imported {
			require.True(t, strings.HasPrefix(one, "clients/go"), "%s imports %s", name, one)
		}
	}
}

// Limits for hand-written code.
const (
	maxFileLines   = 500
	maxMedianLines = 12 // maximum median length of the functions, in lines
)

func TestArchitecture_FilesAndFunctionsAreShort(t *testing.T) {
	t.Parallel()
	var functions []int
	for _, file := range goFiles(t) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if bytes.Contains(text, []byte("// Code generated ")) {
			continue
		}
		require.LessOrEqual(t, bytes.Count(text, []byte("\n")), maxFileLines, file)
		if !strings.HasSuffix(file, "_test.go") {
			functions = append(functions, functionLines(t, file, text)...)
		}
	}
	slices.Sort(functions)
	require.LessOrEqual(t, functions[len(functions)/2], maxMedianLines, "more than half of the functions are longer")
	require.Less(t, 100*len(above(functions, 40)), len(functions), "more than one function in a hundred is longer than 40 lines")
}

func goFiles(t testing.TB) (files []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && entry.Name() != ".." {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			files = append(files, path)
		}
		return err
	}))
	return files
}

func functionLines(t testing.TB, file string, text []byte) (lines []int) {
	t.Helper()
	positions := token.NewFileSet()
	parsed, err := parser.ParseFile(positions, file, text, parser.SkipObjectResolution)
	require.NoError(t, err)
	for _, declaration := range parsed.Decls {
		if function, ok := declaration.(*ast.FuncDecl); ok {
			lines = append(lines, positions.Position(function.End()).Line-positions.Position(function.Pos()).Line+1)
		}
	}
	return lines
}

// above returns the values in sorted that are greater than bound.
func above(sorted []int, bound int) []int {
	at, _ := slices.BinarySearch(sorted, bound+1)
	return sorted[at:]
}

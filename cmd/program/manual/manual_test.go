package manual_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/cmd/program/manual"
)

// sample is a program with each kind of flag and command.
type sample struct {
	Level string `enum:"low,high" default:"low" env:"SAMPLE_LEVEL" help:"A level: it's one of two."`
	Key   string `name:"key-file" placeholder:"FILE" required:"" help:"A file."`

	Serve struct {
		Fast bool   `negatable:"" default:"true" help:"Be fast."`
		Addr string `help:"An address."`
	} `cmd:"" help:"Serve."`
	Admin struct {
		Quota struct {
			Tenant string   `help:"A tenant."`
			Names  []string `arg:"" optional:"" help:"Names."`
		} `cmd:"" help:"Show a quota."`
		Secret struct{} `cmd:"" hidden:"" help:"Not shown."`
	} `cmd:"" help:"Administrate."`
	Completion manual.Completion `cmd:"" help:"Print completions."`
	Man        manual.Page       `cmd:"" hidden:"" help:"Print the manual page."`
}

// print returns what a command of the sample program prints.
func print(t testing.TB, arguments ...string) string {
	t.Helper()
	var out bytes.Buffer
	exited := fmt.Errorf("exited")
	func() {
		defer func() {
			if r := recover(); r != nil && r != exited { //nolint:errorlint
				panic(r)
			}
		}()
		parser := kong.Must(&sample{}, kong.Name("sample"), kong.Description("A sample."), kong.Writers(&out, &out),
			kong.Exit(func(code int) { require.Zero(t, code); panic(exited) }))
		_, err := parser.Parse(arguments)
		require.NoError(t, err)
	}()
	return out.String()
}

// TestBash_Completes asks a real bash for the completions of command lines.
func TestBash_Completes(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "sample.bash")
	require.NoError(t, os.WriteFile(script, []byte(print(t, "completion", "bash")), 0o600))
	for line, want := range map[string]string{
		"sample ":                       "serve admin completion --help --level --key-file",
		"sample s":                      "serve",
		"sample admin ":                 "quota --help --level --key-file",
		"sample admin quota --t":        "--tenant",
		"sample --level ":               "high low",
		"sample serve --level h":        "high",
		"sample serve --":               "--fast --no-fast --addr --help --level --key-file",
		"sample serve --addr ":          "",
		"sample --key-file " + script:   script,
		"sample --level high admin quo": "quota",
		"sample completion ":            "bash zsh fish --help --level --key-file",
	} {
		words := strings.Split(line, " ")
		cmd := exec.Command("bash", "-c", `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sample; echo "${COMPREPLY[@]}"`, "bash", script)
		cmd.Args = append(cmd.Args, words...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		require.Equal(t, want, strings.TrimSpace(string(out)), line)
	}
}

// TestShells_AcceptCompletions checks the syntax of the completions with the shells that are installed.
func TestShells_AcceptCompletions(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish"} {
		text := print(t, "completion", shell)
		for _, name := range []string{"serve", "quota", "key-file", "fish"} {
			require.Contains(t, text, name)
		}
		require.NotContains(t, text, "secret")
		if _, err := exec.LookPath(shell); err != nil {
			continue
		}
		cmd := exec.Command(shell, "-n")
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", shell, out)
	}
}

// TestPage_NamesCommandsAndFlags checks the manual page, with groff if it is installed.
func TestPage_NamesCommandsAndFlags(t *testing.T) {
	t.Parallel()
	text := print(t, "man")
	for _, part := range []string{
		".TH SAMPLE 1", ".SS sample admin quota [<names> ...]\n", `.B \-\-key\-file=FILE`, `it\(aqs one of two`, ".B SAMPLE_LEVEL", "Default: low.",
	} {
		require.Contains(t, text, part)
	}
	require.NotContains(t, text, "Not shown")
	require.Equal(t, 1, strings.Count(text, `.B \-\-level`), "a flag of all commands is described once")
	if _, err := exec.LookPath("groff"); err == nil {
		cmd := exec.Command("groff", "-man", "-Tutf8", "-ww", "-z")
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err)
		require.Empty(t, string(out))
	}
}

// TestZsh_CompletesAtTheFirstTime asks a zsh that has found the completions by the name of their file, as
// the packages install them. It types when the line editor says that it reads: a key before that is echoed
// by the terminal and completes nothing.
func TestZsh_CompletesAtTheFirstTime(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("zsh"); err != nil {
		t.Skip("zsh is not installed")
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "_sample"), []byte(print(t, "completion", "zsh")), 0o600))
	cmd := exec.CommandContext(t.Context(), "zsh", "-f", "-c", `
		zmodload zsh/zpty
		zpty shell zsh -f -i
		zpty -w shell "PS1=; fpath+=($1); autoload -Uz compinit; compinit -u -D"
		zpty -w shell "zle-line-init() { print -n rea''dy }; zle -N zle-line-init"
		zpty -r -m shell out '*ready*'
		zpty -w -n shell $'sample admin quo\t--ten\tend'
		zpty -r -m shell out '*end*'
		print -r -- $out`, "zsh", dir)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Regexp(t, `sample admin quota +--tenant +end`, control.ReplaceAllString(string(out), ""))
}

// control matches the control sequences of a terminal.
var control = regexp.MustCompile("\x1b\\[[0-9;?]*[a-zA-Z]|.?\x08|\r|\x07")

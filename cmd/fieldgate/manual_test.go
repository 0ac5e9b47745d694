package main

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/cmd/program/manual"
)

// TestManual_NamesAllCommands requires that the completions and the manual page have each command and each flag.
func TestManual_NamesAllCommands(t *testing.T) {
	t.Parallel()
	model := kong.Must(&commands{}, options()...).Model
	for _, kind := range []string{"bash", "zsh", "fish", "man"} {
		var text strings.Builder
		require.NoError(t, manual.Write(&text, kind, model.Node))
		plain := strings.ReplaceAll(text.String(), `\-`, "-") // as the manual page escapes a hyphen
		requireCommands(t, plain, model.Node)
		require.Contains(t, plain, "restore-check")
	}
}

// requireCommands requires that a text names the commands and flags below a command that are not hidden.
func requireCommands(t testing.TB, text string, command *kong.Node) {
	t.Helper()
	require.Contains(t, text, command.Name)
	for _, flag := range command.Flags {
		require.True(t, flag.Hidden || strings.Contains(text, flag.Name), "%s --%s", command.Name, flag.Name)
	}
	for _, child := range command.Children {
		if !child.Hidden {
			requireCommands(t, text, child)
		}
	}
}

// Package manual writes the shell completions and the manual page of a program, from the commands and
// flags of its parser.
package manual

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// Completion is a command that prints the completions for a shell.
type Completion struct {
	Bash bash `cmd:"" help:"Print the completions for bash."`
	Zsh  zsh  `cmd:"" help:"Print the completions for zsh."`
	Fish fish `cmd:"" help:"Print the completions for fish."`
}

// Page is a command that prints the manual page of the program.
type Page struct{}

type (
	bash struct{}
	zsh  struct{}
	fish struct{}
)

// BeforeReset prints the completions and ends the program. It runs before the required settings are
// checked, which no completion needs.
func (bash) BeforeReset(c *kong.Context) error { return printAndExit(c, "bash") }

// BeforeReset prints the completions and ends the program.
func (zsh) BeforeReset(c *kong.Context) error { return printAndExit(c, "zsh") }

// BeforeReset prints the completions and ends the program.
func (fish) BeforeReset(c *kong.Context) error { return printAndExit(c, "fish") }

// BeforeReset prints the manual page and ends the program.
func (Page) BeforeReset(c *kong.Context) error { return printAndExit(c, "man") }

func printAndExit(c *kong.Context, kind string) error {
	if err := Write(c.Stdout, kind, c.Model.Node); err != nil {
		return err
	}
	c.Exit(0)
	return nil
}

// Write writes a file of a kind for a program: "bash", "zsh" or "fish" for completions, "man" for the manual page.
func Write(w io.Writer, kind string, node *kong.Node) error {
	files := map[string]func(*printer, program){"bash": printBash, "zsh": printZsh, "fish": printFish, "man": printPage}
	print, found := files[kind]
	if !found {
		return fmt.Errorf("there is no file of the kind %q", kind)
	}
	var p printer
	print(&p, describe(node))
	if _, err := io.WriteString(w, p.String()); err != nil {
		return fmt.Errorf("writing for %s: %w", kind, err)
	}
	return nil
}

// A printer collects the text of a file. It replaces the package text/template, which would be a
// twentieth of the agent's program.
type printer struct{ strings.Builder }

// line adds a line. The format is that of fmt.
func (p *printer) line(format string, a ...any) {
	fmt.Fprintf(p, format+"\n", a...)
}

// Package manual writes the shell completions and the manual page of a program, from the commands and
// flags of its parser.
package manual

import (
	"cmp"
	"embed"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/alecthomas/kong"
)

// templates contains one template for each kind of file.
//
//go:embed templates
var templates embed.FS

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
func Write(w io.Writer, kind string, program *kong.Node) error {
	text, err := template.New(kind+".tmpl").Funcs(functions).ParseFS(templates, "templates/"+kind+".tmpl")
	if err != nil {
		return fmt.Errorf("reading the template of %s: %w", kind, err)
	}
	if err := text.Execute(w, describe(program)); err != nil {
		return fmt.Errorf("writing for %s: %w", kind, err)
	}
	return nil
}

// program describes a program to the templates.
type program struct {
	Name, Help string
	Commands   []command // the program itself first, then its commands with theirs
}

// command is a command of a program.
type command struct {
	Path      string // names of the command and of those above it, each after a space; "" for the program
	Help      string
	Flags     []flag // with those of the commands above it
	Own       []flag // without them
	Arguments []string
	Children  []child
}

// child is a command of a command.
type child struct{ Name, Help string }

// flag is a flag of a command.
type flag struct {
	Name, Help, Placeholder, Default string
	Variables                        []string // environment variables that set it
	Values                           []string // all values, if there are few
	Takes                            bool     // it has a value
	File                             bool     // its value is a file or a directory
}

// describe returns the description of a program.
func describe(node *kong.Node) program {
	p := program{Name: node.Name, Help: node.Help}
	p.add(node, "", nil)
	return p
}

// add adds a command and those below it.
func (p *program) add(node *kong.Node, path string, inherited []flag) {
	c := command{Path: path, Help: node.Help, Own: flagsOf(node)}
	c.Flags = slices.Concat(c.Own, inherited)
	for _, argument := range node.Positional {
		c.Arguments = append(c.Arguments, argument.Summary())
	}
	for _, below := range shown(node) {
		c.Children = append(c.Children, child{below.Name, below.Help})
	}
	p.Commands = append(p.Commands, c)
	for _, below := range shown(node) {
		p.add(below, path+" "+below.Name, c.Flags)
	}
}

// shown returns the commands of a command that are not hidden.
func shown(node *kong.Node) (commands []*kong.Node) {
	for _, c := range node.Children {
		if c.Type == kong.CommandNode && !c.Hidden {
			commands = append(commands, c)
		}
	}
	return commands
}

// flagsOf returns the flags of a command that are not hidden.
func flagsOf(node *kong.Node) (flags []flag) {
	for _, f := range node.Flags {
		if f.Hidden {
			continue
		}
		one := flag{
			Name: f.Name, Help: f.Help, Variables: f.Envs, Default: f.Default, Takes: !f.IsBool(), Values: valuesOf(f),
			Placeholder: cmp.Or(f.PlaceHolder, strings.ToUpper(f.Name)),
		}
		one.File = one.Takes && file.MatchString(one.Name+" "+one.Placeholder)
		flags = append(flags, one)
		if f.Tag.Negatable != "" {
			flags = append(flags, flag{Name: "no-" + f.Name, Help: "Set --" + f.Name + " to false."})
		}
	}
	return flags
}

// file matches the name and the placeholder of a flag whose value is a file or a directory.
var file = regexp.MustCompile(`-file\b|\b(FILE|DIR)\b`)

// valuesOf returns the values that a flag may have, if the parser knows them.
func valuesOf(f *kong.Flag) (values []string) {
	for value := range f.EnumMap() {
		if value != "" {
			values = append(values, value)
		}
	}
	slices.Sort(values)
	return values
}

// functions are the functions of the templates.
var functions = template.FuncMap{
	"join": func(parts []string) string { return strings.Join(parts, " ") },
	// quote quotes a text for a shell.
	"quote": func(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" },
	// colon escapes the colons of a text, which separate a name from its description in zsh.
	"colon": func(text string) string { return strings.ReplaceAll(text, ":", `\:`) },
	// fishQuote quotes a text for fish.
	"fishQuote": func(text string) string {
		return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
	},
	"roff":  roff,
	"upper": strings.ToUpper,
	"id":    func(name string) string { return strings.ReplaceAll(name, "-", "_") },
	"trim":  strings.TrimSpace,
}

// roff escapes a text for a manual page.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}

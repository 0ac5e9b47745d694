package manual

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// program describes a program to the functions that print its files.
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

package manual

import "strings"

// printBash prints the completions for bash.
func printBash(p *printer, about program) {
	function := "_" + identifier(about.Name)
	p.line("# Completions of %[1]s for bash. The program prints them: %[1]s completion bash", about.Name)
	p.line("%s() {", function)
	p.line("\tlocal command= word words i cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}")
	p.line("\tfor ((i = 1; i < COMP_CWORD; i++)); do\n\t\tword=${COMP_WORDS[i]}")
	printPaths(p, about)
	p.line("\tdone")
	printValues(p, about, func(f flag) string {
		source := "-f"
		if len(f.Values) > 0 {
			source = "-W " + quote(strings.Join(f.Values, " "))
		}
		return "mapfile -t COMPREPLY < <(compgen " + source + ` -- "$cur")`
	})
	p.line("\tcase \"$command\" in")
	for _, c := range about.Commands {
		p.line("\t%s) words='%s' ;;", quote(c.Path), words(c))
	}
	p.line("\tesac\n\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}")
	p.line("complete -F %s %s", function, about.Name)
}

// words returns the names of the commands and the flags that may follow a command, each with a space after it.
func words(c command) string {
	var b strings.Builder
	for _, below := range c.Children {
		b.WriteString(below.Name + " ")
	}
	for _, f := range c.Flags {
		b.WriteString("--" + f.Name + " ")
	}
	return b.String()
}

// printPaths prints, for bash and zsh, how a word continues the path of a command.
func printPaths(p *printer, about program) {
	p.line("\t\tcase \"$command $word\" in")
	for _, c := range about.Commands[1:] {
		p.line("\t\t%s) command=\"$command $word\" ;;", quote(c.Path))
	}
	p.line("\t\tesac")
}

// printValues prints, for bash and zsh, how the value of a flag is completed. The function complete returns
// the command of the shell for a flag that has values or takes a file.
func printValues(p *printer, about program, complete func(flag) string) {
	p.line("\tcase \"$command:$previous\" in")
	for _, c := range about.Commands {
		for _, f := range c.Flags {
			name := quote(c.Path + ":--" + f.Name)
			if len(f.Values) > 0 || f.File {
				p.line("\t%s) %s; return ;;", name, complete(f))
			} else if f.Takes {
				p.line("\t%s) return ;;", name)
			}
		}
	}
	p.line("\tesac")
}

// printZsh prints the completions for zsh.
func printZsh(p *printer, about program) {
	p.line("#compdef %s", about.Name)
	p.line("# Completions of %[1]s for zsh. The program prints them: %[1]s completion zsh", about.Name)
	p.line("_%s() {\n\tlocal command= word previous=$words[CURRENT-1]\n\tlocal -a commands flags", about.Name)
	p.line("\tfor word in ${words[2,CURRENT-1]}; do")
	printPaths(p, about)
	p.line("\tdone")
	printValues(p, about, func(f flag) string {
		if len(f.Values) > 0 {
			return "compadd -- " + strings.Join(f.Values, " ")
		}
		return "_files"
	})
	p.line("\tcase \"$command\" in")
	for _, c := range about.Commands {
		p.line("\t%s)\n\t\tcommands=(", quote(c.Path))
		for _, below := range c.Children {
			p.line("\t\t\t%s", described(below.Name, below.Help))
		}
		p.line("\t\t)\n\t\tflags=(")
		for _, f := range c.Flags {
			p.line("\t\t\t%s", described("--"+f.Name, f.Help))
		}
		p.line("\t\t) ;;")
	}
	p.line("\tesac\n\t_describe command commands\n\t_describe flag flags\n}")
	p.line("compdef _%[1]s %[1]s", about.Name)
	p.line("# zsh calls the whole file at the first completion, if it has found it by its name.")
	p.line("if [[ $funcstack[1] == _%[1]s ]]; then _%[1]s \"$@\"; fi", about.Name)
}

// described returns a name and its description for zsh, which separates them by a colon.
func described(name, help string) string {
	return quote(name + ":" + strings.ReplaceAll(help, ":", `\:`))
}

// printFish prints the completions for fish.
func printFish(p *printer, about program) {
	function := "__" + identifier(about.Name) + "_at"
	p.line("# Completions of %[1]s for fish. The program prints them: %[1]s completion fish", about.Name)
	p.line("function %s -d 'Reports whether the command line has this command'\n\tset -l command", function)
	p.line("\tfor word in (commandline -opc)[2..-1]\n\t\tswitch \"$command $word\"")
	paths := ""
	for _, c := range about.Commands[1:] {
		paths += " " + fishQuote(c.Path)
	}
	p.line("\t\t\tcase%s\n\t\t\t\tset command \"$command $word\"\n\t\tend\n\tend", paths)
	p.line("\ttest \"$command\" = \"$argv\"\nend")
	p.line("complete -c %s -f", about.Name)
	for _, c := range about.Commands {
		at := fishQuote(function + " '" + c.Path + "'")
		for _, below := range c.Children {
			p.line("complete -c %s -n %s -a %s -d %s", about.Name, at, below.Name, fishQuote(below.Help))
		}
		for _, f := range c.Flags {
			p.line("complete -c %s -n %s -l %s%s -d %s", about.Name, at, f.Name, fishValues(f), fishQuote(f.Help))
		}
	}
}

// fishValues returns how fish completes the value of a flag.
func fishValues(f flag) string {
	switch {
	case len(f.Values) > 0:
		return " -x -a " + fishQuote(strings.Join(f.Values, " "))
	case f.File:
		return " -r -F"
	case f.Takes:
		return " -x"
	}
	return ""
}

// quote quotes a text for bash and zsh.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// fishQuote quotes a text for fish.
func fishQuote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}

// identifier returns a name as one of a function of a shell.
func identifier(name string) string { return strings.ReplaceAll(name, "-", "_") }

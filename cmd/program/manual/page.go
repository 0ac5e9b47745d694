package manual

import "strings"

// printPage prints the manual page.
func printPage(p *printer, about program) {
	name, help := roff(about.Name), roff(about.Help)
	p.line(".TH %s 1", strings.ToUpper(name))
	p.line(".SH NAME\n%s \\- %s", name, help)
	p.line(".SH SYNOPSIS\n.B %s\n.I COMMAND\n.RI [ FLAG ]...", name)
	p.line(".SH DESCRIPTION\n%s\n.PP", help)
	p.line("Each flag that names an environment variable can be set by it.")
	p.line("A flag on the command line has precedence.")
	p.line(".SH COMMANDS")
	for _, c := range about.Commands[1:] {
		p.line(".SS %s", roff(strings.Join(append([]string{about.Name + c.Path}, c.Arguments...), " ")))
		p.line("%s", roff(c.Help))
		printFlags(p, c.Own)
	}
	p.line(".SH \"FLAGS OF ALL COMMANDS\"")
	printFlags(p, about.Commands[0].Own)
	p.line(".SH \"SEE ALSO\"\nThe guides at\n.I https://github.com/fieldgate/fieldgate/tree/main/docs/guides")
}

// printFlags prints the flags of a command for the manual page.
func printFlags(p *printer, flags []flag) {
	for _, f := range flags {
		form := `.B \-\-` + roff(f.Name)
		if f.Takes {
			form += "=" + roff(f.Placeholder)
		}
		p.line(".TP\n%s\n%s", form, roff(f.Help))
		if f.Default != "" {
			p.line("Default: %s.", roff(f.Default))
		}
		for _, variable := range f.Variables {
			p.line(".br\nVariable:\n.B %s", roff(variable))
		}
	}
}

// roff escapes a text for a manual page.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}

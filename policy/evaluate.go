package policy

import (
	"fmt"
	"strings"
)

// Policy judges commands by the rules of a Document. It is safe for concurrent use.
type Policy struct {
	rules []rule
	zones zones
}

// unmatched is the outcome of a command that no rule matches.
var unmatched = Outcome{Effect: Review, Needs: Requirement{NoBreakGlass: true}}

// Judge returns what the policy requires of a command: the outcome of the first rule that matches. If
// a rule before it cannot be decided, it is the stricter of both.
func (p *Policy) Judge(f Facts) Outcome {
	var undecided []Outcome
	facts := judged{Facts: f, zones: &p.zones}
	defer facts.close()
	for i := range p.rules {
		switch v, _ := p.rules[i].match(&facts); v {
		case yes:
			return strictest(p.rules[i].outcome, undecided)
		case maybe:
			undecided = append(undecided, p.rules[i].outcome)
		}
	}
	return strictest(unmatched, undecided)
}

// strictest returns the outcome of the rule that matches together with those of the rules that may
// match. Of rules that are equally strict, the first decides.
func strictest(decided Outcome, undecided []Outcome) Outcome {
	for i := len(undecided) - 1; i >= 0; i-- {
		decided = Stricter(undecided[i], decided)
	}
	return decided
}

// Explain returns the outcome of Judge, and why it is the outcome, as sentences for the user.
func (p *Policy) Explain(f Facts) (Outcome, string) {
	var why strings.Builder
	facts := judged{Facts: f, zones: &p.zones}
	defer facts.close()
	for i := range p.rules {
		r := &p.rules[i]
		switch v, matcher := r.match(&facts); {
		case v == yes:
			fmt.Fprintf(&why, "Rule %q matches.", r.Name)
			return p.Judge(f), why.String()
		case v == maybe:
			fmt.Fprintf(&why, "Rule %q may match: its %s cannot be decided, so the stricter outcome applies. ", r.Name, matcher)
		case matcher != byTypes:
			fmt.Fprintf(&why, "Rule %q does not match: its %s differs. ", r.Name, matcher)
		}
	}
	why.WriteString("No rule matches, so the command needs an approval.")
	return p.Judge(f), why.String()
}

package queue

import (
	"fmt"
	"strings"
)

// Mode is what a policy says of a type of command.
type Mode string

// A command runs at once, waits for a person, or is refused.
const (
	Auto   Mode = "auto"
	Review Mode = "review"
	Deny   Mode = "deny"
)

// Rule gives a mode to the types that match its pattern: a type, a prefix
// followed by "*" ("diagnostic.*"), or "*".
type Rule struct {
	Pattern string
	Mode    Mode
}

// Policy is rules over the command's type. The first that matches wins; where
// none does, a person is asked.
type Policy []Rule

// DefaultPolicy lets diagnostics run and asks a person about everything else.
var DefaultPolicy = Policy{{"diagnostic.*", Auto}, {"*", Review}}

// ParsePolicy reads rules as "pattern=mode", separated by commas.
func ParsePolicy(text string) (Policy, error) {
	var policy Policy
	for part := range strings.SplitSeq(text, ",") {
		pattern, mode, ok := strings.Cut(strings.TrimSpace(part), "=")
		switch Mode(mode) {
		case Auto, Review, Deny:
		default:
			ok = false
		}
		if !ok || pattern == "" || strings.Contains(strings.TrimSuffix(pattern, "*"), "*") {
			return nil, fmt.Errorf("the policy rule %q is not pattern=auto, pattern=review or pattern=deny", part)
		}
		policy = append(policy, Rule{pattern, Mode(mode)})
	}
	return policy, nil
}

// Mode finds what holds for a type.
func (p Policy) Mode(commandType string) Mode {
	for _, rule := range p {
		prefix, open := strings.CutSuffix(rule.Pattern, "*")
		if rule.Pattern == commandType || open && strings.HasPrefix(commandType, prefix) {
			return rule.Mode
		}
	}
	return Review
}

// String returns the rules in the form that ParsePolicy parses.
func (p Policy) String() string {
	rules := make([]string, len(p))
	for i, rule := range p {
		rules[i] = rule.Pattern + "=" + string(rule.Mode)
	}
	return strings.Join(rules, ",")
}

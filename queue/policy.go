package queue

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Mode decides whether commands of a type run without approval: Auto, Review or Deny.
type Mode string

// In mode Auto a command runs without approval. In mode Review it needs the approval of a
// user. In mode Deny it is refused.
const (
	Auto   Mode = "auto"
	Review Mode = "review"
	Deny   Mode = "deny"
)

// Rule sets the mode of every type that matches Pattern. A pattern is a type, a prefix
// followed by "*" ("diagnostic.*"), or "*".
type Rule struct {
	Pattern string
	Mode    Mode
}

// Policy is a list of rules for types of commands. The first rule that matches applies.
// A type that no rule matches needs approval.
type Policy []Rule

// DefaultPolicy runs diagnostics without approval. Everything else needs approval.
var DefaultPolicy = Policy{{"diagnostic.*", Auto}, {"*", Review}}

// ParsePolicy parses rules of the form "pattern=mode", separated by commas.
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

// Mode returns the mode of a type of command.
func (p Policy) Mode(commandType string) Mode { return p.ruleOf(commandType).Mode }

// ruleOf returns the rule that applies to a type of command. Its pattern is empty if no rule matches.
func (p Policy) ruleOf(commandType string) Rule {
	for _, rule := range p {
		if matchesPattern(rule.Pattern, commandType) {
			return rule
		}
	}
	return Rule{Mode: Review}
}

// matchesPattern reports whether a pattern matches a type of command: see Rule.
func matchesPattern(pattern, commandType string) bool {
	prefix, open := strings.CutSuffix(pattern, "*")
	return pattern == commandType || open && strings.HasPrefix(commandType, prefix)
}

// Version identifies the rules: instances with the same rules have the same version.
func (p Policy) Version() string {
	sum := sha256.Sum256([]byte(p.String()))
	return hex.EncodeToString(sum[:6])
}

// String returns the rules in the form that ParsePolicy parses.
func (p Policy) String() string {
	rules := make([]string, len(p))
	for i, rule := range p {
		rules[i] = rule.Pattern + "=" + string(rule.Mode)
	}
	return strings.Join(rules, ",")
}

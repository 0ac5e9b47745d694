package queue

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/fieldgate/fieldgate/policy"
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
// followed by "*" ("diagnostic.*"), or "*". Needs is what an approval needs in mode Review.
type Rule struct {
	Pattern string
	Mode    Mode
	Needs   policy.Requirement
}

// Policy is a list of rules for types of commands. The first rule that matches applies.
// A type that no rule matches needs approval.
type Policy []Rule

// DefaultPolicy runs diagnostics without approval. Everything else needs approval.
var DefaultPolicy = Policy{{Pattern: "diagnostic.*", Mode: Auto}, {Pattern: "*", Mode: Review}}

// ParsePolicy parses rules of the form "pattern=mode", separated by commas. The mode review may have
// conditions: "remediation.*=review(approvals=2,assurance=aal2)", see policy.ParseRequirement.
func ParsePolicy(text string) (Policy, error) {
	var rules Policy
	for _, part := range splitRules(text) {
		rule, err := parseRule(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// splitRules splits rules at the commas outside of parentheses.
func splitRules(text string) (parts []string) {
	begin, depth := 0, 0
	for i, r := range text {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == ',' && depth == 0:
			parts, begin = append(parts, text[begin:i]), i+1
		}
	}
	return append(parts, text[begin:])
}

func parseRule(text string) (rule Rule, err error) {
	pattern, mode, isRule := strings.Cut(text, "=")
	mode, conditions, haveConditions := strings.Cut(mode, "(")
	rule = Rule{Pattern: pattern, Mode: Mode(mode)}
	switch rule.Mode {
	case Review:
		if haveConditions {
			conditions, isRule = strings.CutSuffix(conditions, ")")
			rule.Needs, err = policy.ParseRequirement(conditions)
		}
	case Auto, Deny:
		isRule = isRule && !haveConditions
	default:
		isRule = false
	}
	switch {
	case !isRule || pattern == "" || strings.Contains(strings.TrimSuffix(pattern, "*"), "*"):
		return Rule{}, fmt.Errorf("the policy rule %q is not pattern=auto, pattern=review, pattern=review(conditions) or pattern=deny", text)
	case err != nil:
		return Rule{}, fmt.Errorf("the policy rule %q: %w", text, err)
	}
	return rule, nil
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

// Version identifies the rules with their conditions: instances with the same rules have the same version.
func (p Policy) Version() string {
	sum := sha256.Sum256([]byte(p.String()))
	return hex.EncodeToString(sum[:6])
}

// String returns the rules in the form that ParsePolicy parses.
func (p Policy) String() string {
	rules := make([]string, len(p))
	for i, rule := range p {
		rules[i] = rule.Pattern + "=" + string(rule.Mode)
		if conditions := rule.Needs.String(); conditions != "" {
			rules[i] += "(" + conditions + ")"
		}
	}
	return strings.Join(rules, ",")
}

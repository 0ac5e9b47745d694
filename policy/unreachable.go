package policy

import (
	"fmt"
	"slices"
	"strings"
)

// checkReachable finds the rules, and the patterns of types, that can never match first, because a rule
// before them matches the same commands. It compares rules one by one: it does not find that two rules
// together leave nothing to a third.
func (c *inspector) checkReachable(rules []Rule) {
	for i, r := range rules {
		pointer := fmt.Sprintf("/rules/%d", i)
		if len(r.Types) == 0 {
			if before := coveredBy(rules[:i], r); before != nil {
				c.fault(pointer, fmt.Sprintf("is never reached: the rule %q matches the same commands first", before.Name))
			}
			continue
		}
		for j, pattern := range r.Types {
			only := r
			only.Types = []string{pattern}
			if before := coveredBy(rules[:i], only); before != nil {
				c.fault(fmt.Sprintf("%s/types/%d", pointer, j), fmt.Sprintf("matches nothing: the rule %q matches the same commands first", before.Name))
			}
		}
	}
}

// coveredBy returns the first rule that matches all commands which r matches, or nil.
func coveredBy(rules []Rule, r Rule) *Rule {
	for i := range rules {
		if rules[i].coversMatch(r) {
			return &rules[i]
		}
	}
	return nil
}

// coversMatch reports whether r matches all commands that other matches, as far as it can be known
// without evaluating expressions and times.
func (r Rule) coversMatch(other Rule) bool {
	return (r.When == "" || r.When == other.When) && (r.Window == nil || other.Window != nil && *r.Window == *other.Window) &&
		(r.Proposer == "" || r.Proposer == other.Proposer) &&
		(len(r.ProposerRoles) == 0 || len(other.ProposerRoles) > 0 && isSubset(other.ProposerRoles, r.ProposerRoles)) &&
		r.coversTags(other) && r.coversTypes(other)
}

func (r Rule) coversTags(other Rule) bool {
	for name, value := range r.Tags {
		if actual, found := other.Tags[name]; !found || actual != value {
			return false
		}
	}
	return true
}

func (r Rule) coversTypes(other Rule) bool {
	if len(r.Types) == 0 || slices.Contains(r.Types, "*") {
		return true
	}
	for _, pattern := range other.Types {
		if !slices.ContainsFunc(r.Types, func(p string) bool { return includes(p, pattern) }) {
			return false
		}
	}
	return len(other.Types) > 0
}

func isSubset(list, of []string) bool {
	return !slices.ContainsFunc(list, func(item string) bool { return !slices.Contains(of, item) })
}

// includes reports whether a pattern matches all types that another one matches.
func includes(pattern, other string) bool {
	prefix, open := strings.CutSuffix(pattern, "*")
	return pattern == other || open && strings.HasPrefix(strings.TrimSuffix(other, "*"), prefix)
}

// mayOverlap reports whether both rules may match the same command.
func (r Rule) mayOverlap(other Rule) bool {
	isApart := r.Proposer != "" && other.Proposer != "" && r.Proposer != other.Proposer ||
		len(r.ProposerRoles) > 0 && len(other.ProposerRoles) > 0 &&
			!slices.ContainsFunc(r.ProposerRoles, func(role string) bool { return slices.Contains(other.ProposerRoles, role) })
	for name, value := range r.Tags {
		if theirs, found := other.Tags[name]; found && theirs != value {
			isApart = true
		}
	}
	return !isApart && r.typesOverlap(other)
}

func (r Rule) typesOverlap(other Rule) bool {
	if len(r.Types) == 0 || len(other.Types) == 0 {
		return true
	}
	for _, a := range r.Types {
		for _, b := range other.Types {
			if includes(a, b) || includes(b, a) {
				return true
			}
		}
	}
	return false
}

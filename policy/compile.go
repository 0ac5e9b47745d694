package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate"
)

// Fault is a part of a document that is not valid.
type Fault struct {
	Pointer string // JSON pointer to the part
	Reason  string // a phrase that begins with "must" or "is"
}

// InvalidError is the error of Compile. It lists all faults.
type InvalidError struct{ Faults []Fault }

// Error returns the first fault.
func (e *InvalidError) Error() string {
	return fmt.Sprintf("the policy is not valid: %s %s", at(e.Faults[0].Pointer), e.Faults[0].Reason)
}

// Compile checks the document and returns the policy that judges by it. The error is an InvalidError.
func (d Document) Compile() (*Policy, error) {
	c := &inspector{}
	if len(d.Rules) > MaxRules {
		c.fault("/rules", fmt.Sprintf("must have %d rules at most", MaxRules))
		return nil, &InvalidError{c.faults}
	}
	p := &Policy{rules: make([]rule, len(d.Rules))}
	names := map[string]bool{}
	for i, r := range d.Rules {
		pointer := fmt.Sprintf("/rules/%d", i)
		if names[r.Name] {
			c.fault(pointer+"/name", "is the name of an earlier rule")
		}
		names[r.Name] = true
		p.rules[i] = c.rule(pointer, r)
	}
	if len(c.faults) == 0 {
		c.checkReachable(d.Rules)
	}
	if encoded, err := d.Encode(); err != nil || len(encoded) > MaxBytes {
		c.fault("", fmt.Sprintf("must have %d bytes at most", MaxBytes))
	}
	if len(c.faults) > 0 {
		return nil, &InvalidError{c.faults}
	}
	return p, nil
}

// inspector collects the faults of a document.
type inspector struct {
	faults []Fault
	cost   uint64 // of the expressions so far
}

func (c *inspector) fault(pointer, reason string) {
	c.faults = append(c.faults, Fault{pointer, reason})
}

// require records a fault unless ok.
func (c *inspector) require(ok bool, pointer, reason string) {
	if !ok {
		c.fault(pointer, reason)
	}
}

const maxName = 64

// rule checks and compiles a rule.
func (c *inspector) rule(pointer string, r Rule) rule {
	name := []rune(r.Name)
	c.require(len(name) > 0 && len(name) <= maxName && strings.TrimSpace(r.Name) == r.Name && !strings.ContainsFunc(r.Name, fieldgate.IsHidden),
		pointer+"/name", fmt.Sprintf("must have 1 to %d characters, without characters that cannot be seen or spaces around it", maxName))
	c.require(r.Effect.rank() >= 0, pointer+"/effect", "must be auto, review or deny")
	c.matchers(pointer, r)
	c.conditions(pointer, r)
	compiled := rule{Rule: r, outcome: Outcome{Effect: r.Effect, Rule: r.Name, Needs: r.needs()}}
	if r.When != "" {
		compiled.when = c.when(pointer+"/when", r.When)
	}
	if r.Window != nil {
		checked, err := r.Window.compile()
		if err != nil {
			c.fault(pointer+"/window", err.Error())
		}
		compiled.window = &checked
	}
	compiled.matchers = matchersOf(&compiled)
	return compiled
}

// when compiles an expression. It returns nil if the expression is not valid.
func (c *inspector) when(pointer, text string) *condition {
	compiled, err := compileWhen(text)
	if err != nil {
		c.fault(pointer, err.Error())
		return nil
	}
	if compiled.isNever() {
		c.fault(pointer, "is never true, so that the rule matches nothing")
	}
	if compiled.cost > maxCost-c.cost {
		c.fault(pointer, "is too costly: compare parameters with constants, and match fewer regular expressions")
		return nil
	}
	c.cost += compiled.cost
	return compiled
}

// proposerRoles are the roles of users who may propose.
var proposerRoles = []string{"operator", "approver", "admin"}

// matchers checks the matchers of a rule that need no compilation.
func (c *inspector) matchers(pointer string, r Rule) {
	for i, pattern := range r.Types {
		at := fmt.Sprintf("%s/types/%d", pointer, i)
		switch {
		case !typePattern.MatchString(pattern):
			c.fault(at, `must be a type, a prefix followed by "*", or "*", so that it can match a type`)
		case slices.ContainsFunc(slices.Concat(r.Types[:i], r.Types[i+1:]), func(p string) bool { return p != pattern && includes(p, pattern) }):
			c.fault(at, "is included in another pattern of the rule")
		case slices.Contains(r.Types[:i], pattern):
			c.fault(at, "is listed twice")
		}
	}
	for name, value := range r.Tags {
		c.require(tagName.MatchString(name) && len([]rune(value)) <= 256, pointer+"/tags",
			"must have names and values that a device can have")
	}
	c.require(slices.Contains([]string{"", Person, Program}, r.Proposer), pointer+"/proposer", "must be person or program")
	c.roles(pointer+"/proposerRoles", r.ProposerRoles, proposerRoles)
}

// typePattern matches the patterns that match at least one type.
var typePattern = regexp.MustCompile(`^([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.?\*)?|\*)$`)

// tagName matches the names of tags.
var tagName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

func (c *inspector) roles(pointer string, roles, allowed []string) {
	for i, role := range roles {
		at := fmt.Sprintf("%s/%d", pointer, i)
		c.require(slices.Contains(allowed, role), at, "must be "+strings.Join(allowed, " or "))
		c.require(!slices.Contains(roles[:i], role), at, "is listed twice")
	}
}

const (
	// MaxApprovals is the maximum number of approvals that a rule requires.
	MaxApprovals = 10

	// maxWithin is the maximum time of an approval.
	maxWithin = 30 * 24 * time.Hour
)

// conditions checks the conditions of a rule. Only a rule with effect Review may have some.
func (c *inspector) conditions(pointer string, r Rule) {
	isPlain := r.Approvals == 0 && len(r.Roles) == 0 && r.Assurance+r.SignInAge+r.Within == "" && !r.Reason && !r.BreakGlass
	c.require(r.BreakGlass || !r.BreakGlassByProposer, pointer+"/breakGlassByProposer", "must be false for a rule without breakGlass")
	c.require(r.Effect == Review || isPlain, pointer+"/effect", "must be review for a rule with conditions of an approval")
	c.require(r.Approvals >= 0 && r.Approvals <= MaxApprovals, pointer+"/approvals", fmt.Sprintf("must be 1 to %d", MaxApprovals))
	c.roles(pointer+"/roles", r.Roles, approverRoles)
	c.require(slices.Contains(assurances, r.Assurance), pointer+"/assurance", "must be aal2 or passkey")
	c.duration(pointer+"/signInAge", r.SignInAge)
	c.duration(pointer+"/within", r.Within)
}

func (c *inspector) duration(pointer, text string) {
	if text == "" {
		return
	}
	d, err := time.ParseDuration(text)
	c.require(err == nil && d >= time.Second && d <= maxWithin, pointer, `must be a duration from "1s" to "720h"`)
}

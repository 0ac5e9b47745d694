package policy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ParseRequirement parses conditions of an approval as the operator writes them:
// "approvals=2,assurance=aal2". The names and values are those of a Rule; several roles are separated by
// "|". Without breakGlass, the conditions leave break glass to the tenants, and breakGlass=false forbids it.
func ParseRequirement(text string) (Requirement, error) {
	r, seen := Rule{Effect: Review}, map[string]bool{}
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		err := r.set(name, value)
		switch {
		case seen[name]:
			return Requirement{}, fmt.Errorf("%s is given twice", name)
		case err != nil:
			return Requirement{}, fmt.Errorf("%q %w", strings.TrimSpace(part), err)
		}
		seen[name] = true
	}
	c := &inspector{}
	if c.conditions("", r); len(c.faults) > 0 {
		return Requirement{}, fmt.Errorf("%s %s", strings.TrimPrefix(c.faults[0].Pointer, "/"), c.faults[0].Reason)
	}
	needs := r.needs()
	needs.NoBreakGlass = seen["breakGlass"] && !r.BreakGlass
	return needs, nil
}

var errCondition = errors.New("is not a condition with a value, such as approvals=2")

// set sets the condition of a rule with a name. The value is checked as far as it is no text.
func (r *Rule) set(name, value string) (err error) {
	if value == "" {
		return errCondition
	}
	switch name {
	case "approvals":
		r.Approvals, err = strconv.Atoi(value)
		if err != nil || r.Approvals < 1 {
			err = errCondition
		}
	case "roles":
		r.Roles = strings.Split(value, "|")
	case "assurance":
		r.Assurance = value
	case "signInAge":
		r.SignInAge = value
	case "within":
		r.Within = value
	default:
		return r.setSwitch(name, value)
	}
	return err
}

// setSwitch sets the condition with a name, which is true or false.
func (r *Rule) setSwitch(name, value string) error {
	target, found := map[string]*bool{
		"reason": &r.Reason, "breakGlass": &r.BreakGlass, "breakGlassByProposer": &r.BreakGlassByProposer,
	}[name]
	if !found || value != "true" && value != "false" {
		return errCondition
	}
	*target = value == "true"
	return nil
}

// String returns the conditions as ParseRequirement parses them. It is empty for the zero Requirement.
func (r Requirement) String() string {
	var parts []string
	add := func(has bool, name, value string) {
		if has {
			parts = append(parts, name+"="+value)
		}
	}
	add(r.Votes() > 1, "approvals", strconv.Itoa(r.Approvals))
	add(len(r.Roles) > 0, "roles", strings.Join(r.Roles, "|"))
	add(r.Assurance != "", "assurance", r.Assurance)
	add(r.SignInAge > 0, "signInAge", FormatDuration(r.SignInAge))
	add(r.Within > 0, "within", FormatDuration(r.Within))
	add(r.Reason, "reason", "true")
	add(r.BreakGlass || r.NoBreakGlass, "breakGlass", strconv.FormatBool(r.BreakGlass))
	add(r.GlassByProposer, "breakGlassByProposer", "true")
	return strings.Join(parts, ",")
}

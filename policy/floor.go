package policy

import "slices"

// Outcome holds the requirements of policies for a command.
type Outcome struct {
	Effect Effect
	Rule   string      // name of the rule that decides; empty if no rule matched
	Needs  Requirement // with effect Review
}

// strictness lists the effects in ascending order.
var strictness = []Effect{Auto, Review, Deny}

func (e Effect) rank() int { return slices.Index(strictness, e) }

// Stricter returns what two policies, or two rules, require together. The rule is that of a, unless b
// has a stricter effect.
func Stricter(a, b Outcome) Outcome {
	switch {
	case b.Effect.rank() > a.Effect.rank():
		return b
	case a.Effect == Review && b.Effect == Review:
		a.Needs = a.Needs.And(b.Needs)
	}
	return a
}

// IsLooser reports whether an outcome requires less than another one in some way.
func (o Outcome) IsLooser(than Outcome) bool {
	if o.Effect == Review && than.Effect == Review {
		return !o.Needs.covers(than.Needs)
	}
	return o.Effect.rank() < than.Effect.rank()
}

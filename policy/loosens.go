package policy

// Loosens returns the names of the rules of d that may require less of a command than the document
// before did. It is empty if d is at least as strict for every command. It may name a rule that is as
// strict in fact, because it compares expressions and windows as texts.
//
// The document before is nil if the tenant had none. Every document is then stricter, except that a
// rule may allow break glass.
func (d Document) Loosens(before *Document) []string {
	earlier := []Rule{anything("", Auto)}
	if before != nil {
		earlier = append(before.Rules[:len(before.Rules):len(before.Rules)], anything("", Review))
	}
	rules := append(d.Rules[:len(d.Rules):len(d.Rules)], anything("(no rule)", Review))
	var looser []string
	for i, r := range rules {
		if isLooserThanAny(r, rules[:i], earlier) {
			looser = append(looser, r.Name)
		}
	}
	return looser
}

// anything returns a rule that matches every command.
func anything(name string, effect Effect) Rule { return Rule{Name: name, Effect: effect} }

// isLooserThanAny reports whether a rule may match a command of which an earlier document required
// more. The rules that precede it in the new document match first.
func isLooserThanAny(r Rule, preceding, earlier []Rule) bool {
	now := Outcome{Effect: r.Effect, Needs: r.needs()}
	for _, old := range earlier {
		if !r.mayOverlap(old) || coveredBy(preceding, old) != nil {
			continue
		}
		// Where the old rule is auto, the floor may require an approval. It leaves break glass to the tenant.
		if now.Needs.BreakGlass && !old.BreakGlass || now.Needs.GlassByProposer && !old.BreakGlassByProposer || now.IsLooser(Outcome{Effect: old.Effect, Needs: old.needs()}) {
			return true
		}
		if old.coversMatch(r) {
			return false // the rules behind it do not apply to any command that r matches
		}
	}
	return false
}

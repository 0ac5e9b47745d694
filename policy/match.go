package policy

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/interpreter"
)

// Facts describe a command that is to be judged.
type Facts struct {
	Type       string
	Parameters json.RawMessage

	Tags         map[string]string // of the device
	ProposerKind string            // Person or Program
	ProposerRole string            // by its name in tokens
	At           time.Time         // for the windows

	// Partial means that Tags, ProposerKind and ProposerRole are not known. A rule that needs one of
	// them cannot be decided.
	Partial bool
}

// verdict is the result of a matcher. A matcher that cannot be decided counts in both ways, and the
// stricter outcome applies.
type verdict int

const (
	no verdict = iota
	maybe
	yes
)

// rule is a rule that was compiled.
type rule struct {
	Rule
	outcome  Outcome
	matchers []matcher  // those that the rule has
	when     *condition // nil without an expression
	window   *window    // nil for any time
}

// judged holds the facts while they are judged. The parameters are decoded for the first rule that
// needs them.
type judged struct {
	Facts
	zones *zones
	input *interpreter.ExecutionFrame // of all expressions; nil before the first one
	isBad bool                        // the parameters cannot be decoded
}

// close releases the input of the expressions.
func (f *judged) close() {
	if f.input != nil {
		f.input.Close()
	}
}

// byTypes is the name of the matcher of types.
const byTypes = "types"

// match reports whether a rule matches. Unless it does, matcher is the first that does not, or the last
// that cannot be decided.
func (r *rule) match(f *judged) (v verdict, matcher string) {
	if len(r.Types) > 0 && !matchesAny(r.Types, f.Type) {
		return no, byTypes
	}
	v = yes
	for _, m := range r.matchers {
		switch m.match(r, f) {
		case no:
			return no, m.name
		case maybe:
			v, matcher = maybe, m.name
		}
	}
	return v, matcher
}

// matcher is a matcher of rules other than that of types.
type matcher struct {
	name  string
	has   func(*rule) bool // reports whether a rule has it
	match func(*rule, *judged) verdict
}

// matchers lists the matchers in the order in which they are tried: the cheap ones first.
var matchers = []matcher{
	{"proposer", func(r *rule) bool { return r.Proposer != "" }, (*rule).matchProposer},
	{"proposerRoles", func(r *rule) bool { return len(r.ProposerRoles) > 0 }, (*rule).matchRoles},
	{"tags", func(r *rule) bool { return len(r.Tags) > 0 }, (*rule).matchTags},
	{"window", func(r *rule) bool { return r.window != nil }, (*rule).matchWindow},
	{"when", func(r *rule) bool { return r.when != nil }, (*rule).matchWhen},
}

// matchersOf returns the matchers that a rule has.
func matchersOf(r *rule) []matcher {
	return slices.DeleteFunc(slices.Clone(matchers), func(m matcher) bool { return !m.has(r) })
}

func (r *rule) matchProposer(f *judged) verdict {
	if f.Partial {
		return maybe
	}
	return whether(r.Proposer == f.ProposerKind)
}

func (r *rule) matchRoles(f *judged) verdict {
	if f.Partial {
		return maybe
	}
	return whether(slices.Contains(r.ProposerRoles, f.ProposerRole))
}

func (r *rule) matchTags(f *judged) verdict {
	if f.Partial {
		return maybe
	}
	for name, value := range r.Tags {
		if actual, found := f.Tags[name]; !found || actual != value {
			return no
		}
	}
	return yes
}

func (r *rule) matchWindow(f *judged) verdict {
	zone := r.window.zone
	if zone == nil {
		zone = f.zones.of(f.Tags)
	}
	if zone == nil {
		return maybe
	}
	return whether(r.window.contains(f.At, zone))
}

func (r *rule) matchWhen(f *judged) verdict {
	if f.input == nil && !f.isBad {
		f.input, f.isBad = f.frame()
	}
	if f.isBad || f.Partial && strings.Contains(r.When, "tags") {
		return maybe
	}
	return r.when.holds(f.input)
}

// frame returns the input of expressions. One for all of them halves the time of an expression. It reports
// whether there is none, because the parameters cannot be decoded.
func (f *judged) frame() (input *interpreter.ExecutionFrame, isBad bool) {
	parameters, err := decodeParameters(f.Parameters)
	if err != nil {
		return nil, true
	}
	tags := f.Tags
	if tags == nil {
		tags = map[string]string{}
	}
	input, err = interpreter.NewExecutionFrame(map[string]any{"parameters": parameters, "tags": tags})
	return input, err != nil
}

func whether(is bool) verdict {
	if is {
		return yes
	}
	return no
}

func matchesAny(patterns []string, commandType string) bool {
	for _, p := range patterns {
		if Matches(p, commandType) {
			return true
		}
	}
	return false
}

// Matches reports whether a type matches a pattern: a type, a prefix followed by "*", or "*".
func Matches(pattern, commandType string) bool {
	prefix, open := strings.CutSuffix(pattern, "*")
	return pattern == commandType || open && strings.HasPrefix(commandType, prefix)
}

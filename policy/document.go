package policy

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Effect decides whether a command runs without approval: Auto, Review or Deny.
type Effect string

// With effect Auto a command runs without an approval. With effect Review it needs the approvals of a
// Requirement. With effect Deny it is refused.
const (
	Auto   Effect = "auto"
	Review Effect = "review"
	Deny   Effect = "deny"
)

// These are the bounds of a document.
const (
	MaxRules = 100
	MaxBytes = 64 << 10 // of the encoded document
)

// Document is the policy of a tenant: a list of rules. The first rule that matches a command applies.
// A command that no rule matches needs the approval of one user.
type Document struct {
	Rules []Rule `json:"rules"`
}

// Rule is a rule of a Document. It matches a command if all of its matchers do; an empty matcher
// matches every command. The conditions are those of effect Review, and empty otherwise.
type Rule struct {
	Name   string `json:"name"`
	Effect Effect `json:"effect"`

	// Types are patterns of types: a type, a prefix followed by "*" ("diagnostic.*"), or "*".
	Types []string `json:"types,omitempty"`

	// Tags are tags that the device must have, with these values.
	Tags map[string]string `json:"tags,omitempty"`

	// Proposer is the kind of the proposer: Person or Program.
	Proposer string `json:"proposer,omitempty"`

	// ProposerRoles are the roles of which the proposer must have one. A higher role does not count.
	ProposerRoles []string `json:"proposerRoles,omitempty"`

	// When is an expression in CEL over the parameters, the type and the tags. It is a bool.
	When string `json:"when,omitempty"`

	// Window is the time in which the rule matches.
	Window *Window `json:"window,omitempty"`

	Approvals  int      `json:"approvals,omitempty"`
	Roles      []string `json:"roles,omitempty"`
	Assurance  string   `json:"assurance,omitempty"`
	SignInAge  string   `json:"signInAge,omitempty"` // a duration
	Within     string   `json:"within,omitempty"`    // a duration
	Reason     bool     `json:"reason,omitempty"`
	BreakGlass bool     `json:"breakGlass,omitempty"`

	// BreakGlassByProposer lets an admin approve alone what they have proposed themselves. It needs
	// BreakGlass.
	BreakGlassByProposer bool `json:"breakGlassByProposer,omitempty"`
}

// These are the kinds of proposers. A program is an OAuth client that acts for the user.
const (
	Person  = "person"
	Program = "program"
)

// Parse decodes a document strictly: a name that it does not know, or that occurs twice in an object,
// is an error. It does not compile the rules.
func Parse(encoded []byte) (Document, error) {
	if len(encoded) > MaxBytes {
		return Document{}, fmt.Errorf("the policy has %d bytes, and may have %d at most", len(encoded), MaxBytes)
	}
	var d Document
	if err := decodeExactly(encoded, &d); err != nil {
		return Document{}, fmt.Errorf("decoding a policy: %w", err)
	}
	return d, nil
}

// Encode returns the document as JSON, as Parse reads it.
func (d Document) Encode() ([]byte, error) {
	if d.Rules == nil {
		d.Rules = []Rule{}
	}
	encoded, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encoding a policy: %w", err)
	}
	return encoded, nil
}

// needs returns the conditions of a rule that was checked.
func (r Rule) needs() Requirement {
	if r.Effect != Review {
		return Requirement{NoBreakGlass: true}
	}
	return Requirement{
		Approvals: r.Approvals, Roles: r.Roles, Assurance: r.Assurance,
		SignInAge: duration(r.SignInAge), Within: duration(r.Within),
		Reason: r.Reason, BreakGlass: r.BreakGlass, NoBreakGlass: !r.BreakGlass, GlassByProposer: r.BreakGlassByProposer,
	}
}

// FormatDuration returns a duration as a document has it: "4h", not "4h0m0s". It is empty for 0.
func FormatDuration(d time.Duration) string {
	if d == 0 {
		return ""
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// duration parses a duration that was checked. It returns 0 for an empty one.
func duration(text string) time.Duration {
	d, _ := time.ParseDuration(text)
	return d
}

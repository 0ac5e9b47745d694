package queue

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// parseState decodes a state as the scripts encode it. It is many times faster than package
// encoding/json, which decodes a state in each call of a device. It returns false for a text that
// it does not understand, such as one with escaped characters. Package encoding/json then decodes
// the text or reports why it is invalid. For a text that parseState accepts, both return the same.
func parseState(raw string) (s state, ok bool) {
	p := stateParser{rest: raw, ok: true}
	p.object(func(name string) {
		switch {
		case name == "approval" && s.Approval == nil:
			s.Approval = p.approval()
		case name == "votes" && s.Votes == nil:
			s.Votes = p.votes()
		case name == "glass" && s.Glass == nil:
			s.Glass = p.glass()
		case name == "history" && s.History == nil:
			s.History = p.history()
		default:
			p.scalar(s.field(name))
		}
	})
	return s, p.ok && p.rest == ""
}

// unread stands for the fields that only the scripts read.
type unread struct{}

// field returns a pointer to the field with the name. It returns unread for a field that the state
// lacks, and nil for a name that the scripts do not use, or that is not a scalar.
func (s *state) field(name string) any {
	switch name {
	case "status":
		return (*string)(&s.Status)
	case "session":
		return &s.Session
	case "priority":
		return &s.Priority
	case "max":
		return &s.Max
	case "created":
		return &s.Created
	case "deliver_by":
		return &s.DeliverBy
	case "approve_by":
		return &s.ApproveBy
	case "attempt":
		return &s.Attempt
	case "claims":
		return &s.Claims
	case "first":
		return &s.First
	case "bytes":
		return &s.Bytes
	case "required":
		return &s.Required
	case "queued":
		return &s.Queued
	case "claimed":
		return &s.Claimed
	case "visible":
		return &s.Visible
	case "finished":
		return &s.Finished
	case "cancel":
		return &s.Cancel
	case "token":
		return &s.Token
	case "late":
		return &s.Late
	case "returned":
		return &s.Returned
	case "request":
		return &s.Request
	case "proposer":
		return &s.Proposer
	case "proposer_name":
		return &s.Name
	case "proposer_email":
		return &s.Email
	case "trace":
		return &s.Trace
	case "result":
		return &s.Result
	case "digest":
		return &s.Digest
	case "mac":
		return &s.MAC
	case "seq", "past", "packed", "retry_of", "withdrawn":
		return unread{}
	}
	return nil
}

// field returns a pointer to the field with the name, or nil.
func (a *approvalState) field(name string) any {
	switch name {
	case "decision":
		return &a.Decision
	case "by":
		return &a.By
	case "name":
		return &a.Name
	case "email":
		return &a.Email
	case "at":
		return &a.At
	case "reason":
		return &a.Reason
	case "aal":
		return &a.AAL
	case "roles":
		return &a.Roles
	case "age":
		return &a.Age
	case "passkey":
		return &a.Passkey
	case "glass":
		return &a.Glass
	case "mac":
		return &a.MAC
	}
	return nil
}

// field returns a pointer to the field with the name, or nil.
func (g *glassState) field(name string) any {
	switch name {
	case "by":
		return &g.By
	case "name":
		return &g.Name
	case "email":
		return &g.Email
	case "at":
		return &g.At
	case "reason":
		return &g.Reason
	case "reviewer":
		return &g.Reviewer
	case "reviewer_name":
		return &g.ReviewerName
	case "reviewer_email":
		return &g.ReviewerEmail
	case "reviewed":
		return &g.Reviewed
	case "comment":
		return &g.Comment
	case "mac":
		return &g.MAC
	case "review_mac":
		return &g.ReviewMAC
	}
	return nil
}

// field returns a pointer to the field with the name, or nil.
func (a *attemptState) field(name string) any {
	switch name {
	case "attempt":
		return &a.Attempt
	case "claimed":
		return &a.Claimed
	case "ended":
		return &a.Ended
	case "outcome":
		return &a.Outcome
	}
	return nil
}

// stateParser parses compact JSON: without white space, as the scripts write it. Once ok is false,
// nothing that was parsed may be used.
type stateParser struct {
	rest string
	ok   bool
}

func (p *stateParser) approval() *approvalState {
	a := new(approvalState)
	p.object(func(name string) { p.scalar(a.field(name)) })
	return a
}

func (p *stateParser) glass() *glassState {
	g := new(glassState)
	p.object(func(name string) { p.scalar(g.field(name)) })
	return g
}

func (p *stateParser) votes() []approvalState {
	all := []approvalState{}
	p.list(func() { all = append(all, *p.approval()) })
	return all
}

func (p *stateParser) history() []attemptState {
	all := []attemptState{}
	p.list(func() {
		var a attemptState
		p.object(func(name string) { p.scalar(a.field(name)) })
		all = append(all, a)
	})
	return all
}

// list parses a list. It calls value for each element, which parses the element. An empty list of a
// script is an empty object, which it does not accept.
func (p *stateParser) list(value func()) {
	p.expect("[")
	if p.skip("]") {
		return
	}
	for p.ok {
		value()
		if !p.skip(",") {
			p.expect("]")
			return
		}
	}
}

// object parses an object. It calls value for each name, which parses the value.
func (p *stateParser) object(value func(name string)) {
	p.expect("{")
	if p.skip("}") {
		return
	}
	for p.ok {
		name := p.text()
		p.expect(":")
		value(name)
		if !p.skip(",") {
			p.expect("}")
			return
		}
	}
}

// scalar parses a value and stores it where to points.
func (p *stateParser) scalar(to any) {
	switch to := to.(type) {
	case *string:
		*to = p.text()
	case *int:
		*to = int(p.number())
	case *int64:
		*to = p.number()
	case *bool:
		*to = p.boolean()
	case unread:
		p.skipScalar()
	default:
		p.ok = false
	}
}

func (p *stateParser) skipScalar() {
	switch {
	case strings.HasPrefix(p.rest, `"`):
		p.text()
	case strings.HasPrefix(p.rest, "t"), strings.HasPrefix(p.rest, "f"):
		p.boolean()
	default:
		p.number()
	}
}

// text parses a string of valid UTF-8 without escaped characters.
func (p *stateParser) text() string {
	p.expect(`"`)
	text, rest, closed := strings.Cut(p.rest, `"`)
	p.ok = p.ok && closed && isPlain(text)
	p.rest = rest
	return text
}

// isPlain reports whether JSON can contain text as it is.
func isPlain(text string) bool {
	ascii := true
	for i := range len(text) {
		if text[i] < ' ' || text[i] == '\\' {
			return false
		}
		ascii = ascii && text[i] < utf8.RuneSelf
	}
	return ascii || utf8.ValidString(text)
}

// number parses an integer without an exponent, of at most 18 digits.
func (p *stateParser) number() int64 {
	end := 0
	for end < len(p.rest) && (p.rest[end] >= '0' && p.rest[end] <= '9' || end == 0 && p.rest[0] == '-') {
		end++
	}
	digits := strings.TrimPrefix(p.rest[:end], "-")
	n, err := strconv.ParseInt(p.rest[:end], 10, 64)
	if err != nil || len(digits) > 18 || len(digits) > 1 && digits[0] == '0' {
		p.ok = false
	}
	p.rest = p.rest[end:]
	return n
}

func (p *stateParser) boolean() bool {
	if p.skip("true") {
		return true
	}
	p.expect("false")
	return false
}

// skip removes a prefix of the rest. It returns false if the rest has another prefix.
func (p *stateParser) skip(prefix string) bool {
	rest, found := strings.CutPrefix(p.rest, prefix)
	p.rest = rest
	return found
}

func (p *stateParser) expect(prefix string) { p.ok = p.skip(prefix) && p.ok }

package queue

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/fieldgate/fieldgate/recordkey"
)

// recordKind is the kind of the records of commands: what was proposed, and what was approved.
const recordKind = "records of commands"

// proposed returns the parts of a record that the proposal has set and that never change. The
// body is covered as it is stored, because texts that differ may have the same canonical form.
func (r record) proposed(s state, reviewed bool) []string {
	parts := []string{
		"proposal", r.tenant, r.deviceID, r.id, s.Session, s.Proposer, strconv.FormatBool(reviewed),
		strconv.Itoa(s.Priority), strconv.Itoa(s.Max), strconv.FormatInt(s.DeliverBy, 10), s.Digest, r.body,
	}
	if s.Required > 1 {
		parts = append(parts, strconv.Itoa(s.Required))
	}
	return parts
}

// These are the decisions that a MAC covers.
const (
	decisionApproved   = "approved"
	decisionRejected   = "rejected"
	decisionBreakGlass = "break_glass" // an approval that does not need those of other users
)

// decided returns the parts of a record that a decision has set. The digest stands for what was
// decided on. The number of parts tells which of the evidence they have.
func (r record) decided(digest, decision, actor string, shown evidence) []string {
	parts := []string{"decision", r.tenant, r.deviceID, r.id, digest, decision, actor}
	isKnown := shown.roles != "" || shown.age != 0
	if isKnown || shown.assurance != "" || shown.assertion != "" {
		parts = append(parts, shown.assurance)
	}
	if isKnown || shown.assertion != "" {
		parts = append(parts, shown.assertion)
	}
	if isKnown {
		parts = append(parts, shown.roles, strconv.FormatInt(shown.age, 10), shown.reason)
	}
	if decision == decisionBreakGlass {
		parts = append(parts, strconv.FormatInt(shown.at, 10), shown.reason)
	}
	return parts
}

// decidedBy returns the parts of a record that a vote in it has set.
func (r record) decidedBy(digest string, vote approvalState) []string {
	return r.decided(digest, vote.covered(), vote.By, vote.evidence())
}

// evidence returns how the approver has proved an approval.
func (a approvalState) evidence() evidence {
	return evidence{assurance: a.AAL, assertion: a.Passkey, roles: a.Roles, age: a.Age, reason: a.Reason, at: a.At}
}

// covered returns the decision that the MAC of a covers.
func (a approvalState) covered() string {
	switch {
	case a.Glass:
		return decisionBreakGlass
	case a.Decision == "":
		return decisionApproved
	}
	return a.Decision
}

// verifyProposal returns recordkey.ErrChanged if the record is not the one that was proposed. If the record
// has no MAC of this key, only its digest can tell, and a record without a digest is accepted.
func (q *Queue) verifyProposal(r record, s state) error {
	if !hasExactFields(r.state) {
		return recordkey.ErrChanged
	}
	err := q.key.Check(s.MAC, r.proposed(s, s.ApproveBy != 0)...)
	if err == nil && isStatement(r.body) || errors.Is(err, recordkey.ErrOtherKey) {
		return verifyDigest(r, s)
	}
	return err
}

// verifyDigest returns recordkey.ErrChanged if the record has a digest of another command.
func verifyDigest(r record, s state) error {
	if isStatement(r.body) {
		return verifyStatement(r, s)
	}
	if s.Digest == "" {
		return nil
	}
	c, err := r.command(s)
	if err != nil {
		return recordkey.ErrChanged
	}
	if digest, err := Digest(c); err != nil || digest != s.Digest {
		return recordkey.ErrChanged
	}
	return nil
}

// hasExactFields reports whether the scripts and this package read the same fields in a decoded
// state. They would not if a name occurred twice or contained upper-case letters: encoding/json
// ignores case, and the scripts do not. Both read a packed state alike: parsePacked takes names as
// they are, and the last of two equal ones.
func hasExactFields(state string) bool {
	if isPacked(state) {
		return true
	}
	d := json.NewDecoder(strings.NewReader(state))
	return readExactFields(d) == nil
}

// readExactFields reads the next object of d. It returns recordkey.ErrChanged if the object, or one of the decisions
// in it, has a field that the scripts may read in another way.
func readExactFields(d *json.Decoder) error {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return recordkey.ErrChanged
	}
	seen := make(map[string]bool)
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok || seen[name] || strings.Trim(name, fieldLetters) != "" {
			return recordkey.ErrChanged
		}
		seen[name] = true
		if err := readExactValue(d, name); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// readExactValue reads the value of a field of an object that readExactFields reads.
func readExactValue(d *json.Decoder, name string) error {
	switch name {
	case "approval":
		return readExactFields(d)
	case "votes":
		return readExactList(d)
	}
	return d.Decode(new(json.RawMessage))
}

// readExactList reads a list of objects like readExactFields.
func readExactList(d *json.Decoder) error {
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return recordkey.ErrChanged
	}
	for d.More() {
		if err := readExactFields(d); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// fieldLetters are the characters in the names of a record's fields.
const fieldLetters = "abcdefghijklmnopqrstuvwxyz_"

// verify returns recordkey.ErrChanged if the record is not the one that was proposed, if it lacks an
// approval that it needs, if a user has two votes, or if it has a decision that no user has made.
func (q *Queue) verify(r record, s state) error {
	if err := q.verifyProposal(r, s); err != nil {
		return err
	}
	if s.lacksApproval() || !s.areVotesDistinct() {
		return recordkey.ErrChanged
	}
	for _, vote := range s.Votes {
		if err := q.verifyVote(r, s, vote); err != nil {
			return err
		}
	}
	if s.Approval != nil {
		return q.verifyVote(r, s, *s.Approval)
	}
	return nil
}

// verifyVote returns recordkey.ErrChanged if no user has made this decision on the command.
func (q *Queue) verifyVote(r record, s state, vote approvalState) error {
	return q.key.Accept(vote.MAC, r.decidedBy(s.Digest, vote)...)
}

// withoutForgeries returns a state without the votes, marks and reviews that no user has made, and without votes
// that are there twice, so that no reader takes them for true.
func (q *Queue) withoutForgeries(r record, s state) state {
	voted := map[string]bool{}
	isForged := func(vote approvalState) bool { return q.isForged(s, vote.MAC, r.decidedBy(s.Digest, vote)) }
	if s.Approval != nil {
		if isForged(*s.Approval) {
			s.Approval = nil
		} else {
			voted[s.Approval.By] = true
		}
	}
	s.Glass = q.provenGlass(r, s)
	isExtra := func(vote approvalState) bool {
		extra := voted[vote.By] || isForged(vote)
		voted[vote.By] = true
		return extra
	}
	if len(s.Votes) > 0 {
		s.Votes = slices.DeleteFunc(slices.Clone(s.Votes), isExtra)
	}
	return s
}

// isForged reports whether no user has made what a MAC of the state has to prove. A command that has ended may be one of
// an earlier key, which is not known any more: it is believed.
func (q *Queue) isForged(s state, mac string, parts []string) bool {
	err := q.key.Accept(mac, parts...)
	if s.Status.Final() && errors.Is(err, recordkey.ErrUnproven) {
		return !errors.Is(q.key.Check(s.MAC), recordkey.ErrUnproven)
	}
	return err != nil
}

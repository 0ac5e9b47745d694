package queue

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// recordKey authenticates the records of commands: what was proposed, and what was approved.
// An attacker who changes a record in the store cannot compute its new MAC without the key. If the
// MAC is not required, the attacker can remove it instead.
type recordKey struct {
	key      []byte
	id       string // begins the MACs of this key, so that those of another key are recognized
	required bool   // a record without a MAC of this key is refused
}

// newRecordKey returns the key that is derived from a secret.
func newRecordKey(secret []byte, required bool) recordKey {
	derive := func(purpose string) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte("records of commands\x00" + purpose))
		return mac.Sum(nil)
	}
	return recordKey{key: derive("key"), id: hex.EncodeToString(derive("id")[:4]), required: required}
}

// mac returns the MAC of parts. Each part is preceded by its length, so that no other list of
// parts has the same MAC.
func (k recordKey) mac(parts ...string) string {
	mac := hmac.New(sha256.New, k.key)
	for _, part := range parts {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		mac.Write(size[:])
		mac.Write([]byte(part))
	}
	return k.id + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

var (
	// errChanged means that a record is not the one that was proposed or approved.
	errChanged = errors.New("the record was changed after the command was proposed or approved")

	// errOtherKey means that a record has no MAC, or one of another key. An earlier release has
	// written it, or an instance whose key differs.
	errOtherKey = errors.New("the record has no MAC of this key")

	// errUnproven is returned instead of errOtherKey if the MAC is required.
	errUnproven = fmt.Errorf("%w, or it has no MAC of the required key", errChanged)
)

// check returns nil if stored is the MAC of parts. If it is a MAC of another key, check returns
// errOtherKey, or errUnproven if the MAC is required. In every other case it returns errChanged.
func (k recordKey) check(stored string, parts ...string) error {
	id, _, _ := strings.Cut(stored, ".")
	switch {
	case id != k.id && !k.required:
		return errOtherKey
	case id != k.id:
		return errUnproven
	case hmac.Equal([]byte(stored), []byte(k.mac(parts...))):
		return nil
	}
	return errChanged
}

// proposed returns the parts of a record that the proposal has set and that never change. The
// body is covered as it is stored, because texts that differ may have the same canonical form.
func (r record) proposed(s state, reviewed bool) []string {
	return []string{
		"proposal", r.tenant, r.deviceID, r.id, s.Session, s.Proposer, strconv.FormatBool(reviewed),
		strconv.Itoa(s.Priority), strconv.Itoa(s.Max), strconv.FormatInt(s.DeliverBy, 10), s.Digest, r.body,
	}
}

// decided returns the parts of a record that a decision has set. The digest stands for what was
// decided on.
func (r record) decided(digest, decision, actor string) []string {
	return []string{"decision", r.tenant, r.deviceID, r.id, digest, decision, actor}
}

// verifyProposal returns errChanged if the record is not the one that was proposed. If the record
// has no MAC of this key, only its digest can tell, and a record without a digest is accepted.
func (q *Queue) verifyProposal(r record, s state) error {
	if !hasExactFields(r.state) {
		return errChanged
	}
	err := q.key.check(s.MAC, r.proposed(s, s.ApproveBy != 0)...)
	if err == nil && isStatement(r.body) || errors.Is(err, errOtherKey) {
		return verifyDigest(r, s)
	}
	return err
}

// verifyDigest returns errChanged if the record has a digest of another command.
func verifyDigest(r record, s state) error {
	if isStatement(r.body) {
		return verifyStatement(r, s)
	}
	if s.Digest == "" {
		return nil
	}
	c, err := r.command(s)
	if err != nil {
		return errChanged
	}
	if digest, err := Digest(c); err != nil || digest != s.Digest {
		return errChanged
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

// readExactFields reads the next object of d. It returns errChanged if the object, or the approval
// in it, has a field that the scripts may read in another way.
func readExactFields(d *json.Decoder) error {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errChanged
	}
	seen := make(map[string]bool)
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok || seen[name] || strings.Trim(name, fieldLetters) != "" {
			return errChanged
		}
		seen[name] = true
		if name == "approval" {
			err = readExactFields(d)
		} else {
			err = d.Decode(new(json.RawMessage))
		}
		if err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// fieldLetters are the characters in the names of a record's fields.
const fieldLetters = "abcdefghijklmnopqrstuvwxyz_"

// verify returns errChanged if the record is not the one that was proposed, if it lacks the
// approval that it needs, or if it has a decision that no user has made.
func (q *Queue) verify(r record, s state) error {
	if err := q.verifyProposal(r, s); err != nil {
		return err
	}
	if s.lacksApproval() {
		return errChanged
	}
	a := s.Approval
	if a == nil {
		return nil
	}
	if err := q.key.check(a.MAC, r.decided(s.Digest, a.Decision, a.By)...); !errors.Is(err, errOtherKey) {
		return err
	}
	return nil
}

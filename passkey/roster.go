package passkey

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Roster is a version of the list of a tenant's approvers with the keys of their passkeys. The approvers
// of one version sign the next, so that a device that knows the first needs to trust no server for the
// others.
type Roster struct {
	Approvers    []Approver `json:"approvers"`
	Origins      []string   `json:"origins"`
	RelyingParty string     `json:"relyingParty"`
	Tenant       string     `json:"tenant"`
	Threshold    int        `json:"threshold"` // number of approvers who must sign the next version
	Type         string     `json:"type"`
	Version      int        `json:"version"`
}

// Approver is a user in a Roster.
type Approver struct {
	Email string `json:"email,omitempty"`
	Keys  []Key  `json:"keys"`
	User  string `json:"user"`
}

// Version is a version of a roster with the signatures of approvers over the bytes of its document.
type Version struct {
	Document   string      `json:"document"` // in base64url
	Signatures []Assertion `json:"signatures"`
}

// These are the limits of a roster.
const (
	rosterType        = "fieldgate-roster"
	maxDocument       = 128 << 10
	maxApprovers      = 256
	maxKeysOfApprover = 8
	maxOrigins        = 16
	maxText           = 255
)

var errRoster = errors.New("the document is not a roster with sorted members, within the limits")

// DecodeRoster returns the roster in a version, and the bytes that its approvers sign. It does not check
// the signatures.
func (v Version) DecodeRoster() (r Roster, document []byte, err error) {
	if document, err = decode(v.Document); err != nil || len(document) > maxDocument {
		return Roster{}, nil, errRoster
	}
	if !areMembersSorted(document) {
		return Roster{}, nil, errRoster
	}
	d := json.NewDecoder(bytes.NewReader(document))
	d.DisallowUnknownFields()
	if d.Decode(&r) != nil || !r.isValid() {
		return Roster{}, nil, errRoster
	}
	return r, document, nil
}

// areMembersSorted reports whether a document has one value, in whose objects each name is a known one and comes
// after the one before it. Package encoding/json would take the last of equal names, and ignore case.
func areMembersSorted(document []byte) bool {
	d := json.NewDecoder(bytes.NewReader(document))
	sorted := areNamesValid(d, func() func(name string) bool {
		last := ""
		return func(name string) bool {
			before := last
			last = name
			return name > before && slices.Contains(names, name)
		}
	})
	if !sorted {
		return false
	}
	_, err := d.Token()
	return errors.Is(err, io.EOF)
}

// names are the names of the members in a roster.
var names = []string{
	"alg", "approvers", "crv", "email", "keys", "kid", "kty", "origins", "relyingParty", "tenant", "threshold", "type", "user", "version", "x", "y",
}

// isValid reports whether a roster is within its limits, and no passkey is in it twice. The x coordinate
// stands for a key: who has a key also has the one with the other y.
func (r Roster) isValid() bool {
	if r.Type != rosterType || r.Version < 1 || r.Threshold < 1 || r.Threshold > len(r.Approvers) || len(r.Approvers) > maxApprovers {
		return false
	}
	if r.RelyingParty == "" || len(r.RelyingParty) > maxText || r.Tenant == "" || len(r.Origins) == 0 || len(r.Origins) > maxOrigins {
		return false
	}
	users, ids, keys := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, a := range r.Approvers {
		if a.User == "" || len(a.User) > maxText || len(a.Email) > maxText || users[a.User] || len(a.Keys) == 0 || len(a.Keys) > maxKeysOfApprover {
			return false
		}
		users[a.User] = true
		for _, k := range a.Keys {
			if !k.isValid() || ids[k.ID] || keys[k.X] {
				return false
			}
			ids[k.ID], keys[k.X] = true, true
		}
	}
	return true
}

// party returns the relying party for whom the approvers of a roster sign.
func (r Roster) party() RelyingParty { return RelyingParty{ID: r.RelyingParty, Origins: r.Origins} }

// keyOf returns the key with an id, and its user.
func (r Roster) keyOf(id string) (key Key, user string, found bool) {
	for _, a := range r.Approvers {
		for _, k := range a.Keys {
			if k.ID == id {
				return k, a.User, true
			}
		}
	}
	return Key{}, "", false
}

// Next returns the roster in a version, if enough approvers of r have signed it and it is the next one of
// the same tenant. The zero Roster accepts a first version, which its own approvers sign: that proves
// that they have the passkeys, and no more.
func (r Roster) Next(v Version) (Roster, error) {
	next, document, err := v.DecodeRoster()
	switch {
	case err != nil:
		return Roster{}, err
	case next.Version != r.Version+1:
		return Roster{}, errors.New("the version is not the next one")
	case r.Version > 0 && next.Tenant != r.Tenant:
		return Roster{}, errors.New("the tenant is another one")
	}
	by := r
	if r.Version == 0 {
		by = next
	}
	return next, by.checkSignatures(document, v.Signatures)
}

// checkSignatures returns nil if enough approvers of a roster have signed a document, each of them once: more
// signatures prove no more, and every device reads them.
func (r Roster) checkSignatures(document []byte, signatures []Assertion) error {
	challenge, signers := sha256.Sum256(document), map[string]bool{}
	for _, s := range signatures {
		key, user, found := r.keyOf(s.CredentialID)
		if !found {
			return errors.New("a signature is by a passkey that is not in the roster")
		}
		if _, err := r.party().Verify(s, challenge[:], key); err != nil {
			return fmt.Errorf("a signature is refused, because %w", err)
		}
		if signers[user] {
			return errors.New("a user has signed it twice")
		}
		signers[user] = true
	}
	if len(signers) < r.Threshold {
		return fmt.Errorf("%d of the %d approvers who must sign have signed", len(signers), r.Threshold)
	}
	return nil
}

package fieldgate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/fieldgate/fieldgate/clients/go/internal/exact"
)

// A Roster is a version of the list of the users of a tenant who may approve with passkeys. Each version is
// signed by users of the version before, so that a device that knows one version can follow the list
// without trusting the gateway.
type Roster struct {
	Tenant       string
	Version      int      // 1 for the first version
	Threshold    int      // number of users who must sign the next version
	RelyingParty string   // domain for which the passkeys were created
	Origins      []string // of the pages in which the passkeys may be used
	Approvers    []Approver

	passkeys map[string]passkey // by the id of the credential
	keys     map[string]bool    // x coordinates of the passkeys
	chain    []rosterVersion    // all versions up to this one
}

// An Approver is a user in a [Roster].
type Approver struct {
	UserID   string
	Email    string   // may be empty
	Passkeys []string // ids of the user's credentials, in base64url
}

// ErrRosterInvalid is the error for a roster that does not continue the one that is known.
var ErrRosterInvalid = errors.New("the roster does not continue the one that is known")

// A rosterChain contains all versions of a roster, the first one first.
type rosterChain struct {
	Versions []rosterVersion `json:"versions"`
}

type rosterVersion struct {
	Document   string      `json:"document"` // in base64url
	Signatures []Assertion `json:"signatures"`
}

// rosterType is the type in the document of a roster. A statement has no type like that in its place, so
// that a signature over one cannot be taken for a signature over the other.
const rosterType = "fieldgate-roster"

// Bounds of a roster.
const (
	maxRosterChain    = DefaultMaxResponseBytes
	maxRosterDocument = 128 << 10
	maxApprovers      = 256
	maxPasskeys       = 8 // of a user
	maxOrigins        = 16
	maxSignatures     = 256
)

// A rosterDocument is the text of a version that users sign.
type rosterDocument struct {
	Approvers    []rosterApprover `json:"approvers"`
	Origins      []string         `json:"origins"`
	RelyingParty string           `json:"relyingParty"`
	Tenant       string           `json:"tenant"`
	Threshold    int              `json:"threshold"`
	Type         string           `json:"type"`
	Version      int              `json:"version"`
}

type rosterApprover struct {
	Email string            `json:"email,omitempty"`
	Keys  []json.RawMessage `json:"keys"`
	User  string            `json:"user"`
}

// ParseRoster verifies the versions of a roster, in the form in which GET /api/v1/customer/roster returns
// them, and returns the newest one. The caller must trust the first version, for example because it
// is in a file of the device. Nothing else makes it trustworthy.
func ParseRoster(chain []byte) (Roster, error) {
	versions, err := parseChain(chain)
	if err != nil {
		return Roster{}, fmt.Errorf("reading a roster: %w", err)
	}
	r, err := parseFirst(versions[0])
	if err == nil {
		r, err = r.follow(versions[1:])
	}
	if err != nil {
		return Roster{}, fmt.Errorf("reading a roster: %w", err)
	}
	return r, nil
}

// Follow returns the newest version of a roster that continues r. It returns [ErrRosterInvalid] if the chain
// ends before r or contains another version in its place, or if a version is not signed by enough users of
// the version before.
func (r Roster) Follow(chain []byte) (Roster, error) {
	next, err := r.followChain(chain)
	if err != nil {
		return Roster{}, fmt.Errorf("%w: %w", ErrRosterInvalid, err)
	}
	return next, nil
}

func (r Roster) followChain(chain []byte) (Roster, error) {
	versions, err := parseChain(chain)
	switch {
	case err != nil:
		return Roster{}, err
	case r.Version == 0:
		return Roster{}, errors.New("no version of it is known")
	case len(versions) < r.Version:
		return Roster{}, fmt.Errorf("it ends with version %d, and version %d is known", len(versions), r.Version)
	case versions[r.Version-1].Document != r.chain[r.Version-1].Document:
		return Roster{}, fmt.Errorf("its version %d is not the one that is known", r.Version)
	}
	return r.follow(versions[r.Version:])
}

// Chain returns all versions of the roster up to this one, in the form that [ParseRoster] reads.
func (r Roster) Chain() []byte {
	text, _ := json.Marshal(rosterChain{r.chain}) // strings only
	return text
}

// FollowRoster asks the gateway for the roster of the device's tenant, and returns the newest version of it.
// It is an error if that does not continue known: see [Roster.Follow]. An answer that is longer than the limit of
// the client is [ErrRosterInvalid] too.
func (d *DeviceClient) FollowRoster(ctx context.Context, known Roster) (Roster, error) {
	answer, err := decode[struct {
		Roster json.RawMessage `json:"roster"`
	}](d.requester.getDeviceTrust(ctx))
	if errors.Is(err, errResponseTooLong) {
		return Roster{}, fmt.Errorf("%w: %w", ErrRosterInvalid, err)
	}
	if err != nil {
		return Roster{}, err
	}
	return known.Follow(answer.Roster)
}

// VerifyVote returns an error unless the vote is an approval that its user has signed with a passkey of the
// roster. The signature is over the statement, so it is no approval of another command. The proposer of
// the command cannot approve it.
func (r Roster) VerifyVote(s Statement, vote ReceiptVote) error {
	switch {
	case s.Tenant != r.Tenant:
		return errors.New("the command is one of another customer than the roster")
	case vote.Decision != "approved":
		return errors.New("the vote is no approval")
	case vote.UserID == s.Proposer.ID:
		return errors.New("the user has proposed the command")
	case vote.Assertion == nil:
		return errors.New("the vote is not signed with a passkey")
	}
	digest, err := hex.DecodeString(s.Digest)
	if err != nil {
		return fmt.Errorf("the digest of the statement: %w", err)
	}
	userID, err := r.verify(*vote.Assertion, digest)
	if err == nil && userID != vote.UserID {
		err = errors.New("the passkey is one of another user")
	}
	return err
}

func parseChain(text []byte) ([]rosterVersion, error) {
	if len(text) > maxRosterChain {
		return nil, fmt.Errorf("it is larger than %d bytes", maxRosterChain)
	}
	var chain rosterChain
	if err := json.Unmarshal(text, &chain); err != nil {
		return nil, err
	}
	if len(chain.Versions) == 0 {
		return nil, errors.New("it has no versions")
	}
	return chain.Versions, nil
}

// parseFirst parses the first version of a roster, which its own users must have signed: each of them
// has shown that a key is theirs.
func parseFirst(first rosterVersion) (Roster, error) {
	r, err := first.parse()
	if err != nil {
		return Roster{}, err
	}
	if r.Version != 1 {
		return Roster{}, fmt.Errorf("it begins with version %d", r.Version)
	}
	r.chain = []rosterVersion{first}
	return r, r.checkSignatures(first)
}

// follow returns the last of the versions that come after r, or r if there are none.
func (r Roster) follow(versions []rosterVersion) (Roster, error) {
	for _, version := range versions {
		next, err := version.parse()
		if err == nil {
			err = r.checkSuccessor(next, version)
		}
		if err != nil {
			return Roster{}, fmt.Errorf("version %d: %w", r.Version+1, err)
		}
		next.chain = append(slices.Clip(r.chain), version)
		r = next
	}
	return r, nil
}

func (r Roster) checkSuccessor(next Roster, version rosterVersion) error {
	switch {
	case next.Version != r.Version+1:
		return fmt.Errorf("it says that it is version %d", next.Version)
	case next.Tenant != r.Tenant:
		return errors.New("it is one of another customer")
	}
	return r.checkSignatures(version)
}

// checkSignatures returns an error unless enough users of r have signed a version.
func (r Roster) checkSignatures(version rosterVersion) error {
	document, err := decodeBase64(version.Document)
	if err != nil {
		return err
	}
	challenge := sha256.Sum256(document)
	users, reasons := map[string]bool{}, error(nil)
	for _, signature := range version.Signatures {
		userID, err := r.verify(signature, challenge[:])
		if err != nil {
			reasons = errors.Join(reasons, err)
			continue
		}
		users[userID] = true
	}
	if len(users) < r.Threshold {
		return errors.Join(fmt.Errorf("version %d requires the signatures of %d of its users, and it has %d", r.Version, r.Threshold, len(users)), reasons)
	}
	return nil
}

// parse decodes the document of a version. It does not verify the signatures.
func (v rosterVersion) parse() (Roster, error) {
	text, err := decodeBase64(v.Document)
	switch {
	case err != nil:
		return Roster{}, err
	case len(text) > maxRosterDocument:
		return Roster{}, fmt.Errorf("its document is larger than %d bytes", maxRosterDocument)
	case len(v.Signatures) > maxSignatures:
		return Roster{}, fmt.Errorf("it has more than %d signatures", maxSignatures)
	}
	var document rosterDocument
	if err := exact.Decode(text, &document); err != nil {
		return Roster{}, err
	}
	if err := document.check(); err != nil {
		return Roster{}, err
	}
	r := Roster{
		Tenant: document.Tenant, Version: document.Version, Threshold: document.Threshold,
		RelyingParty: document.RelyingParty, Origins: document.Origins, passkeys: map[string]passkey{}, keys: map[string]bool{},
	}
	for _, approver := range document.Approvers {
		if err := r.add(approver); err != nil {
			return Roster{}, fmt.Errorf("the user %q: %w", approver.User, err)
		}
	}
	return r, nil
}

func (d rosterDocument) check() error {
	switch {
	case d.Type != rosterType:
		return fmt.Errorf("it is of the type %q, and not %s", d.Type, rosterType)
	case d.Version < 1:
		return errors.New("it has no version")
	case d.Tenant == "" || d.RelyingParty == "" || len(d.Origins) == 0:
		return errors.New("it has no customer, relying party or origins")
	case len(d.Approvers) > maxApprovers || len(d.Origins) > maxOrigins:
		return fmt.Errorf("it has more than %d users or %d origins", maxApprovers, maxOrigins)
	case d.Threshold < 1 || d.Threshold > len(d.Approvers):
		return errors.New("its threshold must be from 1 to the number of its users")
	}
	return nil
}

// add adds a user of a version. A key is in a version once: under two ids, it would let one person count as two
// users. The x coordinate stands for a key, because who has a key also has the one with the other y.
func (r *Roster) add(member rosterApprover) error {
	if len(member.Keys) == 0 || len(member.Keys) > maxPasskeys {
		return fmt.Errorf("a user has from 1 to %d keys", maxPasskeys)
	}
	added := Approver{UserID: member.User, Email: member.Email}
	isKnown := func(other Approver) bool { return other.UserID == member.User }
	if member.User == "" || slices.ContainsFunc(r.Approvers, isKnown) {
		return errors.New("the id of a user is empty or not unique")
	}
	for _, text := range member.Keys {
		id, key, err := parsePasskey(member.User, text)
		if err != nil {
			return fmt.Errorf("a key: %w", err)
		}
		if _, found := r.passkeys[id]; found {
			return fmt.Errorf("the key %q is there twice", id)
		}
		if r.keys[key.x] {
			return fmt.Errorf("the key %q is there twice, under different ids", id)
		}
		r.passkeys[id], r.keys[key.x] = key, true
		added.Passkeys = append(added.Passkeys, id)
	}
	r.Approvers = append(r.Approvers, added)
	return nil
}

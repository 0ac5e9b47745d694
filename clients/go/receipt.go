package fieldgate

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate/clients/go/internal/exact"
)

// A Receipt holds what a gateway vouches for: the complete description of a command, and who has approved
// it. It is worth as much as the way on which its ReceiptKeys were obtained.
type Receipt struct {
	Statement Statement
	Encoded   string // the statement in base64url, as a claim has it
	Votes     []ReceiptVote
	IssuedAt  time.Time
	ExpiresAt time.Time // the command must not start later; it is the deadline of its delivery
	KeyID     string    // of the key that has signed
}

// A ReceiptVote is the vote of a user for or against a command. Decision is "approved", "rejected", or
// "break_glass" for an admin who has approved without the other users whom the rule needs.
type ReceiptVote struct {
	UserID    string
	Decision  string
	At        time.Time
	Assurance string // level of the user's sign-in, such as "aal2"; empty if it is not known

	// Assertion is the user's signature over the statement with a passkey, or nil. It is worth nothing
	// until [Roster.VerifyVote] has verified it.
	Assertion *Assertion
}

// receiptVersion is the version of the format that this package reads.
const receiptVersion = 1

// receiptType is the type in the header of a receipt. Another document that the same key has signed is no
// receipt.
const receiptType = "fieldgate-receipt"

// maxReceipt is the maximum size of a receipt in bytes, as in the contract.
const maxReceipt = 262_144

// ParseReceipt verifies the signature of a receipt, a JWS in compact form (RFC 7515, section 7.1), and
// decodes it. It does not check whether the receipt has expired, what the command is about, and whether its
// votes are enough. Names must be exact, and no name may be given twice.
func (k ReceiptKeys) ParseReceipt(compact string) (Receipt, error) {
	r, err := k.parseReceipt(compact)
	if err != nil {
		return Receipt{}, fmt.Errorf("reading a receipt: %w", err)
	}
	return r, nil
}

// ParseUnverifiedReceipt decodes a receipt and does not verify who has signed it. Its votes are worth only
// as much as the signatures of the users: see [Roster.VerifyVote].
func ParseUnverifiedReceipt(compact string) (Receipt, error) {
	r := Receipt{}
	parts, err := splitReceipt(compact)
	if err == nil {
		err = r.parse(parts[1])
	}
	if err != nil {
		return Receipt{}, fmt.Errorf("reading a receipt: %w", err)
	}
	return r, nil
}

func (k ReceiptKeys) parseReceipt(compact string) (Receipt, error) {
	parts, err := splitReceipt(compact)
	if err != nil {
		return Receipt{}, err
	}
	keyID, err := k.verify(parts[0], parts[1], parts[2])
	if err != nil {
		return Receipt{}, err
	}
	r := Receipt{KeyID: keyID}
	return r, r.parse(parts[1])
}

// splitReceipt returns header, payload and signature of a JWS in compact form.
func splitReceipt(compact string) ([]string, error) {
	if len(compact) > maxReceipt {
		return nil, fmt.Errorf("it is larger than %d bytes", maxReceipt)
	}
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		return nil, errors.New("it is not a JWS in compact form")
	}
	return parts, nil
}

// parse decodes the payload of a receipt, which is in base64url.
func (r *Receipt) parse(encoded string) error {
	payload, err := decodeBase64(encoded)
	if err != nil {
		return err
	}
	members, err := exact.Members(payload)
	if err != nil {
		return err
	}
	var version int
	var votes []json.RawMessage
	err = require(members, map[string]any{
		"version": &version, "statement": &r.Encoded, "votes": &votes, "issuedAt": &r.IssuedAt, "expiresAt": &r.ExpiresAt,
	})
	if err != nil {
		return err
	}
	if version != receiptVersion {
		return fmt.Errorf("its version is %d, and this program knows only version %d", version, receiptVersion)
	}
	if r.Statement, err = ParseStatement(r.Encoded); err != nil {
		return err
	}
	return r.parseVotes(votes)
}

func (r *Receipt) parseVotes(votes []json.RawMessage) error {
	for _, text := range votes {
		members, err := exact.Members(text)
		if err != nil {
			return err
		}
		var vote ReceiptVote
		err = require(members, map[string]any{"user": &vote.UserID, "decision": &vote.Decision, "at": &vote.At})
		err = errors.Join(err, assign(members, map[string]any{"aal": &vote.Assurance}))
		if assertion, found := members["assertion"]; found {
			vote.Assertion = new(Assertion)
			err = errors.Join(err, exact.Decode(assertion, vote.Assertion))
		}
		if err != nil {
			return fmt.Errorf("a vote: %w", err)
		}
		r.Votes = append(r.Votes, vote)
	}
	return nil
}

// require decodes the members for which targets has a pointer, by their names, and returns an error if one
// of them is missing or null.
func require(members map[string]json.RawMessage, targets map[string]any) error {
	for name := range targets {
		if value, found := members[name]; !found || string(value) == "null" {
			return fmt.Errorf("it has no member %q", name)
		}
	}
	return assign(members, targets)
}

// Approvers returns the number of distinct users who have approved the command and have not proposed it. An
// admin who has broken the glass is none of them.
func (r Receipt) Approvers() int {
	users := make(map[string]bool)
	for _, vote := range r.Votes {
		if vote.Decision == "approved" && vote.UserID != "" && vote.UserID != r.Statement.Proposer.ID {
			users[vote.UserID] = true
		}
	}
	return len(users)
}

func decodeBase64(text string) ([]byte, error) {
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") { // the decoder skips line breaks
		return nil, errors.New("it is not base64url without padding")
	}
	return decoded, nil
}

// Package receipt signs what the gateway vouches for, so that a device or an auditor can check it
// without trusting the store: the statement of a command, and who has approved it.
package receipt

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/passkey"
)

// version is the version of the format of receipts. A member that a reader must not ignore raises it.
const version = 1

// mediaType is the type in the header of a receipt, so that no other document of the same key is taken
// for one.
const mediaType = "fieldgate-receipt"

// Receipt holds what the gateway vouches for.
type Receipt struct {
	Statement []byte // as the store keeps it
	Votes     []Vote // of a command that needed an approval
	IssuedAt  time.Time
	ExpiresAt time.Time // the command must not start later
}

// Vote is the vote of a user for a command.
type Vote struct {
	UserID    string
	Decision  string // "approved" or BreakGlass
	At        time.Time
	Assurance string // assurance level of the sign-in; may be empty

	// Assertion is that of the passkey which has signed the statement. It is nil without one.
	Assertion *passkey.Assertion
}

// BreakGlass is the decision of an admin who has approved a command without the other users whom its rule
// needs.
const BreakGlass = "break_glass"

// payload is the content of a receipt. The members are sorted by name.
type payload struct {
	ExpiresAt fieldgate.Timestamp `json:"expiresAt"`
	IssuedAt  fieldgate.Timestamp `json:"issuedAt"`
	Statement string              `json:"statement"` // in base64url
	Version   int                 `json:"version"`
	Votes     []statedVote        `json:"votes"`
}

type statedVote struct {
	AAL       string              `json:"aal,omitempty"`
	Assertion *passkey.Assertion  `json:"assertion,omitempty"`
	At        fieldgate.Timestamp `json:"at"`
	Decision  string              `json:"decision"`
	User      string              `json:"user"`
}

// Sign returns the receipt as a JWS in compact form (RFC 7515).
func (s *Signer) Sign(r Receipt) (string, error) {
	content := payload{
		ExpiresAt: fieldgate.At(r.ExpiresAt), IssuedAt: fieldgate.At(r.IssuedAt),
		Statement: base64.RawURLEncoding.EncodeToString(r.Statement), Version: version, Votes: []statedVote{},
	}
	for _, vote := range r.Votes {
		content.Votes = append(content.Votes, statedVote{
			AAL: vote.Assurance, Assertion: vote.Assertion, At: fieldgate.At(vote.At), Decision: vote.Decision, User: vote.UserID,
		})
	}
	encoded, err := json.Marshal(content)
	if err != nil {
		return "", fmt.Errorf("encoding a receipt: %w", err)
	}
	signed, err := jws.Sign(encoded, jws.WithKey(s.algorithm, s.key, jws.WithProtectedHeaders(s.header)))
	if err != nil {
		return "", fmt.Errorf("signing a receipt: %w", err)
	}
	return string(signed), nil
}

package passkey

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
)

// Assertion is the signature of a passkey with what it covers, in base64url. Its members are sorted by
// name: receipts and rosters have it in this form.
type Assertion struct {
	AuthenticatorData string `json:"authenticatorData"`
	ClientDataJSON    string `json:"clientDataJSON"`
	CredentialID      string `json:"credentialId"`
	Signature         string `json:"signature"`
}

// String returns the assertion as one text without characters that JSON escapes. ParseAssertion parses it.
func (a Assertion) String() string {
	return strings.Join([]string{a.CredentialID, a.AuthenticatorData, a.ClientDataJSON, a.Signature}, ".")
}

// ParseAssertion parses the text that String has returned.
func ParseAssertion(text string) (Assertion, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 4 {
		return Assertion{}, errors.New("the text has not the four parts of an assertion")
	}
	return Assertion{CredentialID: parts[0], AuthenticatorData: parts[1], ClientDataJSON: parts[2], Signature: parts[3]}, nil
}

// RelyingParty describes for whom passkeys sign.
type RelyingParty struct {
	// ID is the domain to which authenticators bind passkeys, such as "example.com".
	ID string

	// Origins are the origins of the pages that may ask for signatures.
	Origins []string

	// LocalPorts adds http://localhost with every port to Origins, for development. Devices have no such
	// setting: they accept only what was signed on a page of an origin in their roster.
	LocalPorts bool
}

// isAllowed reports whether a page of an origin may ask for signatures.
func (r RelyingParty) isAllowed(origin string) bool {
	return slices.Contains(r.Origins, origin) || r.LocalPorts && isLocal(origin)
}

// isLocal reports whether an origin is http://localhost, with a port or without one.
func isLocal(origin string) bool {
	rest, found := strings.CutPrefix(origin, "http://localhost")
	port, hasPort := strings.CutPrefix(rest, ":")
	_, err := strconv.ParseUint(port, 10, 16)
	return found && (rest == "" || hasPort && err == nil)
}

// These are the reasons for which an assertion or a registration is refused, as ends of sentences.
var (
	errMalformed = errors.New("it is malformed")
	errOrigin    = errors.New("it was made on a page of an origin that is not allowed")
	errChallenge = errors.New("it was made for another challenge")
	errOther     = errors.New("it does not verify, or the user was not verified")
)

// Verify returns nil if the passkey with the key has signed the challenge for the relying party, on a page
// that is allowed and after it has verified the user. It returns the signature counter of the
// authenticator, which is 0 if it has none.
func (r RelyingParty) Verify(a Assertion, challenge []byte, key Key) (counter uint32, err error) {
	parsed, err := a.parse()
	if err != nil {
		return 0, err
	}
	data := parsed.Response.CollectedClientData
	switch {
	case a.CredentialID != key.ID:
		return 0, errOther
	case data.Challenge != encode(challenge):
		return 0, errChallenge
	case !r.isAllowed(data.Origin):
		return 0, errOrigin
	}
	encoded, err := key.cose()
	if err != nil {
		return 0, err
	}
	err = parsed.Verify(data.Challenge, r.ID, "", []string{data.Origin}, nil, nil,
		protocol.TopOriginExplicitVerificationMode, false, true, true, encoded, protocol.SignaturePolicy{})
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errOther, err)
	}
	return parsed.Response.AuthenticatorData.Counter, nil
}

// parse returns the assertion as package protocol verifies it.
func (a Assertion) parse() (*protocol.ParsedCredentialAssertionData, error) {
	var raw protocol.CredentialAssertionResponse
	var errs [4]error
	raw.ID, raw.Type = a.CredentialID, string(protocol.PublicKeyCredentialType)
	raw.RawID, errs[0] = decode(a.CredentialID)
	raw.AssertionResponse.AuthenticatorData, errs[1] = decode(a.AuthenticatorData)
	raw.AssertionResponse.ClientDataJSON, errs[2] = decode(a.ClientDataJSON)
	raw.AssertionResponse.Signature, errs[3] = decode(a.Signature)
	if errs != [4]error{} {
		return nil, errMalformed
	}
	parsed, err := raw.Parse()
	if err != nil || !areClientNamesExact(raw.AssertionResponse.ClientDataJSON) {
		return nil, errMalformed
	}
	return parsed, nil
}

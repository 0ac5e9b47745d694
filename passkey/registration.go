package passkey

import (
	"fmt"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// Registration describes a new passkey as its authenticator does, in base64url.
type Registration struct {
	CredentialID      string
	ClientDataJSON    string
	AttestationObject string
}

// Algorithms are the algorithms of passkeys in the order of preference, by their numbers (COSE, RFC 9053).
var Algorithms = []int{int(webauthncose.AlgES256), int(webauthncose.AlgEdDSA)}

// Register returns the public key of a new passkey, and its signature counter. The error is one unless
// the passkey was made for the challenge and the relying party, on a page that is allowed, by an
// authenticator that has verified the user. The attestation of the authenticator is not required.
func (r RelyingParty) Register(made Registration, challenge string) (key Key, counter uint32, err error) {
	parsed, err := made.parse()
	if err != nil {
		return Key{}, 0, err
	}
	data := parsed.Response.CollectedClientData
	switch {
	case data.Challenge != challenge:
		return Key{}, 0, errChallenge
	case !r.isAllowed(data.Origin):
		return Key{}, 0, errOrigin
	}
	_, err = parsed.Verify(data.Challenge, r.ID, []string{data.Origin}, nil, nil, protocol.TopOriginExplicitVerificationMode,
		false, true, true, nil, parameters(), protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	if err != nil {
		return Key{}, 0, fmt.Errorf("%w: %w", errOther, err)
	}
	made.CredentialID = encode(parsed.RawID)
	authenticator := parsed.Response.AttestationObject.AuthData
	key, err = newKey(made.CredentialID, authenticator.AttData.CredentialPublicKey)
	return key, authenticator.Counter, err
}

func parameters() (list []protocol.CredentialParameter) {
	for _, algorithm := range Algorithms {
		list = append(list, protocol.CredentialParameter{
			Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.COSEAlgorithmIdentifier(algorithm),
		})
	}
	return list
}

// parse returns the registration as package protocol verifies it.
func (made Registration) parse() (*protocol.ParsedCredentialCreationData, error) {
	var raw protocol.CredentialCreationResponse
	var errs [3]error
	raw.ID, raw.Type = made.CredentialID, string(protocol.PublicKeyCredentialType)
	raw.RawID, errs[0] = decode(made.CredentialID)
	raw.AttestationResponse.ClientDataJSON, errs[1] = decode(made.ClientDataJSON)
	raw.AttestationResponse.AttestationObject, errs[2] = decode(made.AttestationObject)
	if errs != [3]error{} {
		return nil, errMalformed
	}
	parsed, err := raw.Parse()
	if err != nil || !areClientNamesExact(raw.AttestationResponse.ClientDataJSON) {
		return nil, errMalformed
	}
	return parsed, nil
}

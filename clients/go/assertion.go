package fieldgate

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/fieldgate/fieldgate/clients/go/internal/exact"
)

// An Assertion is a signature that a user has made with a passkey (W3C Web Authentication, level 3). All
// members are in base64url without padding.
type Assertion struct {
	AuthenticatorData string `json:"authenticatorData"`
	ClientDataJSON    string `json:"clientDataJSON"`
	CredentialID      string `json:"credentialId"` // of the passkey
	Signature         string `json:"signature"`
}

// ErrNotInRoster is the error for a signature with a passkey that a roster does not have. A later version
// of the roster may have it.
var ErrNotInRoster = errors.New("the passkey is not in this version of the roster")

// A passkey is the public key of a credential of a user.
type passkey struct {
	userID string
	x      string // coordinate of the key, in base64url
	verify func(message, signature []byte) bool
}

// Flags of the authenticator data (W3C Web Authentication, section 6.1).
const (
	flagUserPresent  = 1 << 0
	flagUserVerified = 1 << 2
	flagCredential   = 1 << 6 // the data have a new credential
	flagExtensions   = 1 << 7
)

// bareAuthenticatorData is the size of authenticator data in bytes without a credential and extensions:
// the hash of the relying party, the flags and the counter.
const bareAuthenticatorData = sha256.Size + 1 + 4

// verify returns the user who has signed a challenge with a passkey of the roster. It makes the checks of
// W3C Web Authentication, section 7.2, that need no state. The counter is left to the gateway.
func (r Roster) verify(a Assertion, challenge []byte) (userID string, err error) {
	key, found := r.passkeys[a.CredentialID]
	if !found {
		return "", ErrNotInRoster
	}
	data, errData := decodeBase64(a.AuthenticatorData)
	client, errClient := decodeBase64(a.ClientDataJSON)
	signature, errSignature := decodeBase64(a.Signature)
	if err := errors.Join(errData, errClient, errSignature); err != nil {
		return "", err
	}
	if err := r.checkClientData(client, challenge); err != nil {
		return "", err
	}
	if err := r.checkAuthenticatorData(data); err != nil {
		return "", err
	}
	sum := sha256.Sum256(client)
	if !key.verify(append(slices.Clip(data), sum[:]...), signature) {
		return "", errors.New("the signature of the passkey is wrong")
	}
	return key.userID, nil
}

// checkClientData checks what the browser says about a signature. A browser may add members.
func (r Roster) checkClientData(text, challenge []byte) error {
	members, err := exact.Members(text)
	if err != nil {
		return fmt.Errorf("the client data: %w", err)
	}
	var kind, signed, origin string
	var crossOrigin bool
	err = require(members, map[string]any{"type": &kind, "challenge": &signed, "origin": &origin})
	if err := errors.Join(err, assign(members, map[string]any{"crossOrigin": &crossOrigin})); err != nil {
		return fmt.Errorf("the client data: %w", err)
	}
	switch {
	case kind != "webauthn.get":
		return fmt.Errorf("the client data is of the type %q, and not webauthn.get", kind)
	case signed != base64.RawURLEncoding.EncodeToString(challenge):
		return errors.New("the passkey has signed something else")
	case !slices.Contains(r.Origins, origin):
		return fmt.Errorf("the passkey was used at %q, which is no origin of the roster", origin)
	case crossOrigin:
		return errors.New("the passkey was used in a page of another site")
	}
	return nil
}

// checkAuthenticatorData checks what the authenticator says about a signature.
func (r Roster) checkAuthenticatorData(data []byte) error {
	if len(data) < bareAuthenticatorData {
		return errors.New("the authenticator data is too short")
	}
	flags, party := data[sha256.Size], sha256.Sum256([]byte(r.RelyingParty))
	switch {
	case string(data[:sha256.Size]) != string(party[:]):
		return errors.New("the passkey is one of another relying party")
	case flags&flagUserPresent == 0:
		return errors.New("the user was not present")
	case flags&flagUserVerified == 0:
		return errors.New("the authenticator has not verified the user")
	case flags&(flagCredential|flagExtensions) == 0 && len(data) != bareAuthenticatorData:
		return errors.New("the authenticator data is too long")
	}
	return nil
}

// A passkeyJWK is the public key of a passkey as a roster has it (RFC 7517). The id is that of the
// credential.
type passkeyJWK struct {
	Algorithm string `json:"alg"`
	Curve     string `json:"crv"`
	ID        string `json:"kid"`
	Type      string `json:"kty"`
	X         string `json:"x"`
	Y         string `json:"y,omitempty"`
}

func parsePasskey(userID string, text json.RawMessage) (id string, key passkey, err error) {
	var jwk passkeyJWK
	if err := exact.Decode(text, &jwk); err != nil {
		return "", passkey{}, err
	}
	if credential, err := decodeBase64(jwk.ID); err != nil || len(credential) == 0 {
		return "", passkey{}, errors.New("its id is not the id of a credential in base64url")
	}
	key = passkey{userID: userID, x: jwk.X}
	switch jwk.Algorithm + " " + jwk.Type + " " + jwk.Curve {
	case "ES256 EC P-256":
		key.verify, err = passkeyES256(jwk)
	case "EdDSA OKP Ed25519":
		key.verify, err = passkeyEdDSA(jwk)
	default:
		err = errors.New("it is neither for ES256 nor for EdDSA with Ed25519")
	}
	return jwk.ID, key, err
}

func passkeyES256(jwk passkeyJWK) (func(message, signature []byte) bool, error) {
	public, err := decodeP256(jwk.X, jwk.Y)
	return func(message, signature []byte) bool {
		sum := sha256.Sum256(message)
		return ecdsa.VerifyASN1(public, sum[:], signature)
	}, err
}

func passkeyEdDSA(jwk passkeyJWK) (func(message, signature []byte) bool, error) {
	public, err := decodeEd25519(jwk.X)
	if jwk.Y != "" {
		err = errors.New("an Ed25519 key has no y")
	}
	return func(message, signature []byte) bool { return ed25519.Verify(public, message, signature) }, err
}

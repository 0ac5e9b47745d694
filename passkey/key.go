// Package passkey verifies what the passkeys of users sign (Web Authentication, level 3): registrations,
// assertions on commands, and the versions of a roster of approvers.
package passkey

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// Key is the public key of a passkey as a JSON Web Key (RFC 7517), with the id of the passkey as its id.
// Its members are sorted by name.
type Key struct {
	Algorithm string `json:"alg"`
	Curve     string `json:"crv"`
	ID        string `json:"kid"`
	Type      string `json:"kty"`
	X         string `json:"x"`
	Y         string `json:"y,omitempty"` // empty for Ed25519
}

// These are the algorithms of keys that passkeys may have, by their names in JSON Web Keys.
const (
	algES256 = "ES256"
	algEdDSA = "EdDSA"
)

var errKey = errors.New("the key is neither one of Ed25519 nor one of P-256")

// newKey returns the public key with an id that an authenticator has encoded (COSE, RFC 9052).
func newKey(id string, encoded []byte) (Key, error) {
	parsed, err := webauthncose.ParsePublicKey(encoded)
	if err != nil {
		return Key{}, fmt.Errorf("reading a public key: %w", err)
	}
	switch k := parsed.(type) {
	case webauthncose.EC2PublicKeyData:
		if k.Algorithm == int64(webauthncose.AlgES256) && k.Curve == int64(webauthncose.P256) {
			return Key{Algorithm: algES256, Curve: "P-256", ID: id, Type: "EC", X: encode(k.XCoord), Y: encode(k.YCoord)}, nil
		}
	case webauthncose.OKPPublicKeyData:
		if k.Algorithm == int64(webauthncose.AlgEdDSA) && k.Curve == int64(webauthncose.Ed25519) {
			return Key{Algorithm: algEdDSA, Curve: "Ed25519", ID: id, Type: "OKP", X: encode(k.XCoord)}, nil
		}
	}
	return Key{}, errKey
}

// coordinateSize is the size of a coordinate of either curve, in bytes.
const coordinateSize = 32

// cose returns the key as authenticators encode it. The error is one for a key that newKey cannot have
// returned.
func (k Key) cose() ([]byte, error) {
	x, err := decodeExactly(k.X, coordinateSize)
	if err != nil {
		return nil, err
	}
	switch {
	case k.Algorithm == algEdDSA && k.Curve == "Ed25519" && k.Type == "OKP" && k.Y == "":
		return webauthncbor.Marshal(webauthncose.OKPPublicKeyData{
			PublicKeyData: webauthncose.PublicKeyData{KeyType: int64(webauthncose.OctetKey), Algorithm: int64(webauthncose.AlgEdDSA)},
			Curve:         int64(webauthncose.Ed25519), XCoord: x,
		})
	case k.Algorithm == algES256 && k.Curve == "P-256" && k.Type == "EC":
		y, err := decodeExactly(k.Y, coordinateSize)
		if err != nil {
			return nil, err
		}
		if _, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y)); err != nil {
			return nil, errKey
		}
		return webauthncbor.Marshal(webauthncose.EC2PublicKeyData{
			PublicKeyData: webauthncose.PublicKeyData{KeyType: int64(webauthncose.EllipticKey), Algorithm: int64(webauthncose.AlgES256)},
			Curve:         int64(webauthncose.P256), XCoord: x, YCoord: y,
		})
	}
	return nil, errKey
}

// isValid reports whether the key is one of those that newKey returns, with the id of a credential.
func (k Key) isValid() bool {
	id, errID := decode(k.ID)
	_, errKey := k.cose()
	return errID == nil && len(id) > 0 && errKey == nil
}

func encode(text []byte) string { return base64.RawURLEncoding.EncodeToString(text) }

// decode decodes base64url without padding. It accepts one text for each value.
func decode(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") { // the decoder skips line breaks
		return nil, errMalformed
	}
	return base64.RawURLEncoding.Strict().DecodeString(text)
}

func decodeExactly(text string, size int) ([]byte, error) {
	decoded, err := decode(text)
	if err != nil || len(decoded) != size {
		return nil, errKey
	}
	return decoded, nil
}

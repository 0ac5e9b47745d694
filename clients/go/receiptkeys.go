package fieldgate

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/fieldgate/fieldgate/clients/go/internal/exact"
)

// ReceiptKeys are the public keys that verify receipts, by their ids.
type ReceiptKeys map[string]receiptKey

// A receiptKey verifies the signatures of one algorithm.
type receiptKey struct {
	algorithm string
	verify    func(message, signature []byte) bool
}

// A keySet has the members of a JSON Web Key Set (RFC 7517) that the supported keys need.
type keySet struct {
	Keys []jsonWebKey `json:"keys"`
}

type jsonWebKey struct {
	Type  string `json:"kty"`
	Curve string `json:"crv"`
	ID    string `json:"kid"`
	Use   string `json:"use"`
	X     string `json:"x"`
	Y     string `json:"y"`
}

// ParseReceiptKeys decodes a JSON Web Key Set (RFC 7517), such as the one that
// GET /.well-known/fieldgate/keys returns. Keys for other algorithms than EdDSA with Ed25519 and ES256 are
// ignored. It is an error if no key is left, or if two keys have the same id.
func ParseReceiptKeys(set []byte) (ReceiptKeys, error) {
	var decoded keySet
	if err := json.Unmarshal(set, &decoded); err != nil {
		return nil, fmt.Errorf("decoding a set of keys: %w", err)
	}
	return newReceiptKeys(decoded)
}

func newReceiptKeys(set keySet) (ReceiptKeys, error) {
	keys := make(ReceiptKeys)
	for _, key := range set.Keys {
		added, err := newReceiptKey(key)
		if err != nil {
			return nil, fmt.Errorf("decoding the key %q: %w", key.ID, err)
		}
		if added.verify == nil {
			continue
		}
		if _, found := keys[key.ID]; found || key.ID == "" {
			return nil, fmt.Errorf("the id of a key, %q, is empty or not unique", key.ID)
		}
		keys[key.ID] = added
	}
	if len(keys) == 0 {
		return nil, errors.New("the set has no key for EdDSA or ES256")
	}
	return keys, nil
}

// newReceiptKey returns a key without a function if the key is of another kind.
func newReceiptKey(key jsonWebKey) (receiptKey, error) {
	if key.Use != "" && key.Use != "sig" {
		return receiptKey{}, nil
	}
	switch key.Type + " " + key.Curve {
	case "OKP Ed25519":
		return newEd25519Key(key)
	case "EC P-256":
		return newP256Key(key)
	}
	return receiptKey{}, nil
}

func newEd25519Key(key jsonWebKey) (receiptKey, error) {
	public, err := decodeEd25519(key.X)
	return receiptKey{"EdDSA", func(message, signature []byte) bool {
		return ed25519.Verify(public, message, signature)
	}}, err
}

func decodeEd25519(x string) (ed25519.PublicKey, error) {
	public, err := decodeBase64(x)
	if err == nil && len(public) != ed25519.PublicKeySize {
		err = fmt.Errorf("an Ed25519 key has %d bytes, and not %d", ed25519.PublicKeySize, len(public))
	}
	return public, err
}

// p256Size is the size in bytes of a coordinate, and of each half of a signature, of P-256.
const p256Size = 32

func newP256Key(key jsonWebKey) (receiptKey, error) {
	public, err := decodeP256(key.X, key.Y)
	return receiptKey{"ES256", func(message, signature []byte) bool {
		if len(signature) != 2*p256Size {
			return false
		}
		sum := sha256.Sum256(message)
		r, s := new(big.Int).SetBytes(signature[:p256Size]), new(big.Int).SetBytes(signature[p256Size:])
		return ecdsa.Verify(public, sum[:], r, s)
	}}, err
}

// decodeP256 returns the key with the coordinates x and y, or an error if they are no point of the curve.
func decodeP256(x, y string) (*ecdsa.PublicKey, error) {
	pointX, errX := decodeBase64(x)
	pointY, errY := decodeBase64(y)
	if err := errors.Join(errX, errY); err != nil {
		return nil, err
	}
	if len(pointX) != p256Size || len(pointY) != p256Size {
		return nil, errors.New("a coordinate of a P-256 key has not 32 bytes")
	}
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, pointX, pointY))
}

// verify verifies the signature of a JWS, whose three parts are in base64url, and returns the id of the
// key. The key decides on the algorithm, and not the header.
func (k ReceiptKeys) verify(header, payload, signature string) (keyID string, err error) {
	text, err := decodeBase64(header)
	if err != nil {
		return "", err
	}
	members, err := exact.Members(text)
	if err != nil {
		return "", err
	}
	if _, found := members["crit"]; found {
		return "", errors.New("its header has a critical member that this program does not know")
	}
	var kind, algorithm string
	if err := require(members, map[string]any{"typ": &kind, "alg": &algorithm, "kid": &keyID}); err != nil {
		return "", err
	}
	signed, err := decodeBase64(signature)
	if err != nil {
		return "", err
	}
	key, found := k[keyID]
	switch {
	case kind != receiptType:
		return "", fmt.Errorf("it is of the type %q, and not %s", kind, receiptType)
	case !found:
		return "", errors.New("it was signed with a key that is not trusted")
	case key.algorithm != algorithm:
		return "", fmt.Errorf("its algorithm is %q, and not that of its key", algorithm)
	case !key.verify([]byte(header+"."+payload), signed):
		return "", errors.New("its signature is wrong")
	}
	return keyID, nil
}

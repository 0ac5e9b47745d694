package customer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
)

const (
	maxPublishedKeys = 100
	minRSABits       = 2048
	maxRSABits       = 8192 // a larger key makes every verification slow
)

// key verifies signatures of one algorithm. The algorithm is determined by the key,
// not by the token.
type key struct {
	alg      jwa.SignatureAlgorithm
	material any // *ecdsa.PublicKey, *rsa.PublicKey, ed25519.PublicKey, or []byte for a secret
}

func (k key) verify(t token) error {
	verifier, err := jws.NewVerifier(k.alg)
	if err != nil {
		return fmt.Errorf("choosing the verifier: %w", err)
	}
	if err := verifier.Verify([]byte(t.signed), t.signature, k.material); err != nil {
		return fmt.Errorf("verifying the signature: %w", err)
	}
	return nil
}

func (k key) equal(other key) bool {
	public, ok := k.material.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.alg == other.alg && public.Equal(other.material)
}

// keyID identifies a key by its algorithm and its kid. A token can never select a key of
// another algorithm, even with the kid of that key.
type keyID struct {
	alg jwa.SignatureAlgorithm
	kid string // empty if the key or the token has none
}

// keySet holds the usable keys that an issuer publishes. It is immutable: a changed
// response creates a new keySet.
type keySet struct {
	keys map[keyID]key
}

// find returns the key with the given id. For an id without a kid it returns a key only
// if exactly one key of the algorithm is published.
func (s *keySet) find(id keyID) (key, bool) {
	if id.kid != "" {
		found, ok := s.keys[id]
		return found, ok
	}
	var found []key
	for published, key := range s.keys {
		if published.alg == id.alg {
			found = append(found, key)
		}
	}
	if len(found) != 1 {
		return key{}, false
	}
	return found[0], true
}

// equal reports whether both sets contain the same keys, in any order. Supabase Auth
// lists its keys in a random order.
func (s *keySet) equal(other *keySet) bool {
	return maps.EqualFunc(s.keys, other.keys, key.equal)
}

// parseKeySet parses a JWK Set (RFC 7517, section 5). It ignores unusable keys, as
// the RFC requires, so that a key of a new type does not disable the others. If two
// keys have the same id, the first one is used.
func parseKeySet(body []byte) (*keySet, error) {
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &document); err != nil {
		return nil, fmt.Errorf("reading the key set: %w", err)
	}
	if document.Keys == nil {
		return nil, errors.New("the key set has no keys member")
	}
	if len(document.Keys) > maxPublishedKeys {
		return nil, fmt.Errorf("the key set has more than %d keys", maxPublishedKeys)
	}
	set := &keySet{keys: make(map[keyID]key, len(document.Keys))}
	for _, raw := range document.Keys {
		set.add(raw)
	}
	return set, nil
}

func (s *keySet) add(raw []byte) {
	published, err := jwk.ParseKey(raw)
	if err != nil || !isForSignatures(published) {
		return
	}
	usable, ok := usableKey(published)
	if !ok {
		return
	}
	id := keyID{alg: usable.alg, kid: published.KeyID()}
	if _, taken := s.keys[id]; !taken {
		s.keys[id] = usable
	}
}

// isForSignatures reports whether the published key may verify signatures. It checks the
// key's use and key_ops where they are present. It returns false for a kid that is not
// allowed in a token.
func isForSignatures(published jwk.Key) bool {
	if use := published.KeyUsage(); use != "" && use != "sig" {
		return false
	}
	if operations := published.KeyOps(); len(operations) > 0 && !slices.Contains(operations, jwk.KeyOpVerify) {
		return false
	}
	kid := published.KeyID()
	return kid == "" || kidPattern.MatchString(kid)
}

// usableKey returns the published key, bound to the single algorithm of its type. It
// returns false if the key names another algorithm. It also returns false for secrets and
// private keys, because anyone can sign with a key that is published.
func usableKey(published jwk.Key) (key, bool) {
	var material any
	if err := published.Raw(&material); err != nil {
		return key{}, false
	}
	alg, ok := algFor(material)
	if named := published.Algorithm().String(); named != "" && named != alg.String() {
		return key{}, false
	}
	return key{alg: alg, material: material}, ok
}

func algFor(material any) (jwa.SignatureAlgorithm, bool) {
	switch public := material.(type) {
	case *ecdsa.PublicKey:
		_, err := public.ECDH() // an error means that the point is not on the curve
		return jwa.ES256, err == nil && public.Curve == elliptic.P256()
	case *rsa.PublicKey:
		bits := public.N.BitLen()
		return jwa.RS256, bits >= minRSABits && bits <= maxRSABits
	case ed25519.PublicKey:
		return jwa.EdDSA, len(public) == ed25519.PublicKeySize
	default:
		return "", false
	}
}

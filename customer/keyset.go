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
	maxRSABits       = 8192 // a larger one makes every verification slow
)

// key verifies signatures of one algorithm. The algorithm comes from the key,
// never from the token.
type key struct {
	alg      jwa.SignatureAlgorithm
	material any // *ecdsa.PublicKey, *rsa.PublicKey, ed25519.PublicKey or the secret's []byte
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

// keyID is what a token says about its key. A token of one algorithm finds no
// key of another, whatever kid it names.
type keyID struct {
	alg jwa.SignatureAlgorithm
	kid string // empty where the key, or the token, has none
}

// keySet holds the usable keys that an issuer publishes. It never changes:
// another answer makes another keySet.
type keySet struct {
	keys map[keyID]key
}

// find gives the key of an id. A token without a kid finds a key only where
// one single key of its algorithm is published: there is nothing to choose.
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

// equal compares what is published, in any order: Supabase Auth lists its keys
// in a random one.
func (s *keySet) equal(other *keySet) bool {
	return maps.EqualFunc(s.keys, other.keys, key.equal)
}

// parseKeySet reads a JWK Set (RFC 7517, section 5). Keys that are of no use
// here are passed over, as the RFC demands: one key of a new kind must not
// cost the others. The first of two keys with one id counts.
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

// isForSignatures honours use and key_ops where they are given, and passes
// over a kid that no token could name.
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

// usableKey binds a published key to the one algorithm of its type. Where the
// key names an algorithm itself, it must be that one. Secrets and private keys
// are no proof of anything once they are published, and are not used.
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
		_, err := public.ECDH() // an error means a point off the curve
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

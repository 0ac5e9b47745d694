package customer

import (
	"cmp"
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
	"strings"

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
	material any  // *ecdsa.PublicKey, *rsa.PublicKey, ed25519.PublicKey, or []byte for a secret
	previous bool // the key is a secret that a newer one has replaced
}

func (k key) verify(t token) error {
	verifier, err := jws.NewVerifier(k.alg)
	if err != nil {
		return fmt.Errorf("choosing the verifier: %w", err)
	}
	if verifier.Verify([]byte(t.signed), t.signature, k.material) != nil {
		return errSignature
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
	keys    map[keyID]key
	ignored []ignoredKey // published keys that are not used, sorted
}

// ignoredKey is a published key that is not used, for the log.
type ignoredKey struct {
	kid    string // truncated; empty if the key has none
	reason string
}

// The reasons for which a published key is ignored. Such a key is not a fault: an issuer may
// also publish keys for other purposes.
const (
	keyUnreadable       = "it cannot be read, or is of an unknown type"
	keyForOtherPurpose  = "its use or its operations are not those of signatures"
	keyIDTooLong        = "its key id is too long"
	keyNotAccepted      = "its algorithm, curve or size is not accepted, or it is not a public key"
	keyIDTaken          = "another key of the algorithm has the same key id"
	maxLoggedKeyIDBytes = 128
)

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
		if raw[0] != '{' {
			return nil, errors.New("a member of the key set is not a JSON object")
		}
		if reason := set.add(raw); reason != "" {
			set.ignored = append(set.ignored, ignoredKey{loggedKeyID(raw), reason})
		}
	}
	slices.SortFunc(set.ignored, func(a, b ignoredKey) int {
		return cmp.Or(cmp.Compare(a.kid, b.kid), cmp.Compare(a.reason, b.reason))
	})
	return set, nil
}

// publish returns the usable keys as a JWK Set, which parseKeySet parses.
func (s *keySet) publish() ([]byte, error) {
	document := struct {
		Keys []jwk.Key `json:"keys"`
	}{Keys: []jwk.Key{}}
	for id, usable := range s.keys {
		published, err := jwk.FromRaw(usable.material)
		if err == nil {
			err = published.Set(jwk.AlgorithmKey, usable.alg)
		}
		if err == nil && id.kid != "" {
			err = published.Set(jwk.KeyIDKey, id.kid)
		}
		if err != nil {
			return nil, fmt.Errorf("encoding a key of the issuer: %w", err)
		}
		document.Keys = append(document.Keys, published)
	}
	return json.Marshal(document)
}

// loggedKeyID returns the kid of a published key in the form in which it is logged.
func loggedKeyID(raw []byte) string {
	var published struct {
		KeyID string `json:"kid"`
	}
	_ = json.Unmarshal(raw, &published) // a key that cannot be read has no kid
	return strings.ToValidUTF8(published.KeyID[:min(len(published.KeyID), maxLoggedKeyIDBytes)], "")
}

// add adds a published key. It returns the reason if the key is ignored, and else "".
func (s *keySet) add(raw []byte) (reason string) {
	published, err := jwk.ParseKey(raw)
	switch {
	case err != nil:
		return keyUnreadable
	case !isForSignatures(published):
		return keyForOtherPurpose
	case len(published.KeyID()) > maxKeyIDBytes:
		return keyIDTooLong
	}
	usable, ok := usableKey(published)
	if !ok {
		return keyNotAccepted
	}
	id := keyID{alg: usable.alg, kid: published.KeyID()}
	if _, taken := s.keys[id]; taken {
		return keyIDTaken
	}
	s.keys[id] = usable
	return ""
}

// isForSignatures reports whether the published key may verify signatures. It checks the
// key's use and key_ops where they are present.
func isForSignatures(published jwk.Key) bool {
	if use := published.KeyUsage(); use != "" && use != "sig" {
		return false
	}
	operations := published.KeyOps()
	return len(operations) == 0 || slices.Contains(operations, jwk.KeyOpVerify)
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

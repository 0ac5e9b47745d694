package customer

import "github.com/lestrrat-go/jwx/v2/jwa"

// secrets are the shared secrets of an issuer that signs with HS256: the current one, and those
// that it has replaced.
type secrets []key

func secretsOf(current []byte, replaced [][]byte) (all secrets) {
	if len(current) == 0 {
		return nil
	}
	all = append(all, key{alg: jwa.HS256, material: current})
	for _, previous := range replaced {
		all = append(all, key{alg: jwa.HS256, material: previous, previous: true})
	}
	return all
}

// verification has the secrets of a verifier and the tokens that were verified with them, or with the
// issuer's keys, since the secrets were set. Both are replaced together, so that a token whose secret
// was removed is not found among the verified ones.
type verification struct {
	secrets secrets // empty if HS256 is refused
	cache   *tokenCache
}

// ReplaceSecrets replaces the shared secret and those that it has replaced before. The caller has
// checked them. Whether there is a secret must not change.
func (v *Verifier) ReplaceSecrets(current []byte, previous [][]byte) {
	v.inUse.Store(&verification{secretsOf(current, previous), newTokenCache(v.cfg.CacheSize)})
}

// signerOf returns the secret that has signed the token. The kid selects none, because issuers use
// any text for it. A forged token is compared with each secret, each time in constant time: its
// sender learns only how many there are.
func (s secrets) signerOf(t token) (key, error) {
	if len(s) == 0 {
		return key{}, errHS256Refused
	}
	for _, secret := range s {
		if secret.verify(t) == nil {
			return secret, nil
		}
	}
	return key{}, errSignature
}

package customer

import "github.com/lestrrat-go/jwx/v2/jwa"

// secrets are the shared secrets of an issuer that signs with HS256: the current one, and those
// that it has replaced.
type secrets []key

func secretsOf(cfg Config) (all secrets) {
	if len(cfg.HS256Secret) == 0 {
		return nil
	}
	all = append(all, key{alg: jwa.HS256, material: cfg.HS256Secret})
	for _, previous := range cfg.PreviousHS256Secrets {
		all = append(all, key{alg: jwa.HS256, material: previous, previous: true})
	}
	return all
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

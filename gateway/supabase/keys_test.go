package supabase_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jwt"
	"github.com/stretchr/testify/require"
)

// legacySecret is the shared secret of projects that have one.
const legacySecret = "the-legacy-secret-of-a-project-has-40-characters"

// newKey returns a new signing key of a project, with a random id.
func newKey(t testing.TB, alg jwa.SignatureAlgorithm) jwk.Key {
	t.Helper()
	return newKeyWithID(t, alg, "key-"+rand.Text())
}

// newKeyWithID is like newKey, with a given id. The key for HS256 is legacySecret.
func newKeyWithID(t testing.TB, alg jwa.SignatureAlgorithm, kid string) jwk.Key {
	t.Helper()
	key, err := jwk.FromRaw(newMaterial(t, alg))
	require.NoError(t, err)
	require.NoError(t, key.Set(jwk.KeyIDKey, kid))
	require.NoError(t, key.Set(jwk.AlgorithmKey, alg))
	return key
}

func newMaterial(t testing.TB, alg jwa.SignatureAlgorithm) (material any) {
	t.Helper()
	var err error
	switch alg {
	case jwa.ES256:
		material, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jwa.RS256:
		material, err = rsa.GenerateKey(rand.Reader, 2048)
	case jwa.EdDSA:
		_, material, err = ed25519.GenerateKey(rand.Reader)
	case jwa.HS256:
		material = []byte(legacySecret)
	}
	require.NoError(t, err)
	return material
}

// keySetting returns the setting of Supabase Auth with the signing keys of a project. The first
// key signs, and the others are only published.
func keySetting(t testing.TB, keys []jwk.Key) string {
	t.Helper()
	var all []jwk.Key
	for i, key := range keys {
		operations := jwk.KeyOperationList{jwk.KeyOpVerify}
		if i == 0 {
			operations = jwk.KeyOperationList{jwk.KeyOpSign, jwk.KeyOpVerify}
		}
		copied, err := key.Clone()
		require.NoError(t, err)
		require.NoError(t, copied.Set(jwk.KeyOpsKey, operations))
		all = append(all, copied)
	}
	text, err := json.Marshal(all)
	require.NoError(t, err)
	return string(text)
}

// apiKey returns a token of a project itself, such as a legacy API key: one with a role and
// without a user.
func apiKey(t testing.TB, key jwk.Key, role string, lifetime time.Duration) string {
	t.Helper()
	now := time.Now()
	token, err := jwt.NewBuilder().Issuer("supabase").Claim("role", role).
		IssuedAt(now.Add(-time.Minute)).Expiration(now.Add(lifetime)).Build()
	require.NoError(t, err)
	signed, err := jwt.Sign(token, jwt.WithKey(key.Algorithm(), key))
	require.NoError(t, err)
	return string(signed)
}

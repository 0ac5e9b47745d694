package customer_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/customer/issuer"
)

func ecKey(t testing.TB, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	private, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return private
}

func rsaKey(t testing.TB, bits int) crypto.Signer {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(t, err)
	return private
}

func edKey(t testing.TB) crypto.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return private
}

// allSigners returns one key of each algorithm. All have the same kid, because a kid
// alone must not select a key.
func allSigners(t testing.TB) []signer {
	t.Helper()
	return []signer{
		{jwa.ES256, "shared-kid", ecKey(t, elliptic.P256())},
		{jwa.RS256, "shared-kid", rsaKey(t, 2048)},
		{jwa.EdDSA, "shared-kid", edKey(t)},
	}
}

func TestVerify_AlgorithmIsBoundToKeyType(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	signers := allSigners(t)
	var published []map[string]any
	for _, s := range signers {
		published = append(published, s.jwk(t, nil))
	}
	iss.Respond(publish(t, published...))
	v := newVerifier(t, configFor(iss))
	for _, s := range signers {
		requireAccepted(t, v, s.token(t, iss.Payload(issuer.Claims{})))
		s.kid = "" // a kid is not needed, because there is only one key of the algorithm
		requireAccepted(t, v, s.token(t, iss.Payload(issuer.Claims{})))
	}
	require.Equal(t, len(signers), v.Health().Keys)
}

func TestKeySet_AlgAndUseAreOptional(t *testing.T) {
	t.Parallel()
	for _, s := range allSigners(t) {
		iss := customertest.NewIssuer(t)
		iss.Respond(publish(t, s.jwk(t, map[string]any{"alg": nil, "use": nil})))
		requireAccepted(t, newVerifier(t, configFor(iss)), s.token(t, iss.Payload(issuer.Claims{})))
	}
}

func TestVerify_MissingKidWithSeveralKeysIsRefused(t *testing.T) {
	t.Parallel()
	iss, first, second := customertest.NewIssuer(t), allSigners(t)[0], allSigners(t)[0]
	first.kid, second.kid = "1", "2"
	iss.Respond(publish(t, first.jwk(t, nil), second.jwk(t, nil)))
	v := newVerifier(t, configFor(iss))
	claims := iss.Payload(issuer.Claims{})
	requireAccepted(t, v, first.token(t, claims))
	first.kid = ""
	requireRefused(t, v, first.token(t, claims))
}

func TestKeySet_KeyWithoutKidVerifiesOnlyTokensWithoutKid(t *testing.T) {
	t.Parallel()
	iss, s := customertest.NewIssuer(t), allSigners(t)[0]
	iss.Respond(publish(t, s.jwk(t, map[string]any{"kid": nil})))
	v := newVerifier(t, configFor(iss))
	requireRefused(t, v, s.token(t, iss.Payload(issuer.Claims{})))
	s.kid = ""
	requireAccepted(t, v, s.token(t, iss.Payload(issuer.Claims{})))
}

func TestKeySet_FirstKeyWithDuplicateIDWins(t *testing.T) {
	t.Parallel()
	iss, first, second := customertest.NewIssuer(t), allSigners(t)[0], allSigners(t)[0]
	iss.Respond(publish(t, first.jwk(t, nil), second.jwk(t, nil)))
	v := newVerifier(t, configFor(iss))
	requireAccepted(t, v, first.token(t, iss.Payload(issuer.Claims{})))
	requireRefused(t, v, second.token(t, iss.Payload(issuer.Claims{})))
}

// TestKeySet_UnusableKeysVerifyNothing publishes each unusable key together with a
// usable one, and signs well-formed tokens with the unusable one.
func TestKeySet_UnusableKeysVerifyNothing(t *testing.T) {
	t.Parallel()
	ec, rsa2048, ed := ecKey(t, elliptic.P256()), rsaKey(t, 2048), edKey(t)
	cases := map[string]struct {
		signer  signer
		changes map[string]any
	}{
		"for encryption":                {signer{jwa.ES256, "k", ec}, map[string]any{"use": "enc"}},
		"for other operations":          {signer{jwa.ES256, "k", ec}, map[string]any{"key_ops": []string{"encrypt"}}},
		"EC for another algorithm":      {signer{jwa.ES256, "k", ec}, map[string]any{"alg": "ES512"}},
		"EC for key agreement":          {signer{jwa.ES256, "k", ec}, map[string]any{"alg": "ECDH-ES"}},
		"EC for HS256":                  {signer{jwa.ES256, "k", ec}, map[string]any{"alg": "HS256"}},
		"EC on another curve":           {signer{jwa.ES256, "k", ecKey(t, elliptic.P384())}, map[string]any{"alg": nil}},
		"EC on another curve, as ES256": {signer{jwa.ES256, "k", ecKey(t, elliptic.P384())}, nil},
		"RSA for another algorithm":     {signer{jwa.RS256, "k", rsa2048}, map[string]any{"alg": "PS256"}},
		"RSA of 1024 bits":              {signer{jwa.RS256, "k", rsaKey(t, 1024)}, nil},
		"Ed25519 for another algorithm": {signer{jwa.EdDSA, "k", ed}, map[string]any{"alg": "ES256"}},
		"with a kid too long":           {signer{jwa.ES256, strings.Repeat("k", 513), ec}, nil},
		"with a broken coordinate":      {signer{jwa.ES256, "k", ec}, map[string]any{"x": "AAAA"}},
		"of an unknown type":            {signer{jwa.ES256, "k", ec}, map[string]any{"kty": "AKP"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			iss := customertest.NewIssuer(t)
			good := iss.JWKs()[0]
			iss.Respond(publish(t, c.signer.jwk(t, c.changes), good))
			v := newVerifier(t, configFor(iss))
			requireRefused(t, v, c.signer.token(t, iss.Payload(issuer.Claims{})))
			requireAccepted(t, v, iss.Token(issuer.Claims{}))
			require.Equal(t, 1, v.Health().Keys)
		})
	}
}

// TestKeySet_IgnoresVeryLargeRSAKeys checks the size limit for RSA keys, which keeps
// verifications fast.
func TestKeySet_IgnoresVeryLargeRSAKeys(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	for bits, keys := range map[uint]int{8192: 1, 8193: 0} {
		modulus := new(big.Int).Lsh(big.NewInt(1), bits-1)
		large := jwkOf(t, &rsa.PublicKey{N: modulus.SetBit(modulus, 0, 1), E: 65537}, jwa.RS256, "k", nil)
		iss.Respond(publish(t, large, iss.JWKs()[0]))
		v := newVerifier(t, configFor(iss))
		requireAccepted(t, v, iss.Token(issuer.Claims{}))
		require.Equal(t, 1+keys, v.Health().Keys)
	}
}

// TestKeySet_AnyStringIsAKeyID verifies tokens of keys whose ids are URLs, URNs or base64
// (RFC 7517, section 4.5).
func TestKeySet_AnyStringIsAKeyID(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	var published []map[string]any
	var tokens []string
	for _, kid := range []string{
		"q5CkmjVlPNkT+A/0vW8=", "urn:ietf:params:oauth:jwk-thumbprint:sha-256:NzbLs", "https://keys.example.com/k?v=1#2",
		"a b", "Schlüssel", "../k", "'\"\\\n", strings.Repeat("k", 512),
	} {
		s := signer{jwa.ES256, kid, ecKey(t, elliptic.P256())}
		published = append(published, s.jwk(t, nil))
		tokens = append(tokens, s.token(t, iss.Payload(issuer.Claims{})))
	}
	iss.Respond(publish(t, published...))
	v := newVerifier(t, configFor(iss))
	for _, token := range tokens {
		requireAccepted(t, v, token)
	}
	require.Equal(t, len(tokens), v.Health().Keys)
}

// TestKeySet_PublishedPrivateKeyVerifiesNothing publishes private keys. Anyone who reads
// the key set could sign with them.
func TestKeySet_PublishedPrivateKeyVerifiesNothing(t *testing.T) {
	t.Parallel()
	for _, s := range allSigners(t) {
		iss := customertest.NewIssuer(t)
		good := iss.JWKs()[0]
		iss.Respond(publish(t, jwkOf(t, s.private, s.alg, s.kid, nil), good))
		v := newVerifier(t, configFor(iss))
		requireRefused(t, v, s.token(t, iss.Payload(issuer.Claims{})))
		require.Equal(t, 1, v.Health().Keys)
	}
}

// hs256 returns a token with the issuer's claims, signed with secret.
func hs256(t testing.TB, iss *customertest.Issuer, secret []byte) string {
	t.Helper()
	header := iss.Header()
	header["alg"] = "HS256"
	parts := strings.Split(iss.Sign(header, iss.Payload(issuer.Claims{})), ".")
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(parts[0] + "." + parts[1]))
	return parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

var secret = bytes.Repeat([]byte("0123456789abcdef"), 2)

func TestVerify_HS256RequiresConfiguredSecret(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	token := hs256(t, iss, secret)
	requireRefused(t, newVerifier(t, configFor(iss)), token)

	cfg := configFor(iss)
	cfg.HS256Secret = secret
	v := newVerifier(t, cfg)
	requireAccepted(t, v, token)
	require.Zero(t, iss.Requests(), "an HS256 token must not cause a fetch of the keys")
	requireAccepted(t, v, iss.Token(issuer.Claims{}))
	requireRefused(t, v, hs256(t, iss, secret[1:]))
}

// TestVerify_RefusesForgedTokensWithSecretConfigured configures an HS256 secret. The most
// important forgeries are signed with a public key as the secret.
func TestVerify_RefusesForgedTokensWithSecretConfigured(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	cfg := configFor(iss)
	cfg.HS256Secret = secret
	v := newVerifier(t, cfg)
	for _, forgery := range customertest.ForgedTokens(iss.Issuer, "http://untrusted.invalid") {
		requireForgedRefused(t, v, forgery.Token)
	}
}

func TestKeySet_PublishedSecretVerifiesNothing(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	published := jwkOf(t, bytes.Repeat([]byte("p"), 32), jwa.HS256, iss.Header()["kid"].(string), nil)
	iss.Respond(publish(t, published, iss.JWKs()[0]))
	forged := hs256(t, iss, bytes.Repeat([]byte("p"), 32))
	requireRefused(t, newVerifier(t, configFor(iss)), forged)

	cfg := configFor(iss)
	cfg.HS256Secret = secret
	requireRefused(t, newVerifier(t, cfg), forged)
}

func TestVerify_SecretWithoutJWKSAcceptsOnlyHS256(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	v := newVerifier(t, customer.Config{HS256Secret: secret, Issuers: []string{iss.Name()}, PersonalTenants: true})
	require.NoError(t, v.Ready())
	requireAccepted(t, v, hs256(t, iss, secret))
	requireRefused(t, v, iss.Token(issuer.Claims{}))
	require.Zero(t, iss.Requests())
}

// TestKeySource_EmptySetIsValidWithSecret covers projects that sign with HS256 and
// publish an empty key set. With a configured secret, an empty set is no outage.
func TestKeySource_EmptySetIsValidWithSecret(t *testing.T) {
	t.Parallel()
	iss, clk := customertest.NewIssuer(t), newClock()
	iss.Respond(publish(t))
	cfg := configFor(iss)
	cfg.HS256Secret, cfg.Now = secret, clk.Now
	v := newVerifier(t, cfg)
	requireRefused(t, v, freshToken(iss, clk))
	requireAccepted(t, v, hs256(t, iss, secret))
	require.NoError(t, v.Health().LastError)

	iss.Restore() // the project migrates to asymmetric keys
	clk.Advance(cooldown)
	requireAccepted(t, v, freshToken(iss, clk))
}

func TestKeySource_InvalidResponseIsUnavailableEvenWithSecret(t *testing.T) {
	t.Parallel()
	for _, broken := range []string{`{}`, `{"keys":null}`, `[]`} {
		iss := customertest.NewIssuer(t)
		iss.Respond(respondWith(http.StatusOK, broken))
		cfg := configFor(iss)
		cfg.HS256Secret = secret
		v := newVerifier(t, cfg)
		requireUnavailable(t, v, iss.Token(issuer.Claims{}))
		requireAccepted(t, v, hs256(t, iss, secret))
		require.NoError(t, v.Ready(), "a secret alone makes the verifier ready")
	}
}

// TestKeySource_IgnoredKeysReplaceNoneWithSecret checks that a secret makes no set believed in which
// every key is ignored.
func TestKeySource_IgnoredKeysReplaceNoneWithSecret(t *testing.T) {
	t.Parallel()
	iss, clk := customertest.NewIssuer(t), newClock()
	cfg := configFor(iss)
	cfg.HS256Secret, cfg.Now = secret, clk.Now
	v := newVerifier(t, cfg)
	requireAccepted(t, v, freshToken(iss, clk))
	iss.Respond(publish(t, map[string]any{"kty": "oct", "k": "c2VjcmV0", "kid": "1"}))
	clk.Advance(cooldown)
	requireRefused(t, v, tokenWithUnknownKey("unknown"))
	require.Equal(t, 2, iss.Requests())
	require.Error(t, v.FetchFailure())
	requireAccepted(t, v, freshToken(iss, clk))
}

// TestKeySource_EmptySetWithSecret covers a project that goes back to its legacy secret.
func TestKeySource_EmptySetWithSecret(t *testing.T) {
	t.Parallel()
	iss, clk := customertest.NewIssuer(t), newClock()
	cfg := configFor(iss)
	cfg.HS256Secret, cfg.Now = secret, clk.Now
	v := newVerifier(t, cfg)
	requireAccepted(t, v, freshToken(iss, clk))
	iss.Respond(publish(t))
	clk.Advance(cooldown)
	requireRefused(t, v, tokenWithUnknownKey("unknown"))
	require.Equal(t, 2, iss.Requests())
	requireForgedRefused(t, v, freshToken(iss, clk))
	requireAccepted(t, v, hs256(t, iss, secret))
}

// TestIssuer_TokensVerifyWithJWX verifies a token with jwx instead of this package.
func TestIssuer_TokensVerifyWithJWX(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	_, err := jws.Verify([]byte(iss.Token(issuer.Claims{})), jws.WithKey(jwa.ES256, iss.PublicKey()))
	require.NoError(t, err)
}

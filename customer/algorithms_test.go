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

// allSigners are a key of each algorithm, all under one kid: the kid alone
// chooses nothing.
func allSigners(t testing.TB) []signer {
	t.Helper()
	return []signer{
		{jwa.ES256, "shared-kid", ecKey(t, elliptic.P256())},
		{jwa.RS256, "shared-kid", rsaKey(t, 2048)},
		{jwa.EdDSA, "shared-kid", edKey(t)},
	}
}

func TestEachAlgorithmIsVerifiedWithTheKeyOfItsType(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	signers := allSigners(t)
	var published []map[string]any
	for _, s := range signers {
		published = append(published, s.jwk(t, nil))
	}
	iss.Answer(publish(t, published...))
	v := newVerifier(t, configFor(iss))
	for _, s := range signers {
		requireAccepted(t, v, s.token(t, iss.Payload(issuer.Claims{})))
		s.kid = "" // one key of the algorithm: nothing to choose
		requireAccepted(t, v, s.token(t, iss.Payload(issuer.Claims{})))
	}
	require.Equal(t, len(signers), v.Health().Keys)
}

func TestAKeyNeedNotNameItsAlgorithmOrUse(t *testing.T) {
	t.Parallel()
	for _, s := range allSigners(t) {
		iss := customertest.NewIssuer(t)
		iss.Answer(publish(t, s.jwk(t, map[string]any{"alg": nil, "use": nil})))
		requireAccepted(t, newVerifier(t, configFor(iss)), s.token(t, iss.Payload(issuer.Claims{})))
	}
}

func TestATokenWithoutKidIsRefusedWhereSeveralKeysMayBeMeant(t *testing.T) {
	t.Parallel()
	iss, first, second := customertest.NewIssuer(t), allSigners(t)[0], allSigners(t)[0]
	first.kid, second.kid = "1", "2"
	iss.Answer(publish(t, first.jwk(t, nil), second.jwk(t, nil)))
	v := newVerifier(t, configFor(iss))
	claims := iss.Payload(issuer.Claims{})
	requireAccepted(t, v, first.token(t, claims))
	first.kid = ""
	requireRefused(t, v, first.token(t, claims))
}

func TestAKeyWithoutKidServesOnlyTokensWithoutKid(t *testing.T) {
	t.Parallel()
	iss, s := customertest.NewIssuer(t), allSigners(t)[0]
	iss.Answer(publish(t, s.jwk(t, map[string]any{"kid": nil})))
	v := newVerifier(t, configFor(iss))
	requireRefused(t, v, s.token(t, iss.Payload(issuer.Claims{})))
	s.kid = ""
	requireAccepted(t, v, s.token(t, iss.Payload(issuer.Claims{})))
}

func TestTheFirstOfTwoKeysWithOneIDCounts(t *testing.T) {
	t.Parallel()
	iss, first, second := customertest.NewIssuer(t), allSigners(t)[0], allSigners(t)[0]
	iss.Answer(publish(t, first.jwk(t, nil), second.jwk(t, nil)))
	v := newVerifier(t, configFor(iss))
	requireAccepted(t, v, first.token(t, iss.Payload(issuer.Claims{})))
	requireRefused(t, v, second.token(t, iss.Payload(issuer.Claims{})))
}

// Each is published beside a good key, and signs tokens that look right.
func TestPublishedKeysOfNoUseVerifyNothing(t *testing.T) {
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
		"EC for the shared secret's":    {signer{jwa.ES256, "k", ec}, map[string]any{"alg": "HS256"}},
		"EC on another curve":           {signer{jwa.ES256, "k", ecKey(t, elliptic.P384())}, map[string]any{"alg": nil}},
		"EC on another curve, as ES256": {signer{jwa.ES256, "k", ecKey(t, elliptic.P384())}, nil},
		"RSA for another algorithm":     {signer{jwa.RS256, "k", rsa2048}, map[string]any{"alg": "PS256"}},
		"RSA of 1024 bits":              {signer{jwa.RS256, "k", rsaKey(t, 1024)}, nil},
		"Ed25519 for another algorithm": {signer{jwa.EdDSA, "k", ed}, map[string]any{"alg": "ES256"}},
		"of a kid nobody may name":      {signer{jwa.ES256, "../k", ec}, nil},
		"of a kid too long":             {signer{jwa.ES256, strings.Repeat("k", 129), ec}, nil},
		"of a broken coordinate":        {signer{jwa.ES256, "k", ec}, map[string]any{"x": "AAAA"}},
		"of an unknown kind":            {signer{jwa.ES256, "k", ec}, map[string]any{"kty": "AKP"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			iss := customertest.NewIssuer(t)
			good := iss.JWKs()[0]
			iss.Answer(publish(t, c.signer.jwk(t, c.changes), good))
			v := newVerifier(t, configFor(iss))
			requireRefused(t, v, c.signer.token(t, iss.Payload(issuer.Claims{})))
			requireAccepted(t, v, iss.Token(issuer.Claims{}))
			require.Equal(t, 1, v.Health().Keys)
		})
	}
}

// It would make every verification slow.
func TestAnRSAKeyOfImmoderateSizeIsPassedOver(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	for bits, keys := range map[uint]int{8192: 1, 8193: 0} {
		modulus := new(big.Int).Lsh(big.NewInt(1), bits-1)
		large := jwkOf(t, &rsa.PublicKey{N: modulus.SetBit(modulus, 0, 1), E: 65537}, jwa.RS256, "k", nil)
		iss.Answer(publish(t, large, iss.JWKs()[0]))
		v := newVerifier(t, configFor(iss))
		requireAccepted(t, v, iss.Token(issuer.Claims{}))
		require.Equal(t, 1+keys, v.Health().Keys)
	}
}

func TestAKidMayBe128CharactersLong(t *testing.T) {
	t.Parallel()
	iss, s := customertest.NewIssuer(t), allSigners(t)[0]
	s.kid = strings.Repeat("k", 128)
	iss.Answer(publish(t, s.jwk(t, nil)))
	requireAccepted(t, newVerifier(t, configFor(iss)), s.token(t, iss.Payload(issuer.Claims{})))
}

// A private key that anybody can read proves nothing.
func TestAPublishedPrivateKeyVerifiesNothing(t *testing.T) {
	t.Parallel()
	for _, s := range allSigners(t) {
		iss := customertest.NewIssuer(t)
		good := iss.JWKs()[0]
		iss.Answer(publish(t, jwkOf(t, s.private, s.alg, s.kid, nil), good))
		v := newVerifier(t, configFor(iss))
		requireRefused(t, v, s.token(t, iss.Payload(issuer.Claims{})))
		require.Equal(t, 1, v.Health().Keys)
	}
}

// hs256 signs an issuer's claims with a secret.
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

func TestHS256IsAcceptedOnlyWhereASecretIsConfigured(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	token := hs256(t, iss, secret)
	requireRefused(t, newVerifier(t, configFor(iss)), token)

	cfg := configFor(iss)
	cfg.HS256Secret = secret
	v := newVerifier(t, cfg)
	requireAccepted(t, v, token)
	require.Zero(t, iss.Requests(), "an HS256 token does not touch the published keys")
	requireAccepted(t, v, iss.Token(issuer.Claims{}))
	requireRefused(t, v, hs256(t, iss, secret[1:]))
}

// With a secret configured, all forgeries fail as well: above all those that
// take the public key for a secret.
func TestASecretOpensNoDoorForForgedTokens(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	cfg := configFor(iss)
	cfg.HS256Secret = secret
	v := newVerifier(t, cfg)
	for _, forgery := range customertest.ForgedTokens(iss.Issuer, "http://outside.invalid") {
		requireRefused(t, v, forgery.Token)
	}
}

func TestAPublishedSecretVerifiesNothing(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	published := jwkOf(t, bytes.Repeat([]byte("p"), 32), jwa.HS256, iss.Header()["kid"].(string), nil)
	iss.Answer(publish(t, published, iss.JWKs()[0]))
	forged := hs256(t, iss, bytes.Repeat([]byte("p"), 32))
	requireRefused(t, newVerifier(t, configFor(iss)), forged)

	cfg := configFor(iss)
	cfg.HS256Secret = secret
	requireRefused(t, newVerifier(t, cfg), forged)
}

func TestWithASecretAloneOnlyHS256IsAccepted(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	v := newVerifier(t, customer.Config{HS256Secret: secret, Issuer: iss.Name()})
	require.NoError(t, v.Ready())
	requireAccepted(t, v, hs256(t, iss, secret))
	requireRefused(t, v, iss.Token(issuer.Claims{}))
	require.Zero(t, iss.Requests())
}

// A project that signs with HS256 publishes an empty set. That is an answer,
// not an outage, where a secret is configured.
func TestAnEmptySetIsAnAnswerWhereASecretIsConfigured(t *testing.T) {
	t.Parallel()
	iss, clk := customertest.NewIssuer(t), newClock()
	iss.Answer(publish(t))
	cfg := configFor(iss)
	cfg.HS256Secret, cfg.Now = secret, clk.Now
	v := newVerifier(t, cfg)
	requireRefused(t, v, freshToken(iss, clk))
	requireAccepted(t, v, hs256(t, iss, secret))
	require.NoError(t, v.Health().LastError)

	iss.Restore() // the project moves to keys of its own
	clk.Advance(cooldown)
	requireAccepted(t, v, freshToken(iss, clk))
}

func TestABrokenAnswerIsNoAnswerEvenWhereASecretIsConfigured(t *testing.T) {
	t.Parallel()
	for _, broken := range []string{`{}`, `{"keys":null}`, `[]`} {
		iss := customertest.NewIssuer(t)
		iss.Answer(answer(http.StatusOK, broken))
		cfg := configFor(iss)
		cfg.HS256Secret = secret
		v := newVerifier(t, cfg)
		requireUnavailable(t, v, iss.Token(issuer.Claims{}))
		requireAccepted(t, v, hs256(t, iss, secret))
		require.NoError(t, v.Ready(), "the secret is enough to be ready")
	}
}

func TestAnEmptySetKeepsTheKeysInUseEvenWhereASecretIsConfigured(t *testing.T) {
	t.Parallel()
	iss, clk := customertest.NewIssuer(t), newClock()
	cfg := configFor(iss)
	cfg.HS256Secret, cfg.Now = secret, clk.Now
	v := newVerifier(t, cfg)
	requireAccepted(t, v, freshToken(iss, clk))
	iss.Answer(publish(t))
	clk.Advance(cooldown)
	requireRefused(t, v, unknownKey("unknown"))
	require.Equal(t, 2, iss.Requests())
	requireAccepted(t, v, freshToken(iss, clk))
}

// jws.Verify is what others verify with; our tokens must pass there, too.
func TestTheTestIssuersTokensAreGoodForOthers(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	_, err := jws.Verify([]byte(iss.Token(issuer.Claims{})), jws.WithKey(jwa.ES256, iss.PublicKey()))
	require.NoError(t, err)
}

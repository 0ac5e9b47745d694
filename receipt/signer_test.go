package receipt_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/receipt"
)

func encodePEM(t testing.TB, key any) string {
	t.Helper()
	kind, encoded, err := "PRIVATE KEY", []byte(nil), error(nil)
	switch key.(type) {
	case ed25519.PublicKey, *ecdsa.PublicKey:
		kind = "PUBLIC KEY"
		encoded, err = x509.MarshalPKIXPublicKey(key)
	default:
		encoded, err = x509.MarshalPKCS8PrivateKey(key)
	}
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: encoded}))
}

func newKeys(t testing.TB) (edwards ed25519.PrivateKey, p256 *ecdsa.PrivateKey) {
	t.Helper()
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	p256, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return edwards, p256
}

// published returns the keys of a signer as a client reads them.
func published(t testing.TB, s *receipt.Signer) client.ReceiptKeys {
	t.Helper()
	var set []map[string]string
	for _, k := range s.Keys() {
		set = append(set, map[string]string{"kty": k.Type, "crv": k.Curve, "alg": k.Algorithm, "kid": k.ID, "x": k.X, "y": k.Y})
	}
	text, err := json.Marshal(map[string]any{"keys": set})
	require.NoError(t, err)
	keys, err := client.ParseReceiptKeys(text)
	require.NoError(t, err)
	return keys
}

// TestSigner_SignsWhatClientsVerify signs with each kind of key, and reads the receipt as a client does.
func TestSigner_SignsWhatClientsVerify(t *testing.T) {
	t.Parallel()
	edwards, p256 := newKeys(t)
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	statement := []byte(`{"command":"cmd_1","device":{},"parameters":{},"policy":{},"proposer":{"id":"alice"},"version":1}`)
	for name, keys := range map[string]string{
		"Ed25519": encodePEM(t, edwards), "P-256": encodePEM(t, p256),
		"the first private key": encodePEM(t, p256.Public()) + encodePEM(t, edwards) + encodePEM(t, newP256(t)),
	} {
		signer, err := receipt.NewSigner([]byte(keys))
		require.NoError(t, err, name)
		compact, err := signer.Sign(receipt.Receipt{
			Statement: statement, IssuedAt: at, ExpiresAt: at.Add(time.Hour),
			Votes: []receipt.Vote{{UserID: "bob", Decision: "approved", At: at}},
		})
		require.NoError(t, err, name)
		verifying := published(t, signer)
		require.Len(t, verifying, strings.Count(keys, "BEGIN"), name)
		read, err := verifying.ParseReceipt(compact)
		require.NoError(t, err, name)
		require.Equal(t, "cmd_1", read.Statement.CommandID)
		require.Equal(t, signer.Keys()[0].ID, read.KeyID, name)
		require.Equal(t, []client.ReceiptVote{{UserID: "bob", Decision: "approved", At: at}}, read.Votes)
		require.True(t, at.Equal(read.IssuedAt) && at.Add(time.Hour).Equal(read.ExpiresAt))
	}
}

func newP256(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	_, key := newKeys(t)
	return key
}

// TestSigner_OverlapsKeys replaces a key. Who knows only the keys of before verifies receipts of the new
// key, because it was published with the old one.
func TestSigner_OverlapsKeys(t *testing.T) {
	t.Parallel()
	earlier, next := newKeys(t)
	before, err := receipt.NewSigner([]byte(encodePEM(t, earlier) + encodePEM(t, next.Public())))
	require.NoError(t, err)
	after, err := receipt.NewSigner([]byte(encodePEM(t, next) + encodePEM(t, earlier.Public())))
	require.NoError(t, err)
	for signer, verifying := range map[*receipt.Signer]client.ReceiptKeys{after: published(t, before), before: published(t, after)} {
		compact, err := signer.Sign(receipt.Receipt{Statement: []byte(`{"device":{},"parameters":{},"policy":{},"proposer":{},"version":1}`)})
		require.NoError(t, err)
		_, err = verifying.ParseReceipt(compact)
		require.NoError(t, err)
	}
}

func TestNewSigner_RefusesOtherKeys(t *testing.T) {
	t.Parallel()
	edwards, p256 := newKeys(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	many := encodePEM(t, edwards)
	for range 16 {
		many += encodePEM(t, newP256(t).Public())
	}
	for name, c := range map[string][2]string{
		"nothing":        {"", "no private key"},
		"a word":         {"secret", "no private key"},
		"a public key":   {encodePEM(t, edwards.Public()), "no private key"},
		"RSA":            {encodePEM(t, rsaKey), "neither"},
		"P-384":          {encodePEM(t, p384), "P-256"},
		"damaged":        {strings.Replace(encodePEM(t, edwards), "MC4", "MC5", 1), "parsing a key"},
		"a certificate":  {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "CERTIFICATE"},
		"the same twice": {encodePEM(t, p256) + encodePEM(t, p256.Public()), "twice"},
		"too many":       {many, "more than 16"},
	} {
		_, err := receipt.NewSigner([]byte(c[0]))
		require.ErrorContains(t, err, c[1], name)
		require.NotContains(t, err.Error(), "MC", "no part of a key is in an error")
	}
}

// BenchmarkSign signs a receipt with one vote.
func BenchmarkSign(b *testing.B) {
	edwards, _ := newKeys(b)
	signer, err := receipt.NewSigner([]byte(encodePEM(b, edwards)))
	require.NoError(b, err)
	r := receipt.Receipt{
		Statement: []byte(strings.Repeat("x", 560)), IssuedAt: time.Now(), ExpiresAt: time.Now(),
		Votes: []receipt.Vote{{UserID: "bob", Decision: "approved", At: time.Now()}},
	}
	b.ReportAllocs()
	for b.Loop() {
		_, err := signer.Sign(r)
		require.NoError(b, err)
	}
}

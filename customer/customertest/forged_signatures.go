package customertest

import (
	"crypto"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
)

// unsigned returns tokens whose alg asks the verifier to skip the verification (RFC 7518,
// section 3.6).
func (f forger) unsigned() []Forgery {
	_, _, signature := f.good()
	var forged []Forgery
	for _, alg := range []string{"none", "None", "NONE", "nOnE", ""} {
		signed := f.unsignedPart(map[string]any{"alg": alg})
		forged = append(forged,
			Forgery{"alg " + alg + ", empty signature", signed + "."},
			Forgery{"alg " + alg + ", no signature part", signed},
			Forgery{"alg " + alg + ", another token's signature", signed + "." + signature})
	}
	return append(forged,
		f.withHeader("alg none, well signed", map[string]any{"alg": "none"}),
		f.withHeader("alg missing, well signed", map[string]any{"alg": absent}),
		f.withHeader("alg null, well signed", map[string]any{"alg": nil}),
		f.withHeader("alg a number, well signed", map[string]any{"alg": 256}),
		f.withHeader("alg a list, well signed", map[string]any{"alg": []string{"ES256"}}))
}

func (f forger) unsignedPart(headerChanges map[string]any) string {
	return encodeJSON(f.header(headerChanges)) + "." + encodeJSON(f.payload(nil))
}

// publicKeyAsSecret returns HS256 tokens whose secret is public information.
func (f forger) publicKeyAsSecret() []Forgery {
	der, err := x509.MarshalPKIXPublicKey(f.iss.PublicKey())
	if err != nil {
		panic(err) // a P-256 key can always be marshalled
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	jwks := f.iss.JWKs()
	jwk, err := json.Marshal(jwks[len(jwks)-1])
	if err != nil {
		panic(err) // cannot fail, because the issuer publishes this key as JSON
	}
	return []Forgery{
		f.hs256("PEM", text),
		f.hs256("PEM without the last line break", []byte(strings.TrimSpace(string(text)))),
		f.hs256("DER", der),
		f.hs256("the point", der[len(der)-65:]),
		f.hs256("JWK", jwk),
		f.hs256("an empty secret", nil),
		f.hs256("the kid", []byte(f.iss.Header()["kid"].(string))),
	}
}

func (f forger) hs256(name string, secret []byte) Forgery {
	signed := f.unsignedPart(map[string]any{"alg": "HS256"})
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(signed))
	return Forgery{"HS256 with " + name + " as the secret", signed + "." + encode(mac.Sum(nil))}
}

// otherAlgorithms returns tokens with the kid of the ES256 key and another alg.
func (f forger) otherAlgorithms() []Forgery {
	forged := []Forgery{f.rs256(), f.eddsa()}
	for _, alg := range []string{"es256", "Es256", "ES256 ", "ES384", "ES512", "ES256K", "RS256", "PS256", "EdDSA", "HS384", "HS512"} {
		forged = append(forged, f.withHeader("alg "+alg+" over an ES256 signature", map[string]any{"alg": alg}))
	}
	return forged
}

func (f forger) rs256() Forgery {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // generating a key never fails
	}
	signed := f.unsignedPart(map[string]any{"alg": "RS256"})
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest[:])
	if err != nil {
		panic(err) // signing with a valid key never fails
	}
	return Forgery{"RS256 of another key, with an EC key's kid", signed + "." + encode(signature)}
}

func (f forger) eddsa() Forgery {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // generating a key never fails
	}
	signed := f.unsignedPart(map[string]any{"alg": "EdDSA"})
	return Forgery{"EdDSA of another key, with an EC key's kid", signed + "." + encode(ed25519.Sign(private, []byte(signed)))}
}

// badSignatures returns tokens with a wrong ES256 signature.
func (f forger) badSignatures() []Forgery {
	header, payload, signature := f.good()
	raw := decode(signature)
	with := func(name string, signature []byte) Forgery {
		return Forgery{name, header + "." + payload + "." + encode(signature)}
	}
	return []Forgery{
		{"another key's signature", f.attacker.Sign(f.header(nil), f.payload(nil))},
		{"claims changed after signing", header + "." + encodeJSON(f.payload(map[string]any{"sub": "victim"})) + "." + signature},
		{"header changed after signing", encodeJSON(f.header(map[string]any{"typ": absent})) + "." + payload + "." + signature},
		{"signature in non-canonical base64", header + "." + payload + "." + nonCanonical(signature)},
		{"signature with padding", header + "." + payload + "." + signature + "=="},
		with("empty signature", nil),
		with("signature truncated", raw[:63]),
		with("half a signature", raw[:32]),
		with("signature with an extra byte", append(raw[:64:64], 0)),
		with("signature with a flipped bit", withBitFlipped(raw)),
		with("signature of zeros", make([]byte, 64)),
		with("signature of the curve's order", curveOrder(f)),
		with("signature in DER", inDER(raw)),
	}
}

// nonCanonical returns another text that a lenient base64 decoder decodes to the same
// signature. It differs in the unused bits of the last character.
func nonCanonical(signature string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, signature[len(signature)-1])
	return signature[:len(signature)-1] + string(alphabet[last^1])
}

func withBitFlipped(raw []byte) []byte {
	raw = append([]byte(nil), raw...)
	raw[10] ^= 1
	return raw
}

func curveOrder(f forger) []byte {
	order := f.iss.PublicKey().Curve.Params().N.Bytes()
	return append(order, order...)
}

func inDER(raw []byte) []byte {
	der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])})
	if err != nil {
		panic(err) // two integers can always be marshalled
	}
	return der
}

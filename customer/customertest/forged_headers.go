package customertest

import (
	"encoding/json"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwe"
)

// embeddedKeys returns tokens that an attacker signed. Their headers contain the
// attacker's key or its address (RFC 7515, sections 4.1.2 to 4.1.6).
func (f forger) embeddedKeys() []Forgery {
	key := f.attacker.JWKs()[0]
	hints := map[string]any{
		"jku": f.untrustedURL + "/jwks.json",
		"x5u": f.untrustedURL + "/certificate.pem",
		"jwk": key,
		"x5c": []string{encodeJSON(key)},
	}
	var forged []Forgery
	for name, value := range hints {
		forged = append(forged,
			f.withEmbeddedKey(name+", with the issuer's kid", map[string]any{name: value}),
			f.withEmbeddedKey(name+", with the key's own kid", map[string]any{name: value, "kid": key["kid"]}),
			f.withEmbeddedKey(name+", without a kid", map[string]any{name: value, "kid": absent}))
	}
	return forged
}

func (f forger) withEmbeddedKey(name string, headerChanges map[string]any) Forgery {
	return Forgery{"another key, embedded in " + name, f.attacker.Sign(f.header(headerChanges), f.payload(nil))}
}

// keyIDs returns tokens that the issuer signed, but whose kid identifies no key.
func (f forger) keyIDs() []Forgery {
	kid := f.iss.Header()["kid"].(string)
	kids := map[string]any{
		"unknown":               "00000000-0000-4000-8000-00000000dead",
		"empty":                 "",
		"a number":              7,
		"null":                  nil,
		"a list":                []string{kid},
		"a wildcard":            "*",
		"a URL":                 f.untrustedURL + "/jwks.json",
		"a path":                "../../../../dev/null",
		"a path before the kid": "../" + kid,
		"SQL":                   "' UNION SELECT 'secret' --",
		"with a suffix":         kid + "x",
		"with a line break":     kid + "\n",
		"with a zero byte":      kid + "\x00",
		"129 characters long":   strings.Repeat("k", 129),
	}
	var forged []Forgery
	for name, value := range kids {
		forged = append(forged, f.withHeader("kid "+name, map[string]any{"kid": value}))
	}
	return forged
}

// headers returns correctly signed tokens whose header is not that of a plain JWT.
func (f forger) headers() []Forgery {
	return []Forgery{
		f.withHeader("crit with an unknown extension", map[string]any{"crit": []string{"x"}, "x": true}),
		f.withHeader("crit with a known parameter", map[string]any{"crit": []string{"kid"}}),
		f.withHeader("crit empty", map[string]any{"crit": []string{}}),
		f.withHeader("crit null", map[string]any{"crit": nil}),
		f.withHeader("b64 false with crit", map[string]any{"crit": []string{"b64"}, "b64": false}),
		f.withHeader("b64 without crit", map[string]any{"b64": false}),
		f.withHeader("cty JWT", map[string]any{"cty": "JWT"}),
		f.withHeader("typ of another kind of token", map[string]any{"typ": "logout+jwt"}),
		f.withHeader("typ a number", map[string]any{"typ": 1}),
		{"header an array", f.iss.Sign([]any{f.header(nil)}, f.payload(nil))},
		{"header null", f.iss.Sign(nil, f.payload(nil))},
		{"header not JSON", f.iss.Sign([]byte("ES256"), f.payload(nil))},
		{"header names in upper case", f.iss.Sign(map[string]any{"ALG": "ES256", "KID": f.iss.Header()["kid"]}, f.payload(nil))},
	}
}

// shapes returns tokens that do not consist of three parts in strict base64url, or
// whose payload is not a JSON object.
func (f forger) shapes() []Forgery {
	header, payload, signature := f.good()
	good := header + "." + payload + "." + signature
	return []Forgery{
		{"a single part", "token"},
		{"only dots", ".."},
		{"two parts", header + "." + payload},
		{"four parts", good + "." + signature},
		{"five parts", good + "." + payload + "." + signature},
		{"no header", "." + payload + "." + signature},
		{"no payload", header + ".." + signature},
		{"truncated", good[:len(good)/2]},
		{"characters outside the alphabet", header + "." + payload + ".+" + signature[1:]},
		{"padding within", header + "." + payload + "=." + signature},
		{"quoted", `"` + good + `"`},
		{"JSON serialization", jsonSerialization(header, payload, signature)},
		{"an encrypted token", f.encrypted()},
		{"a nested token", f.iss.Sign(f.header(nil), []byte(good))},
		{"a nested token, as JSON", f.iss.Sign(f.header(nil), good)},
		{"claims an array", f.iss.Sign(f.header(nil), []any{f.payload(nil)})},
		{"claims not JSON", f.iss.Sign(f.header(nil), []byte("sub=victim"))},
		{"claims with trailing data", f.iss.Sign(f.header(nil), append(decode(payload), "{}"...))},
		f.withClaim("longer than 8 KiB", "user_metadata", map[string]any{"bio": strings.Repeat("x", 8<<10)}),
	}
}

func jsonSerialization(header, payload, signature string) string {
	raw, err := json.Marshal(map[string]string{"protected": header, "payload": payload, "signature": signature})
	if err != nil {
		panic(err) // marshalling strings cannot fail
	}
	return string(raw)
}

// encrypted returns a JWE that is encrypted with the issuer's public key.
func (f forger) encrypted() string {
	_, payload, _ := f.good()
	sealed, err := jwe.Encrypt(decode(payload), jwe.WithKey(jwa.ECDH_ES, f.iss.PublicKey()))
	if err != nil {
		panic(err) // encrypting with a P-256 key cannot fail
	}
	return string(sealed)
}

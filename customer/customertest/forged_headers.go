package customertest

import (
	"encoding/json"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwe"
)

// keysOfTheirOwn are tokens of an intruder that bring the key along, or tell
// where to get it (RFC 7515, sections 4.1.2 to 4.1.6).
func (f forger) keysOfTheirOwn() []Forgery {
	key := f.intruder.JWKs()[0]
	hints := map[string]any{
		"jku": f.outside + "/jwks.json",
		"x5u": f.outside + "/certificate.pem",
		"jwk": key,
		"x5c": []string{encodeJSON(key)},
	}
	var forged []Forgery
	for name, value := range hints {
		forged = append(forged,
			f.intruded(name+", under the issuer's kid", map[string]any{name: value}),
			f.intruded(name+", under a kid of its own", map[string]any{name: value, "kid": key["kid"]}),
			f.intruded(name+", without a kid", map[string]any{name: value, "kid": absent}))
	}
	return forged
}

func (f forger) intruded(name string, headerChanges map[string]any) Forgery {
	return Forgery{"another key, brought along in " + name, f.intruder.Sign(f.header(headerChanges), f.payload(nil))}
}

// keyIDs are tokens that the issuer did sign, under a kid that names no key.
func (f forger) keyIDs() []Forgery {
	kid := f.iss.Header()["kid"].(string)
	kids := map[string]any{
		"unknown":               "00000000-0000-4000-8000-00000000dead",
		"empty":                 "",
		"a number":              7,
		"null":                  nil,
		"a list":                []string{kid},
		"a wildcard":            "*",
		"an address":            f.outside + "/jwks.json",
		"a path":                "../../../../dev/null",
		"a path before the kid": "../" + kid,
		"SQL":                   "' UNION SELECT 'secret' --",
		"a letter longer":       kid + "x",
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

// headers are well signed, and ask to be read as something else than a JWT.
func (f forger) headers() []Forgery {
	return []Forgery{
		f.withHeader("crit with an unknown extension", map[string]any{"crit": []string{"x"}, "x": true}),
		f.withHeader("crit with a known parameter", map[string]any{"crit": []string{"kid"}}),
		f.withHeader("crit empty", map[string]any{"crit": []string{}}),
		f.withHeader("crit null", map[string]any{"crit": nil}),
		f.withHeader("payload said not to be encoded", map[string]any{"crit": []string{"b64"}, "b64": false}),
		f.withHeader("b64 without crit", map[string]any{"b64": false}),
		f.withHeader("cty JWT", map[string]any{"cty": "JWT"}),
		f.withHeader("typ of another kind of token", map[string]any{"typ": "logout+jwt"}),
		f.withHeader("typ a number", map[string]any{"typ": 1}),
		{"header a list", f.iss.Sign([]any{f.header(nil)}, f.payload(nil))},
		{"header null", f.iss.Sign(nil, f.payload(nil))},
		{"header no JSON", f.iss.Sign([]byte("ES256"), f.payload(nil))},
		{"header names in upper case", f.iss.Sign(map[string]any{"ALG": "ES256", "KID": f.iss.Header()["kid"]}, f.payload(nil))},
	}
}

// shapes are not three parts of strict base64url, or not around claims.
func (f forger) shapes() []Forgery {
	header, payload, signature := f.good()
	good := header + "." + payload + "." + signature
	return []Forgery{
		{"one word", "token"},
		{"only dots", ".."},
		{"two parts", header + "." + payload},
		{"four parts", good + "." + signature},
		{"five parts", good + "." + payload + "." + signature},
		{"no header", "." + payload + "." + signature},
		{"no payload", header + ".." + signature},
		{"cut short", good[:len(good)/2]},
		{"characters outside the alphabet", header + "." + payload + ".+" + signature[1:]},
		{"padding within", header + "." + payload + "=." + signature},
		{"in quotes", `"` + good + `"`},
		{"JSON serialization", jsonSerialization(header, payload, signature)},
		{"an encrypted token", f.encrypted()},
		{"a token within a token", f.iss.Sign(f.header(nil), []byte(good))},
		{"a token within a token, as JSON", f.iss.Sign(f.header(nil), good)},
		{"claims a list", f.iss.Sign(f.header(nil), []any{f.payload(nil)})},
		{"claims no JSON", f.iss.Sign(f.header(nil), []byte("sub=victim"))},
		{"claims with something after them", f.iss.Sign(f.header(nil), append(decode(payload), "{}"...))},
		f.withClaim("longer than 8 KiB", "user_metadata", map[string]any{"bio": strings.Repeat("x", 8<<10)}),
	}
}

func jsonSerialization(header, payload, signature string) string {
	raw, err := json.Marshal(map[string]string{"protected": header, "payload": payload, "signature": signature})
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(raw)
}

// encrypted is a JWE for the issuer's own public key.
func (f forger) encrypted() string {
	_, payload, _ := f.good()
	sealed, err := jwe.Encrypt(decode(payload), jwe.WithKey(jwa.ECDH_ES, f.iss.PublicKey()))
	if err != nil {
		panic(err) // a P-256 key always encrypts
	}
	return string(sealed)
}

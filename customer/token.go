package customer

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"regexp"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwa"
)

// tokenEncoding is strict: it rejects text whose unused last bits are not zero. A
// lenient decoder would accept several spellings of the same signature.
var tokenEncoding = base64.RawURLEncoding.Strict()

var kidPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

var (
	errNotCompact     = errors.New("the token is not a compact JWS")
	errHeader         = errors.New("the token's header is not a JSON object")
	errHeaderRefused  = errors.New("the token's header has a parameter that is not accepted")
	errTypeRefused    = errors.New("the token's header names a type other than JWT")
	errAlgRefused     = errors.New("the token's algorithm is not accepted")
	errKeyIDMalformed = errors.New("the token's key id is malformed")
)

// token is a parsed compact JWS (RFC 7515, section 7.1). Its contents have not been
// verified.
type token struct {
	alg       jwa.SignatureAlgorithm
	kid       string // empty if the header has no kid
	signed    string // text that the signature covers
	payload   []byte
	signature []byte
}

// parseToken parses a token. It accepts only the compact form with three parts. So it
// refuses encrypted tokens (JWE) and the JSON serialization of a JWS.
func parseToken(raw string) (token, error) {
	parts := strings.SplitN(raw, ".", 4)
	if len(parts) != 3 || strings.ContainsAny(raw, "\r\n") { // base64 decoding ignores line breaks
		return token{}, errNotCompact
	}
	header, errHeader := tokenEncoding.DecodeString(parts[0])
	payload, errPayload := tokenEncoding.DecodeString(parts[1])
	signature, errSignature := tokenEncoding.DecodeString(parts[2])
	if errHeader != nil || errPayload != nil || errSignature != nil {
		return token{}, errNotCompact
	}
	alg, kid, err := parseHeader(header)
	return token{
		alg:       alg,
		kid:       kid,
		signed:    raw[:len(parts[0])+1+len(parts[1])],
		payload:   payload,
		signature: signature,
	}, err
}

// parseHeader returns the algorithm and the kid of a header. It ignores the parameters
// jwk, jku, x5c and x5u, which contain a key or a key's address, because keys come only
// from the configured issuer.
func parseHeader(raw []byte) (jwa.SignatureAlgorithm, string, error) {
	var header map[string]any // a map, because a struct would match names case-insensitively
	if err := json.Unmarshal(raw, &header); err != nil {
		return "", "", errHeader
	}
	if err := checkKind(header); err != nil {
		return "", "", err
	}
	alg, err := algOf(header)
	if err != nil {
		return "", "", err
	}
	kid, err := kidOf(header)
	return alg, kid, err
}

// checkKind returns an error if the token is not a plain JWT. It refuses extensions
// that must be understood (RFC 7515, section 4.1.11; RFC 7797), nested tokens, and
// tokens for another purpose (RFC 8725, section 3.11).
func checkKind(header map[string]any) error {
	for _, refused := range []string{"crit", "b64", "cty"} {
		if _, present := header[refused]; present {
			return errHeaderRefused
		}
	}
	typ, present := header["typ"]
	if !present {
		return nil
	}
	switch name, _ := typ.(string); strings.ToLower(name) {
	case "jwt", "at+jwt":
		return nil
	default:
		return errTypeRefused
	}
}

func algOf(header map[string]any) (jwa.SignatureAlgorithm, error) {
	name, _ := header["alg"].(string)
	switch alg := jwa.SignatureAlgorithm(name); alg {
	case jwa.ES256, jwa.RS256, jwa.EdDSA, jwa.HS256:
		return alg, nil
	default:
		return "", errAlgRefused
	}
}

func kidOf(header map[string]any) (string, error) {
	value, present := header["kid"]
	if !present {
		return "", nil
	}
	kid, _ := value.(string)
	if !kidPattern.MatchString(kid) {
		return "", errKeyIDMalformed
	}
	return kid, nil
}

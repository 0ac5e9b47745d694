package customertest

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate/customer/issuer"
)

// Forgery is a token that must be refused with 401 unauthorized.
type Forgery struct {
	Name  string
	Token string
}

// ForgedTokens returns tokens with exactly one fault each. Everything else about a token
// is valid, including the signature, so each token tests a single check. The tokens
// expire, so use them within a minute.
//
// Some tokens contain untrustedURL. The verifier must not fetch this URL, unless it
// belongs to the issuer iss.
func ForgedTokens(iss *issuer.Issuer, untrustedURL string) []Forgery {
	f := newForger(iss, untrustedURL)
	return concat(
		f.unsigned(),
		f.publicKeyAsSecret(),
		f.otherAlgorithms(),
		f.badSignatures(),
		f.embeddedKeys(),
		f.keyIDs(),
		f.headers(),
		f.shapes(),
		f.times(),
		f.audiencesAndIssuers(),
		f.subjects(),
		f.notSignedIn(),
		f.tenants(),
	)
}

func concat(groups ...[]Forgery) (all []Forgery) {
	for _, group := range groups {
		all = append(all, group...)
	}
	return all
}

// forger creates variations of one valid token.
type forger struct {
	iss          *issuer.Issuer
	attacker     *issuer.Issuer // an issuer that is not trusted
	untrustedURL string
	claims       issuer.Claims
}

func newForger(iss *issuer.Issuer, untrustedURL string) forger {
	attacker, err := issuer.New(untrustedURL)
	if err != nil {
		panic(err) // generating a key never fails
	}
	return forger{
		iss:          iss,
		attacker:     attacker,
		untrustedURL: untrustedURL,
		claims:       issuer.Claims{Subject: "00000000-0000-4000-8000-000000000001", TenantID: "forged", Role: "admin"},
	}
}

// good returns the parts of a valid token.
func (f forger) good() (header, payload, signature string) {
	parts := strings.Split(f.iss.Token(f.claims), ".")
	return parts[0], parts[1], parts[2]
}

func (f forger) header(changes map[string]any) map[string]any {
	return changed(f.iss.Header(), changes)
}

func (f forger) payload(changes map[string]any) map[string]any {
	return changed(f.iss.Payload(f.claims), changes)
}

// withHeader returns a token that the issuer signed with a changed header.
func (f forger) withHeader(name string, changes map[string]any) Forgery {
	return Forgery{name, f.iss.Sign(f.header(changes), f.payload(nil))}
}

// withClaims returns a token that the issuer signed with changed claims.
func (f forger) withClaims(name string, changes map[string]any) Forgery {
	return Forgery{name, f.iss.Sign(f.header(nil), f.payload(changes))}
}

func (f forger) withClaim(name, claim string, value any) Forgery {
	return f.withClaims(name, map[string]any{claim: value})
}

// absentMember is the type of absent.
type absentMember struct{}

// absent is the value with which the function changed removes a member.
var absent absentMember

// changed returns a copy of members with changes applied.
func changed(members, changes map[string]any) map[string]any {
	members = maps.Clone(members)
	for name, value := range changes {
		if _, isAbsent := value.(absentMember); isAbsent {
			delete(members, name)
			continue
		}
		members[name] = value
	}
	return members
}

// fromNow returns the time d from now, in Unix seconds.
func fromNow(d time.Duration) int64 { return time.Now().Add(d).Unix() }

func encode(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

func decode(part string) []byte {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		panic(err) // the text was encoded by this package
	}
	return raw
}

func encodeJSON(value any) string {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(err) // the value was created by this package
	}
	return encode(raw)
}

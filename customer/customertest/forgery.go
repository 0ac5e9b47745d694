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

// ForgedTokens gives tokens with exactly one fault each: what is not the fault
// is as good as the issuer makes it, down to the signature, so that each token
// tests one fence and no other. They are fresh: use them within the minute.
//
// Some carry an address; outside is the one they carry. Whoever verifies them
// must not call it, except where outside is the issuer itself.
func ForgedTokens(iss *issuer.Issuer, outside string) []Forgery {
	f := newForger(iss, outside)
	return concat(
		f.unsigned(),
		f.publicKeyAsSecret(),
		f.otherAlgorithms(),
		f.badSignatures(),
		f.keysOfTheirOwn(),
		f.keyIDs(),
		f.headers(),
		f.shapes(),
		f.times(),
		f.audiencesAndIssuers(),
		f.subjects(),
		f.nobodies(),
		f.tenants(),
	)
}

func concat(groups ...[]Forgery) (all []Forgery) {
	for _, group := range groups {
		all = append(all, group...)
	}
	return all
}

// forger makes variations of one good token.
type forger struct {
	iss      *issuer.Issuer
	intruder *issuer.Issuer // signs just as well, and nobody trusts it
	outside  string
	claims   issuer.Claims
}

func newForger(iss *issuer.Issuer, outside string) forger {
	intruder, err := issuer.New(outside)
	if err != nil {
		panic(err) // making a key never fails
	}
	return forger{
		iss:      iss,
		intruder: intruder,
		outside:  outside,
		claims:   issuer.Claims{Subject: "00000000-0000-4000-8000-000000000001", CustomerID: "forged", Role: "admin"},
	}
}

// good is a token without a fault, to take apart.
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

// withHeader is a token that the issuer signed over a changed header.
func (f forger) withHeader(name string, changes map[string]any) Forgery {
	return Forgery{name, f.iss.Sign(f.header(changes), f.payload(nil))}
}

// withClaims is a token that the issuer signed over changed claims.
func (f forger) withClaims(name string, changes map[string]any) Forgery {
	return Forgery{name, f.iss.Sign(f.header(nil), f.payload(changes))}
}

func (f forger) withClaim(name, claim string, value any) Forgery {
	return f.withClaims(name, map[string]any{claim: value})
}

// absent, as a changed value, takes the member away.
type absentMember struct{}

var absent absentMember

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

func inSeconds(d time.Duration) int64 { return time.Now().Add(d).Unix() }

func encode(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

func decode(part string) []byte {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		panic(err) // it was encoded here
	}
	return raw
}

func encodeJSON(value any) string {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(err) // it was written here
	}
	return encode(raw)
}

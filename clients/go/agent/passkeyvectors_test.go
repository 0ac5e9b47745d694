package agent

import (
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/clients/go/passkeytest"
)

// A rosterVector is a roster, and what a device must say about it. Known is the number of versions that the
// device knows already, which are the first ones of the roster named KnownOf. It is 0 for a roster that the
// owner of the device has pinned.
type rosterVector struct {
	Name    string          `json:"name"`
	Roster  json.RawMessage `json:"roster"`
	Known   int             `json:"known,omitempty"`
	KnownOf string          `json:"knownOf,omitempty"`
	Why     string          `json:"why,omitempty"`
}

const (
	vectorParty  = "example.com"
	vectorOrigin = "https://console.example.com"
)

// vectorUsers are the passkeys of the vectors, and the rosters in which they are.
type vectorUsers struct {
	alice, bob, bobSecond, carol, dave, stranger *passkeytest.Passkey
	first, second                                passkeytest.Roster
}

func newVectorUsers() vectorUsers {
	newKey := func() *passkeytest.Passkey { return passkeytest.New(vectorParty, vectorOrigin) }
	u := vectorUsers{
		alice: newKey(), bob: newKey(), bobSecond: newKey(), dave: newKey(), stranger: newKey(),
		carol: passkeytest.NewEd25519(vectorParty, vectorOrigin),
	}
	u.first = passkeytest.Roster{Tenant: "acme", Version: 1, Threshold: 2, Users: map[string][]*passkeytest.Passkey{
		"alice": {u.alice}, "bob": {u.bob, u.bobSecond}, "carol": {u.carol},
	}}
	u.second = passkeytest.Roster{Tenant: "acme", Version: 2, Threshold: 2, Users: map[string][]*passkeytest.Passkey{
		"alice": {u.alice}, "bob": {u.bob}, "dave": {u.dave},
	}}
	return u
}

// rosters returns the rosters to which the vectors refer. In the second version of "later", carol and one
// key of bob are removed, and dave is added.
func (u vectorUsers) rosters() map[string]json.RawMessage {
	first := u.first.Sign(u.bob, u.carol)
	return map[string]json.RawMessage{
		"first": passkeytest.Chain(first), "later": passkeytest.Chain(first, u.second.Sign(u.alice, u.carol)),
	}
}

// signedVote returns a vote of a user with an assertion.
func signedVote(user string, assertion fieldgate.Assertion, options ...string) string {
	text, _ := json.Marshal(assertion)
	vote := strings.TrimSuffix(voteOf(user), "}") + `,"assertion":` + string(text) + "}"
	return strings.NewReplacer(options...).Replace(vote)
}

// passkeyVectors are receipts for a device in the mode approvers.
func passkeyVectors(s vectorSigner, u vectorUsers) []receiptVector {
	v := passkeyVectorSet{s, u, statementOf(), nil}
	v.good()
	v.unsigned()
	v.otherStatements()
	v.clientData()
	v.authenticatorData()
	v.keys()
	return v.vectors
}

// A passkeyVectorSet collects vectors about one statement.
type passkeyVectorSet struct {
	s         vectorSigner
	u         vectorUsers
	statement string
	vectors   []receiptVector
}

// add adds a receipt about the statement of the set.
func (v *passkeyVectorSet) add(name, roster string, approvals int, why string, votes ...string) {
	v.about(name, v.statement, roster, approvals, why, votes...)
}

func (v *passkeyVectorSet) about(name, statement, roster string, approvals int, why string, votes ...string) {
	payload := payloadOf(statement, strings.Join(votes, ","))
	v.vectors = append(v.vectors, receiptVector{
		Name: "passkeys: " + name, Statement: b64([]byte(statement)), Receipt: sign(v.s.trusted, goodHeader, payload),
		Approvals: approvals, Roster: roster, Why: why,
	})
}

// vote returns the vote of a user over the statement of the set.
func (v *passkeyVectorSet) vote(user string, passkey *passkeytest.Passkey) string {
	return signedVote(user, passkey.Sign([]byte(v.statement)))
}

func (v *passkeyVectorSet) good() {
	u := v.u
	bob, carol := v.vote("bob", u.bob), v.vote("carol", u.carol)
	v.add("approved by one", "first", 1, "", bob)
	v.add("approved by two", "first", 2, "", bob, carol)
	v.add("approved by two with ES256", "later", 2, "", bob, v.vote("dave", u.dave))
	v.add("approved with the second key of a user", "first", 1, "", v.vote("bob", u.bobSecond))
	v.add("a vote too many that is not signed", "first", 1, "", voteOf("dave"), bob)
	sum := sha256.Sum256([]byte(v.statement))
	browser := strings.Replace(string(u.bob.ClientData(sum[:])), "}", `,"other_keys_can_be_added_here":"x"}`, 1)
	v.add("a browser that adds a member", "first", 1, "", signedVote("bob", u.bob.SignClientData([]byte(browser))))
}

func (v *passkeyVectorSet) unsigned() {
	bob := v.vote("bob", v.u.bob)
	v.add("the gateway says that two have approved", "first", 2, "not signed with a passkey", voteOf("bob"), voteOf("carol"))
	v.add("one signature of two", "first", 2, "has 1", bob, voteOf("carol"))
	v.add("votes removed", "first", 1, "nobody has approved")
	v.add("one vote twice", "first", 2, "has 1", bob, bob)
	v.add("two keys of one user", "first", 2, "has 1", bob, v.vote("bob", v.u.bobSecond))
	v.add("a signature that says rejected", "first", 1, "rejected", strings.Replace(bob, "approved", "rejected", 1))
	glass := statementOf(mayBreakGlass...)
	admin := strings.Replace(signedVote("bob", v.u.bob.Sign([]byte(glass))), "approved", "break_glass", 1)
	v.about("an admin alone, who has signed", glass, "first", 1, "no approval", admin)
	v.add("without a credential", "first", 1, "not in this version", signedVote("bob", fieldgate.Assertion{}))
	v.add("an assertion with another member", "first", 1, "parameter", strings.Replace(bob, `"signature"`, `"extra":"","signature"`, 1))
	v.add("an assertion with a name twice", "first", 1, "twice", strings.Replace(bob, `"signature"`, `"signature":"","signature"`, 1))
	v.add("a folded name", "first", 1, "parameter", strings.Replace(bob, `"signature"`, `"Signature"`, 1))
}

// otherStatements are signatures over something else than the statement, and statements that the roster or
// the device does not accept.
func (v *passkeyVectorSet) otherStatements() {
	signed := func(statement string) string { return signedVote("bob", v.u.bob.Sign([]byte(statement))) }
	for what, statement := range map[string]string{
		"another command": statementOf("cmd_1", "cmd_2"), "another device": statementOf("dev_1", "dev_2"),
		"another customer": statementOf("acme", "other"), "other parameters": statementOf(`"stated"`, `"changed"`),
		"an earlier deadline": statementOf("T13:00", "T12:30"), "another proposer": statementOf("alice", "dave"),
	} {
		v.add("a signature over "+what, "first", 1, "signed something else", signed(statement))
	}
	other := statementOf("acme", "other")
	v.about("a command of another customer", other, "first", 1, "another customer", signed(other))
	other = statementOf("dev_1", "dev_2")
	v.about("a command of another device", other, "first", 1, "another device", signed(other))
	other = statementOf("T13:00", "T11:30")
	v.about("an expired command in a receipt that is not", other, "first", 1, "the command has expired", signed(other))
	other = statementOf(`"deliverBy":"2026-11-30T13:00:00.000Z",`, "")
	v.about("a command without an end", other, "first", 1, "the command has expired", signed(other))
	other = statementOf(`"effect":"review"`, `"effect":"auto"`)
	v.about("the policy required no approval", other, "first", 1, "has 0")
	roster := v.u.first.Document()
	v.add("a signature over a roster", "first", 1, "signed something else", signedVote("bob", v.u.bob.Sign(roster)))
}

// clientData are signatures over what a browser does not say.
func (v *passkeyVectorSet) clientData() {
	sum := sha256.Sum256([]byte(v.statement))
	good := string(v.u.bob.ClientData(sum[:]))
	for _, c := range [][4]string{
		{"a registration", "webauthn.get", "webauthn.create", "webauthn.create"},
		{"a payment", "webauthn.get", "payment.get", "payment.get"},
		{"another origin", vectorOrigin, "https://evil.example", "no origin of the roster"},
		{"an origin with a path", vectorOrigin, vectorOrigin + "/", "no origin of the roster"},
		{"a page of another site", `"crossOrigin":false`, `"crossOrigin":true`, "another site"},
		{"no type", `"type":"webauthn.get",`, "", `"type"`},
		{"no origin", `"origin"`, `"topOrigin"`, `"origin"`},
		{"a challenge twice", `"challenge"`, `"challenge":"","challenge"`, "twice"},
		{"a folded challenge", `"challenge"`, `"Challenge"`, `"challenge"`},
		{"a challenge in standard base64", b64(sum[:]), b64(sum[:]) + "=", "signed something else"},
		{"crossOrigin is a text", `"crossOrigin":false`, `"crossOrigin":"no"`, "crossOrigin"},
		{"no JSON", "{", "", "client data"},
		{"two values", "}", "}{}", "more than one"},
	} {
		text := strings.Replace(good, c[1], c[2], 1)
		v.add("client data: "+c[0], "first", 1, c[3], signedVote("bob", v.u.bob.SignClientData([]byte(text))))
	}
}

// authenticatorData are signatures over what an authenticator that verifies its user does not say.
func (v *passkeyVectorSet) authenticatorData() {
	with := func(change func(*passkeytest.Passkey)) string {
		bob := *v.u.bob
		change(&bob)
		return v.vote("bob", &bob)
	}
	v.add("authenticator: user not verified", "first", 1, "not verified", with(func(p *passkeytest.Passkey) { p.Flags = passkeytest.UserPresent }))
	v.add("authenticator: user not present", "first", 1, "not present", with(func(p *passkeytest.Passkey) { p.Flags = passkeytest.UserVerified }))
	v.add("authenticator: another relying party", "first", 1, "another relying party", with(func(p *passkeytest.Passkey) { p.RelyingParty = "evil.example" }))
	good := v.u.bob.Sign([]byte(v.statement))
	for _, c := range []struct {
		name, why string
		change    func(*fieldgate.Assertion)
	}{
		{"authenticator: data cut", "too short", func(a *fieldgate.Assertion) { a.AuthenticatorData = a.AuthenticatorData[:48] }},
		{"authenticator: data longer", "too long", func(a *fieldgate.Assertion) { a.AuthenticatorData += "AAAAAA" }},
		{"authenticator: another counter", "signature of the passkey", func(a *fieldgate.Assertion) {
			a.AuthenticatorData = a.AuthenticatorData[:46] + "_" + a.AuthenticatorData[47:]
		}},
		{"signature: padding", "base64url", func(a *fieldgate.Assertion) { a.Signature += "=" }},
		{"signature: cut", "signature of the passkey", func(a *fieldgate.Assertion) { a.Signature = a.Signature[:40] }},
		{"signature: none", "signature of the passkey", func(a *fieldgate.Assertion) { a.Signature = "" }},
		{"signature: another client data", "signature of the passkey", func(a *fieldgate.Assertion) {
			sum := sha256.Sum256([]byte(v.statement))
			a.ClientDataJSON = b64(append(v.u.bob.ClientData(sum[:]), '\n'))
		}},
	} {
		assertion := good
		c.change(&assertion)
		v.add(c.name, "first", 1, c.why, signedVote("bob", assertion))
	}
}

// keys are signatures with keys that do not count.
func (v *passkeyVectorSet) keys() {
	u := v.u
	v.add("key: not in the roster", "first", 1, "not in this version", v.vote("bob", u.stranger))
	v.add("key: of a user who is not in the roster yet", "first", 1, "not in this version", v.vote("dave", u.dave))
	v.add("key: of a user who was removed", "later", 1, "not in this version", v.vote("carol", u.carol))
	v.add("key: removed from its user", "later", 1, "not in this version", v.vote("bob", u.bobSecond))
	v.add("key: of another user", "first", 1, "one of another user", v.vote("bob", u.carol))
	v.add("key: of the proposer", "first", 1, "proposed the command", v.vote("alice", u.alice))
	v.add("key: of the proposer under another name", "first", 1, "one of another user", v.vote("bob", u.alice))
	stolen := *u.stranger
	stolen.ID = u.bob.ID
	v.add("key: another one with the id of a user's", "first", 1, "signature of the passkey", v.vote("bob", &stolen))
}

// rosterVectors are rosters, good and broken ones.
func rosterVectors(u vectorUsers) []rosterVector {
	rosters := u.rosters()
	first, second := u.first.Sign(u.bob, u.carol), u.second.Sign(u.alice, u.bob)
	pinned := func(name, why string, versions ...passkeytest.SignedVersion) rosterVector {
		return rosterVector{Name: name, Roster: passkeytest.Chain(versions...), Why: why}
	}
	changed := func(change func(*passkeytest.Roster)) passkeytest.Roster {
		r := u.second
		change(&r)
		return r
	}
	tenant := changed(func(r *passkeytest.Roster) { r.Tenant = "other" })
	skipped := changed(func(r *passkeytest.Roster) { r.Version = 3 })
	own := changed(func(r *passkeytest.Roster) { r.Version = 1 })
	unverified := *u.bob
	unverified.Flags = passkeytest.UserPresent
	vectors := []rosterVector{
		pinned("one version", "", first), pinned("two versions", "", first, second),
		pinned("no version", "no versions"), pinned("begins with the second version", "begins with version 2", second),
		pinned("first version signed by one", "and it has 1", u.first.Sign(u.bob)),
		pinned("first version signed by one user with two keys", "and it has 1", u.first.Sign(u.bob, u.bobSecond)),
		pinned("first version signed by nobody", "and it has 0", u.first.Sign()),
		pinned("second version signed by one", "and it has 1", first, u.second.Sign(u.bob)),
		pinned("second version signed by one twice", "and it has 1", first, u.second.Sign(u.bob, u.bob)),
		pinned("second version signed by its own new user", "and it has 1", first, u.second.Sign(u.bob, u.dave)),
		pinned("second version signed without verification", "and it has 1", first, u.second.Sign(u.alice, &unverified)),
		pinned("second version signed by strangers", "and it has 0", first, u.second.Sign(u.stranger, u.dave)),
		pinned("second version with the signatures of the first", "and it has 0", first,
			passkeytest.SignedVersion{Document: second.Document, Signatures: first.Signatures}),
		pinned("second version says it is the third", "it is version 3", first, skipped.Sign(u.bob, u.carol)),
		pinned("second version of another customer", "another customer", first, tenant.Sign(u.bob, u.carol)),
		pinned("first version twice", "it is version 1", first, first),
		pinned("versions in another order", "begins with version 2", second, first),
		{Name: "followed", Roster: rosters["later"], Known: 1, KnownOf: "first"},
		{Name: "nothing later", Roster: rosters["later"], Known: 2, KnownOf: "later"},
		{Name: "an earlier version", Roster: rosters["first"], Known: 2, KnownOf: "later", Why: "ends with version 1"},
		{Name: "another first version", Roster: passkeytest.Chain(own.Sign(u.alice, u.bob)), Known: 1, KnownOf: "first", Why: "not the one"},
		{Name: "no JSON", Roster: json.RawMessage(`"x"`), Why: "cannot unmarshal"},
	}
	return append(vectors, rosterDocuments(u)...)
}

// underID returns the key of a passkey in a roster, with the id of another.
func underID(p *passkeytest.Passkey, id []byte) string {
	jwk := p.JWK()
	jwk["kid"] = b64(id)
	text, _ := json.Marshal(jwk)
	return string(text)
}

// mirrored returns a key for P-256 like underID, with the other y of its x. Its private key is known to who knows
// that of the passkey.
func mirrored(p *passkeytest.Passkey, id []byte) string {
	y, _ := base64.RawURLEncoding.DecodeString(p.JWK()["y"])
	other := new(big.Int).Sub(elliptic.P256().Params().P, new(big.Int).SetBytes(y))
	return strings.Replace(underID(p, id), p.JWK()["y"], b64(other.FillBytes(make([]byte, len(y)))), 1)
}

// rosterDocuments are first versions whose document is wrong.
func rosterDocuments(u vectorUsers) (vectors []rosterVector) {
	good := string(u.first.Document())
	key, _ := json.Marshal(u.bob.JWK())
	second, _ := json.Marshal(u.bobSecond.JWK())
	for _, c := range [][4]string{
		{"another type", `"type":"fieldgate-roster"`, `"type":"roster"`, "type"},
		{"without a type", `"type":"fieldgate-roster",`, ``, "type"},
		{"an unknown member", `"version":1`, `"later":1,"version":1`, "later"},
		{"a name twice", `"threshold":2`, `"threshold":1,"threshold":2`, "twice"},
		{"a folded name", `"threshold"`, `"Threshold"`, "Threshold"},
		{"a threshold of none", `"threshold":2`, `"threshold":0`, "threshold"},
		{"a threshold above the users", `"threshold":2`, `"threshold":4`, "threshold"},
		{"no version", `"version":1`, `"version":0`, "version"},
		{"no customer", `"acme"`, `""`, "customer"},
		{"no origins", `["` + vectorOrigin + `"]`, `[]`, "origins"},
		{"a user twice", `"user":"carol"`, `"user":"bob"`, "not unique"},
		{"a user without an id", `"user":"carol"`, `"user":""`, "empty"},
		{"a key twice", string(second), string(key), "there twice"},
		{"a key twice under different ids", string(second), underID(u.bob, u.bobSecond.ID), "under different ids"},
		{"the key of a user under the id of another", `"x":"` + u.alice.JWK()["x"] + `","y":"` + u.alice.JWK()["y"], `"x":"` + u.bob.JWK()["x"] + `","y":"` + u.bob.JWK()["y"], "under different ids"},
		{"a key and the one with the other y", string(second), mirrored(u.bob, u.bobSecond.ID), "under different ids"},
		{"a user without keys", "[" + string(key) + "," + string(second) + "]", "[]", "from 1 to 8 keys"},
		{"a key for another algorithm", `"alg":"ES256"`, `"alg":"ES384"`, "neither"},
		{"a key off the curve", u.bob.JWK()["y"], u.alice.JWK()["y"], "key"},
		{"a key without a credential", `"kid":"` + b64(u.bob.ID) + `"`, `"kid":""`, "credential"},
		{"two values", "}", "}", "more than one"},
	} {
		text := strings.Replace(good, c[1], c[2], 1)
		if c[0] == "two values" {
			text += "{}"
		}
		version := passkeytest.SignedVersion{Document: b64([]byte(text))}
		for _, passkey := range []*passkeytest.Passkey{u.bob, u.carol} {
			version.Signatures = append(version.Signatures, passkey.Sign([]byte(text)))
		}
		vectors = append(vectors, rosterVector{Name: fmt.Sprintf("document: %s", c[0]), Roster: passkeytest.Chain(version), Why: c[3]})
	}
	return vectors
}

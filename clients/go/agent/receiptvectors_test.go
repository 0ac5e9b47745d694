package agent

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// vectorNow is the time of the device of the vectors.
var vectorNow = time.Date(2026, 11, 30, 12, 1, 0, 0, time.UTC)

// vectorSigner signs the vectors. Its keys are no secrets.
type vectorSigner struct {
	trusted, stranger ed25519.PrivateKey
	elliptic          *ecdsa.PrivateKey
}

func newVectorSigner(t testing.TB) vectorSigner {
	t.Helper()
	scalar, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{7}, 32))
	require.NoError(t, err)
	return vectorSigner{
		trusted:  ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32)),
		stranger: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, 32)), elliptic: scalar,
	}
}

func b64(text []byte) string { return base64.RawURLEncoding.EncodeToString(text) }

func (s vectorSigner) keys(t testing.TB) fieldgateKeys {
	t.Helper()
	point, err := s.elliptic.PublicKey.Bytes()
	require.NoError(t, err)
	return fieldgateKeys{Keys: []map[string]string{
		{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "ed", "x": b64(s.trusted.Public().(ed25519.PublicKey))},
		{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "p256", "x": b64(point[1:33]), "y": b64(point[33:])},
		{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "rsa", "n": "AQAB", "e": "AQAB"},
		{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "enc", "kid": "enc", "x": b64(s.stranger.Public().(ed25519.PublicKey))},
	}}
}

// sign returns a JWS of Ed25519.
func sign(key ed25519.PrivateKey, header, payload string) string {
	signed := b64([]byte(header)) + "." + b64([]byte(payload))
	return signed + "." + b64(ed25519.Sign(key, []byte(signed)))
}

func (s vectorSigner) signP256(t testing.TB, header, payload string) string {
	t.Helper()
	signed := b64([]byte(header)) + "." + b64([]byte(payload))
	sum := sha256.Sum256([]byte(signed))
	r, second, err := ecdsa.Sign(rand.Reader, s.elliptic, sum[:])
	require.NoError(t, err)
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	second.FillBytes(signature[32:])
	return signed + "." + b64(signature)
}

const goodHeader = `{"alg":"EdDSA","kid":"ed","typ":"fieldgate-receipt"}`

// statementOf returns a statement for a device. The options replace parts of it.
func statementOf(options ...string) string {
	text := `{"command":"cmd_1","deliverBy":"2026-11-30T13:00:00.000Z","device":{"id":"dev_1","name":"Pump 7"},"maxAttempts":1,` +
		`"parameters":{"say":"stated"},"policy":{"effect":"review","rule":"*","version":"1"},"priority":5,` +
		`"proposer":{"id":"alice","kind":"person"},"session":"ses_1","tenant":"acme","type":"a","version":1}`
	return strings.NewReplacer(options...).Replace(text)
}

func voteOf(user string) string {
	return fmt.Sprintf(`{"at":"2026-11-30T11:59:00.000Z","decision":"approved","user":%q}`, user)
}

// glassOf returns the vote of an admin who has approved alone.
func glassOf(user string) string { return strings.Replace(voteOf(user), "approved", "break_glass", 1) }

// These are options of statementOf, for a rule that needs two users, and for one that also lets an admin
// approve alone.
var (
	needsTwo      = []string{`"policy":{`, `"policy":{"approvals":2,`}
	mayBreakGlass = []string{`"policy":{`, `"policy":{"approvals":2,"breakGlass":true,`}
)

// payloadOf returns the payload of a receipt about a statement. The options replace parts of it.
func payloadOf(statement, votes string, options ...string) string {
	text := fmt.Sprintf(`{"expiresAt":"2026-11-30T13:00:00.000Z","issuedAt":"2026-11-30T12:00:00.000Z","statement":%q,"version":1,"votes":[%s]}`,
		b64([]byte(statement)), votes)
	return strings.NewReplacer(options...).Replace(text)
}

// writeVectors writes the file with the vectors.
func writeVectors(t testing.TB) {
	t.Helper()
	s, users := newVectorSigner(t), newVectorUsers()
	vectors := receiptVectors{
		About: "Receipts for the device deviceId, whose clock shows now, and what it must say: a receipt without a member why is good. " +
			"Where approvals is set, the device requires so many votes of users other than the proposer. " +
			"Where roster is set, only votes count that a passkey of that roster has signed, and the clock is the same. " +
			"In rosterVectors are rosters that the device must accept or refuse; known is the number of versions that it knows already, of the roster knownOf. " +
			"The texts in why are those of the Go client; another client may use other words. All keys are those of these vectors only.",
		Keys: s.keys(t), DeviceID: "dev_1", Now: vectorNow, Rosters: users.rosters(),
		Vectors: slices.Concat(goodVectors(t, s), brokenEnvelopes(t, s), brokenPayloads(s), brokenClaims(s), passkeyVectors(s, users)),

		RosterVectors: rosterVectors(users),
	}
	text := new(bytes.Buffer)
	encoder := json.NewEncoder(text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	require.NoError(t, encoder.Encode(vectors))
	require.NoError(t, os.WriteFile(vectorsPath, text.Bytes(), 0o644))
}

func goodVectors(t testing.TB, s vectorSigner) []receiptVector {
	t.Helper()
	statement := statementOf()
	auto := statementOf(`"effect":"review"`, `"effect":"auto"`)
	one, two := voteOf("bob"), voteOf("bob")+","+voteOf("carol")
	good := func(name, statement, votes string, approvals int) receiptVector {
		return receiptVector{name, b64([]byte(statement)), sign(s.trusted, goodHeader, payloadOf(statement, votes)), approvals, "", ""}
	}
	p256 := strings.NewReplacer("EdDSA", "ES256", `"ed"`, `"p256"`).Replace(goodHeader)
	return []receiptVector{
		good("approved by one", statement, one, 0), good("approved by one, as required", statement, one, 1),
		good("approved by two", statement, two, 2), good("needs no approval", auto, "", 0),
		good("approved by the proposer", statement, voteOf("alice"), 0),
		good("approved by two, as the rule requires", statementOf(needsTwo...), two, 2),
		good("an admin alone", statementOf(mayBreakGlass...), glassOf("dora"), 0),
		good("one of two, and an admin", statementOf(mayBreakGlass...), one+","+glassOf("dora"), 1),
		{"signed with P-256", b64([]byte(statement)), s.signP256(t, p256, payloadOf(statement, one)), 0, "", ""},
		{"an unknown member", b64([]byte(statement)), sign(s.trusted, goodHeader, payloadOf(statement, one, `"version"`, `"later":{},"version"`)), 0, "", ""},
		{"within the leeway", b64([]byte(statement)), sign(s.trusted, goodHeader, payloadOf(statement, one, "T13:00:00", "T11:57:00")), 0, "", ""},
	}
}

// brokenEnvelopes are receipts whose JWS is wrong.
func brokenEnvelopes(t testing.TB, s vectorSigner) []receiptVector {
	t.Helper()
	statement := statementOf()
	payload := payloadOf(statement, voteOf("bob"))
	good := sign(s.trusted, goodHeader, payload)
	parts := strings.Split(good, ".")
	header := func(options ...string) string {
		return sign(s.trusted, strings.NewReplacer(options...).Replace(goodHeader), payload)
	}
	var vectors []receiptVector
	for _, v := range [][3]string{
		{"none", "", "no receipt"},
		{"two parts", parts[0] + "." + parts[1], "compact form"},
		{"four parts", good + ".", "compact form"},
		{"JSON form", `{"payload":"` + parts[1] + `"}`, "compact form"},
		{"too large", good + strings.Repeat("A", 262_144), "larger"},
		{"no signature", parts[0] + "." + parts[1] + ".", "signature is wrong"},
		{"short signature", good[:len(good)-6], "signature is wrong"},
		{"another signature", parts[0] + "." + parts[1] + "." + b64(ed25519.Sign(s.trusted, []byte("x"))), "signature is wrong"},
		{"another payload", parts[0] + "." + b64([]byte(payloadOf(statement, ""))) + "." + parts[2], "signature is wrong"},
		{"signed by a stranger", sign(s.stranger, goodHeader, payload), "signature is wrong"},
		{"padding", parts[0] + "." + parts[1] + "." + parts[2] + "==", "base64url"},
		{"a line break", parts[0] + "." + parts[1] + "." + parts[2][:40] + "\n" + parts[2][40:], "base64url"},
		{"header is no JSON", sign(s.trusted, "x", payload), "invalid character"},
		{"header has a name twice", header(`"alg"`, `"alg":"none","alg"`), "alg"},
		{"no algorithm", header(`EdDSA`, `none`), "algorithm"},
		{"algorithm of another key", header(`EdDSA`, `ES256`), "algorithm"},
		{"algorithm of a secret", header(`EdDSA`, `HS256`), "algorithm"},
		{"without an algorithm", header(`"alg":"EdDSA",`, ``), `"alg"`},
		{"unknown key", header(`"ed"`, `"other"`), "not trusted"},
		{"key for another use", sign(s.stranger, strings.Replace(goodHeader, `"ed"`, `"enc"`, 1), payload), "not trusted"},
		{"key of another algorithm", header(`"ed"`, `"rsa"`), "not trusted"},
		{"without a key", header(`"kid":"ed",`, ``), `"kid"`},
		{"another type", header(`fieldgate-receipt`, `JWT`), "type"},
		{"without a type", header(`,"typ":"fieldgate-receipt"`, ``), `"typ"`},
		{"critical member", header(`"alg"`, `"b64":false,"crit":["b64"],"alg"`), "critical"},
		{"key in the header", sign(s.stranger, strings.Replace(goodHeader, `"alg"`, `"jwk":{"kty":"OKP","crv":"Ed25519","x":"`+b64(s.stranger.Public().(ed25519.PublicKey))+`"},"alg"`, 1), payload), "signature is wrong"},
	} {
		vectors = append(vectors, receiptVector{v[0], b64([]byte(statement)), v[1], 0, "", v[2]})
	}
	p256 := strings.NewReplacer("EdDSA", "ES256", `"ed"`, `"p256"`).Replace(goodHeader)
	signed := s.signP256(t, p256, payload)
	return append(vectors, receiptVector{"P-256, cut", b64([]byte(statement)), signed[:len(signed)-6], 0, "", "signature is wrong"})
}

// brokenPayloads are receipts that a trusted key has signed, and that cannot be read.
func brokenPayloads(s vectorSigner) []receiptVector {
	statement, one := statementOf(), voteOf("bob")
	var vectors []receiptVector
	for _, v := range [][3]string{
		{"no JSON", "x", "invalid character"},
		{"another version", payloadOf(statement, one, `"version":1`, `"version":2`), "version"},
		{"without a version", payloadOf(statement, one, `"version":1,`, ``), `"version"`},
		{"without an end", payloadOf(statement, one, `"expiresAt":"2026-11-30T13:00:00.000Z",`, ``), `"expiresAt"`},
		{"end is null", payloadOf(statement, one, `"2026-11-30T13:00:00.000Z"`, `null`), `"expiresAt"`},
		{"without votes", payloadOf(statement, one, `,"votes":[`+one+`]`, ``), `"votes"`},
		{"votes twice", payloadOf(statement, one, `"votes"`, `"votes":[],"votes"`), "votes"},
		{"a vote has a name twice", payloadOf(statement, strings.Replace(one, `"user"`, `"user":"dave","user"`, 1)), "user"},
		{"a vote without a user", payloadOf(statement, strings.Replace(one, `,"user":"bob"`, ``, 1)), `"user"`},
		{"a folded name", payloadOf(statement, one, `"votes"`, `"Votes"`), `"votes"`},
		{"statement is no base64url", payloadOf(statement, one, b64([]byte(statement)), "!"), "statement"},
		{"statement of a later version", payloadOf(statementOf(`"version":1}`, `"version":2}`), one), "version"},
		{"statement has a name twice", payloadOf(statementOf(`"type":"a"`, `"type":"b","type":"a"`), one), "type"},
		{"parameters in the statement have a name twice", payloadOf(statementOf(`"say":"stated"`, `"say":"other","say":"stated"`), one), "say"},
		{"two values", payloadOf(statement, one) + "{}", "more than one"},
	} {
		vectors = append(vectors, receiptVector{v[0], b64([]byte(statement)), sign(s.trusted, goodHeader, v[1]), 0, "", v[2]})
	}
	return vectors
}

// brokenClaims are good receipts that do not let the device run what it has claimed.
func brokenClaims(s vectorSigner) []receiptVector {
	statement, one := statementOf(), voteOf("bob")
	about := func(name, statement, votes string, approvals int, why string, options ...string) receiptVector {
		return receiptVector{name, b64([]byte(statement)), sign(s.trusted, goodHeader, payloadOf(statement, votes, options...)), approvals, "", why}
	}
	other := about("receipt of another command", statementOf("cmd_1", "cmd_2"), one, 0, "another command")
	other.Statement = b64([]byte(statement))
	changed := about("changed parameters", statement, one, 0, "another command")
	changed.Statement = b64([]byte(statementOf(`"stated"`, `"changed"`)))
	tenant := about("receipt of another customer", statementOf("acme", "other"), one, 0, "another command")
	tenant.Statement = b64([]byte(statement))
	bare := about("without a statement", statement, one, 0, "no receipt")
	bare.Statement = ""
	return []receiptVector{
		other, changed, tenant, bare,
		about("for another device", statementOf("dev_1", "dev_2"), one, 0, "another device"),
		about("expired", statement, one, 0, "expired", "T13:00:00", "T11:55:00"),
		about("a deadline that no gateway allows", statementOf("2026-11-30T13", "2099-11-30T13"), one, 0, "more than a day", "2026-11-30T13", "2099-11-30T13"),
		about("votes removed", statement, "", 0, "nobody has approved"),
		about("policy without an effect", statementOf(`"effect":"review",`, ``), "", 0, "nobody has approved"),
		about("one vote of two by its rule", statementOf(needsTwo...), one, 0, "rule requires 2 approvals"),
		about("one vote twice by its rule", statementOf(needsTwo...), one+","+one, 0, "rule requires 2 approvals"),
		about("a vote of the proposer by its rule", statementOf(needsTwo...), one+","+voteOf("alice"), 0, "rule requires 2 approvals"),
		about("an admin alone, where the rule does not allow it", statementOf(needsTwo...), glassOf("dora"), 0, "does not allow"),
		about("an admin alone, where an approval is required", statementOf(mayBreakGlass...), glassOf("dora"), 1, "requires 1 approval for it"),
		about("one of two and an admin, where two are required", statementOf(mayBreakGlass...), one+","+glassOf("dora"), 2, "requires 2 approvals"),
		about("an unknown decision", statement, strings.Replace(one, "approved", "abstained", 1), 0, "rejected"),
		about("rejected by one", statement, one+","+strings.Replace(voteOf("carol"), "approved", "rejected", 1), 0, "rejected"),
		about("one vote of two", statement, one, 2, "requires 2 approvals"),
		about("one vote twice", statement, one+","+one, 2, "requires 2 approvals"),
		about("a vote of the proposer", statement, one+","+voteOf("alice"), 2, "requires 2 approvals"),
		about("approved by the proposer, where another is required", statement, voteOf("alice"), 1, "requires 1 approval for it"),
		about("a vote of nobody", statement, voteOf(""), 1, "requires 1 approval for it"),
		about("needs no approval, where one is required", statementOf(`"effect":"review"`, `"effect":"auto"`), "", 1, "requires 1 approval for it"),
	}
}

// Package passkeytest contains passkeys in software, for tests and demonstrations of approvals. They sign as
// an authenticator and a browser do together (W3C Web Authentication, level 3). Nothing protects their keys.
package passkeytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// A Passkey is a credential of a user for a relying party.
type Passkey struct {
	ID           []byte // of the credential
	RelyingParty string // domain, such as "example.com"
	Origin       string // of the page in which it is used, such as "https://example.com"
	Flags        byte   // of the authenticator data; UserPresent and UserVerified in New
	Counter      uint32 // number of signatures so far

	key crypto.Signer
}

// Flags of the authenticator data.
const (
	UserPresent  = 1 << 0
	UserVerified = 1 << 2
)

// New returns a passkey for ES256.
func New(relyingParty, origin string) *Passkey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // the random source of Go does not fail
	}
	return newPasskey(relyingParty, origin, key)
}

// NewEd25519 returns a passkey for EdDSA.
func NewEd25519(relyingParty, origin string) *Passkey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // the random source of Go does not fail
	}
	return newPasskey(relyingParty, origin, key)
}

func newPasskey(relyingParty, origin string, key crypto.Signer) *Passkey {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // it never returns an error
	return &Passkey{ID: id, RelyingParty: relyingParty, Origin: origin, Flags: UserPresent | UserVerified, key: key}
}

// Public returns the public key.
func (p *Passkey) Public() crypto.PublicKey { return p.key.Public() }

// JWK returns the public key as a roster has it.
func (p *Passkey) JWK() map[string]string {
	switch public := p.key.Public().(type) {
	case ed25519.PublicKey:
		return map[string]string{"alg": "EdDSA", "crv": "Ed25519", "kid": encode(p.ID), "kty": "OKP", "x": encode(public)}
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		if err != nil {
			panic(err) // the key is on its curve
		}
		return map[string]string{"alg": "ES256", "crv": "P-256", "kid": encode(p.ID), "kty": "EC", "x": encode(point[1:33]), "y": encode(point[33:])}
	}
	panic("there is no passkey of this kind")
}

// Sign signs a document: the statement of a command, or a version of a roster. The challenge is its hash.
func (p *Passkey) Sign(document []byte) fieldgate.Assertion {
	sum := sha256.Sum256(document)
	return p.SignClientData(p.ClientData(sum[:]))
}

// ClientData returns what a browser says about a signature over a challenge.
func (p *Passkey) ClientData(challenge []byte) []byte {
	return fmt.Appendf(nil, `{"type":"webauthn.get","challenge":%q,"origin":%q,"crossOrigin":false}`, encode(challenge), p.Origin)
}

// SignClientData signs what a browser says. Use it for client data that no browser sends.
func (p *Passkey) SignClientData(clientData []byte) fieldgate.Assertion {
	p.Counter++
	data := p.authenticatorData()
	sum := sha256.Sum256(clientData)
	return fieldgate.Assertion{
		AuthenticatorData: encode(data), ClientDataJSON: encode(clientData), CredentialID: encode(p.ID),
		Signature: encode(p.sign(append(data, sum[:]...))),
	}
}

func (p *Passkey) authenticatorData() []byte {
	party := sha256.Sum256([]byte(p.RelyingParty))
	data := append(party[:], p.Flags)
	return append(data, byte(p.Counter>>24), byte(p.Counter>>16), byte(p.Counter>>8), byte(p.Counter))
}

func (p *Passkey) sign(message []byte) []byte {
	var options crypto.SignerOpts = crypto.Hash(0)
	if _, ok := p.key.(*ecdsa.PrivateKey); ok {
		sum := sha256.Sum256(message)
		message, options = sum[:], crypto.SHA256
	}
	signature, err := p.key.Sign(rand.Reader, message, options)
	if err != nil {
		panic(err) // the random source of Go does not fail
	}
	return signature
}

// A Roster describes a version of a roster.
type Roster struct {
	Tenant    string
	Version   int
	Threshold int
	Users     map[string][]*Passkey // by the ids of the users; at least one, whose relying party and origin the roster has
}

// Document returns the document of a version, which the users of the version before sign.
func (r Roster) Document() []byte {
	var approvers []map[string]any
	var party, origin string
	for _, user := range slices.Sorted(maps.Keys(r.Users)) {
		var keys []map[string]string
		for _, passkey := range r.Users[user] {
			keys = append(keys, passkey.JWK())
			party, origin = passkey.RelyingParty, passkey.Origin
		}
		approvers = append(approvers, map[string]any{"keys": keys, "user": user})
	}
	return mustMarshal(map[string]any{
		"approvers": approvers, "origins": []string{origin}, "relyingParty": party, "tenant": r.Tenant,
		"threshold": r.Threshold, "type": "fieldgate-roster", "version": r.Version,
	})
}

// Sign returns the version with the signatures of passkeys.
func (r Roster) Sign(passkeys ...*Passkey) SignedVersion {
	document := r.Document()
	v := SignedVersion{Document: encode(document), Signatures: []fieldgate.Assertion{}}
	for _, passkey := range passkeys {
		v.Signatures = append(v.Signatures, passkey.Sign(document))
	}
	return v
}

// A SignedVersion is a version of a roster as a chain has it.
type SignedVersion struct {
	Document   string                `json:"document"`
	Signatures []fieldgate.Assertion `json:"signatures"`
}

// Chain returns the versions in the form that [fieldgate.ParseRoster] reads.
func Chain(versions ...SignedVersion) []byte {
	return mustMarshal(map[string]any{"versions": versions})
}

func mustMarshal(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return text
}

func encode(text []byte) string { return base64.RawURLEncoding.EncodeToString(text) }

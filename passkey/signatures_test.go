package passkey_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/clients/go/passkeytest"
	"github.com/fieldgate/fieldgate/passkey"
)

// These are the relying party of the tests, and the origin of its pages.
const (
	party  = "localhost"
	origin = "http://localhost:8080"
)

// bothJudge returns what the gateway and a device say of a first version.
func bothJudge(t *testing.T, v passkeytest.SignedVersion) (gateway, device error) {
	t.Helper()
	text := passkeytest.Chain(v)
	var c chain
	require.NoError(t, json.Unmarshal(text, &c))
	_, gateway = c.latest()
	_, device = client.ParseRoster(text)
	return gateway, device
}

// TestRoster_RefusesSignaturesThatDevicesRefuse signs a version with client data of which encoding/json reads
// other values than a device does, and on pages that the roster does not list.
func TestRoster_RefusesSignaturesThatDevicesRefuse(t *testing.T) {
	t.Parallel()
	key := passkeytest.New(party, origin)
	v := passkeytest.Roster{Tenant: "c.acme", Version: 1, Threshold: 1, Users: map[string][]*passkeytest.Passkey{"bob": {key}}}
	for name, change := range map[string][2]string{
		"a folded name":           {`"origin"`, `"Origin"`},
		"a name folded otherwise": {`"crossOrigin":false`, `"cro` + "\u017f" + `sOrigin":true,"crossOrigin":false`},
		"a name twice":            {`"origin"`, `"origin":"https://evil.example.com","origin"`},
		"another name twice":      {`{`, `{"more":{"a":1,"a":2},`},
		"another port":            {origin, "http://localhost:3000"},
		"no port":                 {origin, "http://localhost"},
		"a user before the host":  {origin, "http://localhost:x@evil.example.com"},
		"nothing":                 {"", ""},
	} {
		signed := v.Sign(key)
		document := v.Document()
		signed.Signatures[0] = key.SignClientData([]byte(strings.Replace(clientData(key, document), change[0], change[1], 1)))
		gateway, device := bothJudge(t, signed)
		if name == "nothing" {
			require.NoError(t, gateway)
			require.NoError(t, device)
			continue
		}
		require.Error(t, gateway, name)
		if name != "a name folded otherwise" { // a device takes it for another name
			require.Error(t, device, name)
		}
	}
	broken := v.Sign(key)
	broken.Document = broken.Document[:8] + "\n" + broken.Document[8:]
	gateway, device := bothJudge(t, broken)
	require.Error(t, gateway, "a line break in base64url")
	require.Error(t, device)
}

// clientData returns what a browser says about the signature over a document.
func clientData(key *passkeytest.Passkey, document []byte) string {
	sum := sha256.Sum256(document)
	return string(key.ClientData(sum[:]))
}

// TestRelyingParty_LocalPortsAreThoseOfLocalhost signs on pages of localhost and of hosts that look like it.
func TestRelyingParty_LocalPortsAreThoseOfLocalhost(t *testing.T) {
	t.Parallel()
	local := passkey.RelyingParty{ID: party, Origins: []string{"https://localhost"}, LocalPorts: true}
	challenge := sha256.Sum256([]byte("a document"))
	for page, isAllowed := range map[string]bool{
		"https://localhost": true, "http://localhost": true, "http://localhost:8080": true,
		"http://localhost:x@evil.example.com": false, "http://localhost:80@evil.example.com": false, "http://localhost.evil.example.com": false,
		"http://localhost:": false, "http://localhost8080": false, "https://localhost:8080": false, "http://localhost:99999": false,
	} {
		key := passkeytest.New(party, page)
		a := key.Sign([]byte("a document"))
		text, err := json.Marshal(key.JWK())
		require.NoError(t, err)
		var public passkey.Key
		require.NoError(t, json.Unmarshal(text, &public))
		_, err = local.Verify(passkey.Assertion(a), challenge[:], public)
		require.Equal(t, isAllowed, err == nil, "%s: %v", page, err)
		strict := local
		strict.LocalPorts = false
		_, err = strict.Verify(passkey.Assertion(a), challenge[:], public)
		require.Equal(t, page == "https://localhost", err == nil, page)
	}
}

// TestRoster_UserSignsOnce signs a version with a key twice, and with two keys of a user.
func TestRoster_UserSignsOnce(t *testing.T) {
	t.Parallel()
	bob, second, carol := passkeytest.New(party, origin), passkeytest.New(party, origin), passkeytest.NewEd25519(party, origin)
	v := passkeytest.Roster{Tenant: "c.acme", Version: 1, Threshold: 1, Users: map[string][]*passkeytest.Passkey{"bob": {bob, second}, "carol": {carol}}}
	for _, signers := range [][]*passkeytest.Passkey{{bob, bob}, {bob, second}, {bob, carol, bob}} {
		gateway, _ := bothJudge(t, v.Sign(signers...))
		require.ErrorContains(t, gateway, "twice")
	}
	gateway, _ := bothJudge(t, v.Sign(bob, carol))
	require.NoError(t, gateway, "more users than the threshold")
}

// TestRoster_HasEachKeyOnce adds the public key of a user to another one under a new id, and keys that are malformed
// to a user who does not sign.
func TestRoster_HasEachKeyOnce(t *testing.T) {
	t.Parallel()
	for _, bob := range []*passkeytest.Passkey{passkeytest.New(party, origin), passkeytest.NewEd25519(party, origin)} {
		other := *bob
		other.ID = []byte("another id")
		users := map[string][]*passkeytest.Passkey{"bob": {bob}, "mallory": {&other}}
		gateway, _ := bothJudge(t, passkeytest.Roster{Tenant: "c.acme", Version: 1, Threshold: 2, Users: users}.Sign(bob, &other))
		require.Error(t, gateway)
	}
	bob, carol := passkeytest.New(party, origin), passkeytest.New(party, origin)
	v := passkeytest.Roster{Tenant: "c.acme", Version: 1, Threshold: 1, Users: map[string][]*passkeytest.Passkey{"bob": {bob}, "carol": {carol}}}
	for name, change := range map[string][2]string{
		"a key off the curve": {carol.JWK()["x"], bob.JWK()["y"]},
		"no id in base64url":  {carol.JWK()["kid"], "no id!"},
	} {
		document := []byte(strings.ReplaceAll(string(v.Document()), change[0], change[1]))
		signed := passkeytest.SignedVersion{Document: base64.RawURLEncoding.EncodeToString(document), Signatures: []client.Assertion{bob.Sign(document)}}
		gateway, device := bothJudge(t, signed)
		require.Error(t, device, name)
		require.Error(t, gateway, name)
	}
}

package gateway_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/clients/go/passkeytest"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/policy"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// These are the relying party of the tests, and the origin of its pages.
const (
	party  = "fleet.example.com"
	origin = "https://fleet.example.com"
)

func withPasskeys(cfg *gateway.Config) { cfg.PasskeyRelyingParty = party }

// requiringPasskey sets the rule of all commands.
var requiringPasskey = requiring(policy.Requirement{Assurance: "passkey"})

// register registers a passkey of a user.
func register(t testing.TB, user *client.CustomerClient, key *passkeytest.Passkey) client.Passkey {
	t.Helper()
	options, err := user.CreatePasskeyOptions(t.Context())
	require.NoError(t, err)
	registered, err := user.RegisterPasskey(t.Context(), client.RegisterPasskeyRequest{Name: "key ring", Credential: key.Register(options.Challenge)})
	require.NoError(t, err)
	return registered
}

// newPasskey registers a new passkey of a user.
func newPasskey(t testing.TB, user *client.CustomerClient) *passkeytest.Passkey {
	t.Helper()
	key := passkeytest.New(party, origin)
	register(t, user, key)
	return key
}

// statementOf returns the bytes of the statement of a command.
func statementOf(t testing.TB, c client.Command) []byte {
	t.Helper()
	statement, err := base64.RawURLEncoding.DecodeString(c.Statement)
	require.NoError(t, err)
	return statement
}

// signed returns the approval of a command that a passkey signs.
func signed(t testing.TB, c client.Command, key *passkeytest.Passkey) client.DecisionRequest {
	t.Helper()
	request := approval(c)
	request.Assertion = passkeytest.Response(key.Sign(statementOf(t, c)))
	return request
}

func TestPasskeys_ApprovalIsSignedAndHandedOver(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		keys, err := g.ReceiptKeys(t.Context())
		require.NoError(t, err)
		for name, key := range map[string]*passkeytest.Passkey{"ES256": passkeytest.New(party, origin), "EdDSA": passkeytest.NewEd25519(party, origin)} {
			registered := register(t, f.bob, key)
			require.Equal(t, key.JWK()["x"], registered.PublicKey.X, name)
			c := f.propose(t, review)
			_, err = f.bob.Decide(t.Context(), f.session, approval(c))
			refused := requireCode(t, client.CodeStepUpRequired, err)
			require.Equal(t, "passkey", refused.Assurance)
			page, err := f.bob.Approvals(t.Context(), client.ListApprovalsParams{})
			require.NoError(t, err)
			require.True(t, *page.Items[0].MayDecide, "%s: with a passkey", name)

			request := signed(t, c, key)
			approved, err := f.bob.Decide(t.Context(), f.session, request)
			require.NoError(t, err)
			require.Equal(t, client.CommandStatusQueued, approved.Status)
			require.Equal(t, registered.ID, approved.Approval.Votes[0].Passkey)

			claimed := f.claim(t)
			receipt, err := keys.ParseReceipt(claimed.Receipt)
			require.NoError(t, err)
			require.Equal(t, request.Assertion.Response.Signature, receipt.Votes[0].Assertion.Signature)
		}
		list, err := f.bob.Passkeys(t.Context(), client.ListPasskeysParams{Limit: 1})
		require.NoError(t, err)
		require.NotEmpty(t, list.NextCursor)
		require.NotZero(t, list.Items[0].LastUsedAt)
	}, withPasskeys, withSigningKey, requiringPasskey)
}

// TestPasskeys_FalseAssertionsAreRefused sends assertions that an attacker may have: none of them approves.
func TestPasskeys_FalseAssertionsAreRefused(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		key := newPasskey(t, f.bob)
		carol := newPasskey(t, g.User(f.tenantID, "carol", "approver"))
		neighbour := newPasskey(t, g.User(gatewaytest.NeighbourOf(f.tenantID), "bob", "approver"))
		deleted := newPasskey(t, f.bob)
		require.NoError(t, f.bob.DeletePasskey(t.Context(), base64.RawURLEncoding.EncodeToString(deleted.ID)))
		changed := func(change func(*passkeytest.Passkey)) *passkeytest.Passkey {
			other := *key
			change(&other)
			return &other
		}
		c, other := f.propose(t, review), f.propose(t, review)
		sum := sha256.Sum256(statementOf(t, c))
		clientData := string(key.ClientData(sum[:]))
		falsified := func(old, replacement string) client.Assertion {
			return key.SignClientData([]byte(strings.Replace(clientData, old, replacement, 1)))
		}
		tampered := key.Sign(statementOf(t, c))
		tampered.Signature = key.Sign(statementOf(t, other)).Signature
		for name, assertion := range map[string]client.Assertion{
			"another command":          key.Sign(statementOf(t, other)),
			"another user":             carol.Sign(statementOf(t, c)),
			"another tenant":           neighbour.Sign(statementOf(t, c)),
			"a deleted passkey":        deleted.Sign(statementOf(t, c)),
			"an unknown passkey":       passkeytest.New(party, origin).Sign(statementOf(t, c)),
			"another key":              passkeytest.New(party, origin).Sign(statementOf(t, c)),
			"another origin":           changed(func(p *passkeytest.Passkey) { p.Origin = "https://evil.example.com" }).Sign(statementOf(t, c)),
			"an origin over http":      changed(func(p *passkeytest.Passkey) { p.Origin = "http://fleet.example.com" }).Sign(statementOf(t, c)),
			"localhost":                changed(func(p *passkeytest.Passkey) { p.Origin = "http://localhost:8080" }).Sign(statementOf(t, c)),
			"another relying party":    changed(func(p *passkeytest.Passkey) { p.RelyingParty = "evil.example.com" }).Sign(statementOf(t, c)),
			"no user verification":     changed(func(p *passkeytest.Passkey) { p.Flags = passkeytest.UserPresent }).Sign(statementOf(t, c)),
			"no user presence":         changed(func(p *passkeytest.Passkey) { p.Flags = passkeytest.UserVerified }).Sign(statementOf(t, c)),
			"a frame of a page":        falsified(`"crossOrigin":false`, `"crossOrigin":true`),
			"a registration":           falsified("webauthn.get", "webauthn.create"),
			"the signature of another": tampered,
		} {
			request := approval(c)
			request.Assertion = passkeytest.Response(assertion)
			_, err := f.bob.Decide(t.Context(), f.session, request)
			refused := requireCode(t, client.CodeStepUpRequired, err)
			require.Equal(t, "passkey", refused.Assurance, name)
		}
		f.requireNothingToClaim(t)
		_, err := f.bob.Decide(t.Context(), f.session, signed(t, c, key))
		require.NoError(t, err, "the passkey signs all the same")
		_, err = f.bob.Decide(t.Context(), f.session, signed(t, other, key))
		require.NoError(t, err)
	}, withPasskeys, requiringPasskey)
}

// TestPasskeys_CopyIsNoticed signs with a copy of a passkey whose signature counter stands still.
func TestPasskeys_CopyIsNoticed(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		key := newPasskey(t, f.bob)
		copied := *key
		first, second := f.propose(t, review), f.propose(t, review)
		_, err := f.bob.Decide(t.Context(), f.session, signed(t, first, key))
		require.NoError(t, err)
		_, err = f.bob.Decide(t.Context(), f.session, signed(t, second, &copied))
		requireCode(t, client.CodeStepUpRequired, err)
		_, err = f.bob.Decide(t.Context(), f.session, signed(t, second, key))
		require.NoError(t, err)
	}, withPasskeys, requiringPasskey)
}

// TestPasskeys_AssertionIsCheckedWithoutARule sends assertions for a command whose rule requires none.
func TestPasskeys_AssertionIsCheckedWithoutARule(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, withPasskeys)
	f := newFleet(t, g)
	key := newPasskey(t, f.bob)
	c, other := f.propose(t, review), f.propose(t, review)
	request := signed(t, other, key)
	request.CommandID, request.Digest = c.ID, c.Digest
	_, err := f.bob.Decide(t.Context(), f.session, request)
	requireCode(t, client.CodeStepUpRequired, err)
	approved, err := f.bob.Decide(t.Context(), f.session, signed(t, c, key))
	require.NoError(t, err)
	require.NotEmpty(t, approved.Approval.Votes[0].Passkey)
}

// TestPasskeys_IsMoreThanASecondFactor approves with a passkey where the rule requires a second factor.
func TestPasskeys_IsMoreThanASecondFactor(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, withPasskeys, requiring(policy.Requirement{Assurance: "aal2"}))
	f := newFleet(t, g)
	key := newPasskey(t, f.bob)
	_, err := f.bob.Decide(t.Context(), f.session, signed(t, f.propose(t, review), key))
	require.NoError(t, err)
	f.claim(t)
}

func TestPasskeys_Registration(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		try := func(user *client.CustomerClient, made client.PasskeyRegistration) error {
			_, err := user.RegisterPasskey(t.Context(), client.RegisterPasskeyRequest{Name: "key", Credential: made})
			return err
		}
		challenge := func(user *client.CustomerClient) string {
			options, err := user.CreatePasskeyOptions(t.Context())
			require.NoError(t, err)
			return options.Challenge
		}
		key := passkeytest.New(party, origin)
		requireCode(t, client.CodeValidationFailed, try(f.bob, key.Register("AAAA")))
		requireCode(t, client.CodeValidationFailed, try(f.bob, key.Register(challenge(f.alice))))
		used := challenge(f.bob)
		require.NoError(t, try(f.bob, key.Register(used)))
		requireCode(t, client.CodeValidationFailed, try(f.bob, passkeytest.New(party, origin).Register(used)))
		requireCode(t, client.CodeValidationFailed, try(f.alice, key.Register(challenge(f.alice))))
		for name, change := range map[string]func(*passkeytest.Passkey){
			"another origin":        func(p *passkeytest.Passkey) { p.Origin = "https://evil.example.com" },
			"another relying party": func(p *passkeytest.Passkey) { p.RelyingParty = "evil.example.com" },
			"no user verification":  func(p *passkeytest.Passkey) { p.Flags = passkeytest.UserPresent },
		} {
			other := passkeytest.New(party, origin)
			change(other)
			require.Equal(t, client.CodeValidationFailed, client.CodeOf(try(f.bob, other.Register(challenge(f.bob)))), name)
		}
		for range 7 {
			newPasskey(t, f.bob)
		}
		_, err := f.bob.CreatePasskeyOptions(t.Context())
		refused := requireCode(t, client.CodeQuotaExceeded, err)
		require.Equal(t, "passkeys", refused.Quota)
		require.Contains(t, refused.Detail, "Delete one first")
		id := base64.RawURLEncoding.EncodeToString(key.ID)
		requireCode(t, client.CodePasskeyNotFound, f.alice.DeletePasskey(t.Context(), id))
		require.NoError(t, f.bob.DeletePasskey(t.Context(), id))
		newPasskey(t, f.bob)

		foreign := f.userWith(issuer.Claims{Subject: "dave", Role: "approver", ClientID: "an app"})
		_, err = foreign.CreatePasskeyOptions(t.Context())
		requireCode(t, client.CodeClientNotAllowed, err)
	}, withPasskeys)
}

// TestPasskeys_AreOffWithoutARelyingParty starts a gateway without the setting.
func TestPasskeys_AreOffWithoutARelyingParty(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t))
	_, err := f.bob.CreatePasskeyOptions(t.Context())
	requireCode(t, client.CodeNotFound, err)
	_, err = f.bob.Decide(t.Context(), f.session, signed(t, f.propose(t, review), passkeytest.New(party, origin)))
	requireCode(t, client.CodeNotFound, err)
}

// TestPasskeys_ChangeInTheStoreIsFound changes a passkey, the assertion of a vote, and a roster in Redis.
func TestPasskeys_ChangeInTheStoreIsFound(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(server.URL()), withPasskeys, withSigningKey, requiringPasskey, func(c *gateway.Config) {
		c.RecordKey, c.RecordKeyRequired = "a key that is nowhere in the store", true
	})
	g.Log.AllowErrors("refused a command whose record was changed in the store", "repaired a violated invariant", "request failed")
	f := newFleet(t, g)
	key, other := newPasskey(t, f.bob), newPasskey(t, f.bob)
	redis, tenant := server.Client(t), store.Tenant(onlyTenant(t, server.Client(t)))
	id, otherID := base64.RawURLEncoding.EncodeToString(key.ID), base64.RawURLEncoding.EncodeToString(other.ID)

	c := f.propose(t, review)
	_, err := f.bob.Decide(t.Context(), f.session, signed(t, c, other))
	require.NoError(t, err)
	device := store.Device{Tenant: string(tenant), ID: f.device.ID}
	state, err := redis.HGet(t.Context(), device.CommandsKey(), c.ID).Result()
	require.NoError(t, err)
	assertion := key.Sign(statementOf(t, c))
	require.Contains(t, state, otherID+".")
	require.NoError(t, redis.HSet(t.Context(), device.CommandsKey(), c.ID, strings.Replace(state, otherID, assertion.CredentialID, 1)).Err())
	f.requireNothingToClaim(t)

	record, err := redis.HGet(t.Context(), tenant.PasskeysKey(), id).Result()
	require.NoError(t, err)
	mallory := passkeytest.New(party, origin)
	mallory.ID = key.ID
	forged := strings.NewReplacer(key.JWK()["x"], mallory.JWK()["x"], key.JWK()["y"], mallory.JWK()["y"]).Replace(record)
	require.NotEqual(t, record, forged)
	require.NoError(t, redis.HSet(t.Context(), tenant.PasskeysKey(), id, forged).Err())
	_, err = f.bob.Decide(t.Context(), f.session, signed(t, f.propose(t, review), mallory))
	requireCode(t, client.CodeStepUpRequired, err)
}

// rosterOf returns a version of a roster of bob and carol.
func rosterOf(t testing.TB, f *fleet, version, threshold int, users map[string][]*passkeytest.Passkey) passkeytest.Roster {
	t.Helper()
	me, err := f.alice.Me(t.Context())
	require.NoError(t, err)
	return passkeytest.Roster{Tenant: me.Tenant, Version: version, Threshold: threshold, Users: users}
}

// setRoster sends a version with the signatures of passkeys.
func setRoster(t testing.TB, f *fleet, document []byte, signers ...*passkeytest.Passkey) (client.RosterChain, error) {
	t.Helper()
	request := client.SetRosterRequest{Document: base64.RawURLEncoding.EncodeToString(document)}
	for _, signer := range signers {
		request.Signatures = append(request.Signatures, *passkeytest.Response(signer.Sign(document)))
	}
	return f.alice.SetRoster(t.Context(), request)
}

func TestRoster_ApproversSignTheNextVersion(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		bob, carol, dave := passkeytest.New(party, origin), passkeytest.NewEd25519(party, origin), passkeytest.New(party, origin)
		users := map[string][]*passkeytest.Passkey{"bob": {bob}, "carol": {carol}}
		empty, err := f.bob.Roster(t.Context())
		require.NoError(t, err)
		require.NotNil(t, empty.Versions)

		first := rosterOf(t, f, 1, 2, users).Document()
		_, err = setRoster(t, f, first, bob)
		requireCode(t, client.CodeValidationFailed, err)
		_, err = setRoster(t, f, first, bob, bob)
		requireCode(t, client.CodeValidationFailed, err)
		_, err = setRoster(t, f, first, bob, carol)
		require.NoError(t, err)
		pinned := parsedRoster(t, f)

		next := rosterOf(t, f, 2, 1, map[string][]*passkeytest.Passkey{"bob": {bob}, "dave": {dave}}).Document()
		_, err = setRoster(t, f, next, bob, dave)
		requireCode(t, client.CodeValidationFailed, err)
		_, err = setRoster(t, f, rosterOf(t, f, 3, 1, users).Document(), bob, carol)
		requireCode(t, client.CodePolicyConflict, err)
		foreign := rosterOf(t, f, 2, 1, users)
		foreign.Tenant = "c.another"
		_, err = setRoster(t, f, foreign.Document(), bob, carol)
		requireCode(t, client.CodeValidationFailed, err)
		for name, document := range map[string]string{
			"unsorted": strings.Replace(string(next), `"type":`, `"Type":`, 1), "doubled": strings.Replace(string(next), `"tenant":`, `"tenant":"x","tenant":`, 1),
			"more after it": string(next) + "{}",
		} {
			_, err := setRoster(t, f, []byte(document), bob, carol)
			require.Equal(t, client.CodeValidationFailed, client.CodeOf(err), name)
		}
		chain, err := setRoster(t, f, next, bob, carol)
		require.NoError(t, err)
		require.Len(t, chain.Versions, 2)

		followed, err := f.device.FollowRoster(t.Context(), pinned)
		require.NoError(t, err)
		require.Equal(t, 2, followed.Version)
	}, withPasskeys)
}

// parsedRoster returns the roster as a device verifies it.
func parsedRoster(t testing.TB, f *fleet) client.Roster {
	t.Helper()
	chain, err := f.bob.Roster(t.Context())
	require.NoError(t, err)
	text, err := json.Marshal(chain)
	require.NoError(t, err)
	roster, err := client.ParseRoster(text)
	require.NoError(t, err)
	return roster
}

package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestSecrets_AreNotInLogOrStore makes every call that returns a secret, and searches the
// log, the store and everything that the store has received for the secrets. An Idempotency-Key
// is a secret too, because it opens what the store keeps for a repetition.
func TestSecrets_AreNotInLogOrStore(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(server.URL()))
	received := monitorCommands(t, server)
	f := newFleet(t, g)
	secrets := map[string]string{"device secret": f.device.Secret}
	f.collectRegistrationSecrets(t, secrets)
	f.collectLoginSecrets(t, secrets)
	f.collectClaimTokens(t, secrets)
	f.collectTickets(t, secrets)
	for i, forgery := range customertest.ForgedTokens(g.Issuer.Issuer, "http://outside.invalid")[:40] {
		_ = sendHeartbeat(t, g.DeviceWithToken(client.Bearer(forgery.Token)))
		_, _ = g.Customer(client.Bearer(forgery.Token)).SystemInfo(t.Context())
		if parts := strings.Split(forgery.Token, "."); len(parts) == 3 && len(parts[2]) > 20 {
			secrets[fmt.Sprint("forged signature ", i)] = parts[2]
		}
	}

	stored := dumpRedis(t, server)
	require.Contains(t, stored, f.device.ID, "the dump is incomplete")
	sent := received()
	require.Contains(t, sent, f.device.ID, "the record of commands is incomplete")
	require.NoError(t, g.Stop())
	for what, secret := range secrets {
		require.Greater(t, len(secret), 8, what)
		require.NotContains(t, stored, secret, "%s in the store", what)
		require.NotContains(t, sent, secret, "%s was sent to the store", what)
		require.NotContains(t, g.Log.String(), secret, "%s in the log", what)
	}
	for _, private := range []string{"what the device printed", "example.com", "why it failed"} {
		require.NotContains(t, g.Log.String(), private, "the log contains parameters or output")
	}
}

// collectRegistrationSecrets collects activation codes and device secrets, issued with and
// without an Idempotency-Key.
func (f *fleet) collectRegistrationSecrets(t testing.TB, secrets map[string]string) {
	t.Helper()
	secrets["key of a registration"], secrets["key of a code"] = "a-registration-key", "the-key-of-a-code"
	key := client.WithIdempotencyKey(secrets["key of a registration"])
	made, err := f.alice.Provision(t.Context(), client.ProvisionDeviceRequest{Name: "Pump 8"}, key)
	require.NoError(t, err)
	issued, err := f.alice.IssueActivationCode(t.Context(), made.Device.ID, client.WithIdempotencyKey(secrets["key of a code"]))
	require.NoError(t, err)
	registered, err := f.Register(t.Context(), client.RegisterDeviceRequest{ActivationCode: issued.ActivationCode}, key)
	require.NoError(t, err)
	_, err = f.Register(t.Context(), client.RegisterDeviceRequest{ActivationCode: made.ActivationCode})
	requireCode(t, client.CodeInvalidActivationCode, err)
	for what, code := range map[string]string{"replaced code": made.ActivationCode, "used code": issued.ActivationCode} {
		secrets[what] = code
		secrets[what+" without dashes"] = strings.ReplaceAll(code, "-", "")
	}
	secrets["device secret under a key"] = registered.DeviceSecret
}

// collectLoginSecrets collects login tokens of the device and a JWT of a user.
func (f *fleet) collectLoginSecrets(t testing.TB, secrets map[string]string) {
	t.Helper()
	login := f.Login(t, f.device)
	require.NoError(t, sendHeartbeat(t, f.DeviceWithToken(client.Bearer(login))))
	secrets["login"] = login
	secrets["login without its id"] = strings.TrimPrefix(login, "fgd_"+strings.TrimPrefix(f.device.ID, "dev_")+"_")
	token := f.Token(f.tenantID, "vera", "viewer")
	_, err := f.Customer(client.Bearer(token)).SystemInfo(t.Context())
	require.NoError(t, err)
	secrets["JWT"] = token
	for i, part := range strings.Split(token, ".")[1:] {
		secrets[fmt.Sprint("part of the JWT ", i)] = part
	}
	_, err = f.Authenticate(t.Context(), client.AuthenticateDeviceRequest{DeviceID: f.device.ID, DeviceSecret: "a wrong secret of a device"})
	requireCode(t, client.CodeInvalidCredentials, err)
	secrets["wrong secret"] = "a wrong secret of a device"
}

// collectClaimTokens claims and finishes commands, and collects their claim tokens.
func (f *fleet) collectClaimTokens(t testing.TB, secrets map[string]string) {
	t.Helper()
	f.decide(t, f.propose(t, review), true)
	claimed := f.claim(t)
	secrets["claim token"] = claimed.ClaimToken
	_, err := f.device.Extend(t.Context(), claimed.ID, client.ExtendRequest{ClaimToken: claimed.ClaimToken, ExtensionMs: 60_000})
	require.NoError(t, err)
	_, err = f.device.SubmitResult(t.Context(), claimed.ID, client.ResultRequest{
		ClaimToken: claimed.ClaimToken, Status: client.ResultStatusFailed, Output: "what the device printed", Error: "why it failed",
	})
	require.NoError(t, err)
	f.propose(t, auto)
	again, err := f.device.Claim(t.Context(), client.ClaimRequest{}, client.WithIdempotencyKey("the-key-of-a-claim"))
	require.NoError(t, err)
	secrets["key of a claim"] = "the-key-of-a-claim"
	secrets["claim token under a key"] = again[0].ClaimToken
	_, err = f.device.Extend(t.Context(), again[0].ID, client.ExtendRequest{ClaimToken: "a guessed claim token", ExtensionMs: 1000})
	requireCode(t, client.CodeInvalidClaimToken, err)
	secrets["guessed claim token"] = "a guessed claim token"
}

// collectTickets collects the ticket of a socket, and the key of a proposal.
func (f *fleet) collectTickets(t testing.TB, secrets map[string]string) {
	t.Helper()
	ticket, err := f.alice.IssueTicket(t.Context(), "")
	require.NoError(t, err)
	secrets["ticket"] = ticket.Ticket
	secrets["key of a proposal"] = "the-key-of-a-proposal"
	_, err = f.alice.Propose(t.Context(), f.session, client.ProposeCommandRequest{Type: auto}, client.WithIdempotencyKey(secrets["key of a proposal"]))
	require.NoError(t, err)
}

// dumpRedis returns all keys and values of a Redis as text.
func dumpRedis(t testing.TB, server *storetest.Server) string {
	t.Helper()
	db := server.Client(t)
	var all strings.Builder
	keys, err := db.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	for _, key := range keys {
		fmt.Fprintln(&all, key, valueOf(t, db, key))
	}
	return all.String()
}

// monitorCommands records every command that a Redis executes from now on. The function that it
// returns waits until the record is complete, and returns it.
func monitorCommands(t testing.TB, server *storetest.Server) (received func() string) {
	t.Helper()
	conn, err := net.Dial("tcp", "127.0.0.1:"+server.Port)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = conn.Write([]byte("MONITOR\r\n"))
	require.NoError(t, err)
	record := new(storetest.Buffer)
	go func() { _, _ = io.Copy(record, conn) }()
	return func() string {
		require.NoError(t, server.Client(t).Echo(t.Context(), "last command").Err())
		eventually(t, func() bool { return strings.Contains(record.String(), "last command") }, "the record of commands is incomplete")
		return record.String()
	}
}

func valueOf(t testing.TB, db *redis.Client, key string) string {
	t.Helper()
	kind, err := db.Type(t.Context(), key).Result()
	require.NoError(t, err)
	read := map[string]func(ctx context.Context) (any, error){
		"string": func(ctx context.Context) (any, error) { return db.Get(ctx, key).Result() },
		"hash":   func(ctx context.Context) (any, error) { return db.HGetAll(ctx, key).Result() },
		"set":    func(ctx context.Context) (any, error) { return db.SMembers(ctx, key).Result() },
		"list":   func(ctx context.Context) (any, error) { return db.LRange(ctx, key, 0, -1).Result() },
		"zset":   func(ctx context.Context) (any, error) { return db.ZRange(ctx, key, 0, -1).Result() },
		"stream": func(ctx context.Context) (any, error) { return db.XRange(ctx, key, "-", "+").Result() },
		"none":   func(context.Context) (any, error) { return "", nil }, // TYPE returns "none" if the key has expired since KEYS
	}[kind]
	require.NotNil(t, read, "a %s cannot be dumped", kind)
	value, err := read(t.Context())
	require.NoError(t, err)
	text, err := json.Marshal(value)
	require.NoError(t, err)
	return string(text)
}

func TestToken_InQueryIsIgnoredAndNotLogged(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	token := g.Token(gatewaytest.NewTenantID(), "alice", "admin")
	for _, parameter := range []string{"access_token", "token", "authorization"} {
		response := g.Do(t, gatewaytest.Request{Method: "GET", Path: "/api/v1/customer/devices?" + parameter + "=" + token})
		require.Equal(t, 401, response.Status)
		g.Log.AccessLine(t, response.Problem.RequestID)
	}
	response := g.Do(t, gatewaytest.Request{Method: "GET", Path: "/nowhere?access_token=" + token})
	require.Equal(t, 404, response.Status)
	g.Log.AccessLine(t, response.Problem.RequestID)
	require.NotContains(t, g.Log.String(), token)
}

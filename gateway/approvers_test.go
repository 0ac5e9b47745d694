package gateway_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/clients/go/agent"
	"github.com/fieldgate/fieldgate/clients/go/passkeytest"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestApprovers_DeviceRunsWhatTheyHaveSigned runs an agent in the mode approvers. The gateway and its policy
// accept every approval; the device counts those that users of the roster have signed.
func TestApprovers_DeviceRunsWhatTheyHaveSigned(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t, withPasskeys, withSigningKey))
	bob, dave := newPasskey(t, f.bob), passkeytest.New(party, origin)
	first := rosterOf(t, f, 1, 1, map[string][]*passkeytest.Passkey{"bob": {bob}})
	_, err := setRoster(t, f, first.Document(), bob)
	require.NoError(t, err)
	trust := agent.Trust{
		Mode: agent.TrustApprovers, Roster: parsedRoster(t, f), Require: map[string]agent.Requirement{"*": {Approvals: 1}},
	}
	f.startAgent(t, agent.Config{Trust: trust}, func(a *agent.Agent) {
		a.Handle(auto, fixedResult(agent.Result{}, nil))
		a.Handle(review, fixedResult(agent.Result{}, nil))
	})
	f.requireRefused(t, f.propose(t, auto).ID, "and it has 0")
	forged := f.propose(t, review)
	f.decide(t, forged, true)
	f.requireRefused(t, forged.ID, "the vote is not signed with a passkey")
	f.requireRuns(t, f.bob, bob)

	second := rosterOf(t, f, 2, 1, map[string][]*passkeytest.Passkey{"dave": {dave}})
	_, err = setRoster(t, f, second.Document(), bob)
	require.NoError(t, err)
	user := f.User(f.tenantID, "dave", "approver")
	register(t, user, dave)
	f.requireRuns(t, user, dave)
	removed := f.propose(t, review)
	_, err = f.bob.Decide(t.Context(), f.session, signed(t, removed, bob))
	require.NoError(t, err)
	f.requireRefused(t, removed.ID, "not in this version of the roster")
}

// requireRuns approves a command with a passkey, and requires that the device runs it.
func (f *fleet) requireRuns(t testing.TB, user *client.CustomerClient, key *passkeytest.Passkey) {
	t.Helper()
	c := f.propose(t, review)
	_, err := user.Decide(t.Context(), f.session, signed(t, c, key))
	require.NoError(t, err)
	finished := f.awaitFinished(t, c.ID)
	require.Equal(t, client.CommandStatusSucceeded, finished.Status, finished.Result)
}

// requireRefused requires that the device has not run a command.
func (f *fleet) requireRefused(t testing.TB, commandID, why string) {
	t.Helper()
	refused := f.awaitFinished(t, commandID)
	require.Equal(t, client.CommandStatusFailed, refused.Status)
	require.JSONEq(t, `{"code":"receipt_invalid"}`, string(refused.Result.Data))
	require.Contains(t, refused.Result.Error, why)
}

// TestApprovers_CommandChangedInRedisDoesNotRun changes an approved command in Redis, with its digest, before
// the device claims it. A gateway that requires no record key does not notice it; the device does.
func TestApprovers_CommandChangedInRedisDoesNotRun(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	f := newFleet(t, gatewaytest.Start(t, gatewaytest.WithRedis(server.URL()), withPasskeys, withSigningKey))
	bob := newPasskey(t, f.bob)
	_, err := setRoster(t, f, rosterOf(t, f, 1, 1, map[string][]*passkeytest.Passkey{"bob": {bob}}).Document(), bob)
	require.NoError(t, err)
	changed := f.propose(t, review)
	_, err = f.bob.Decide(t.Context(), f.session, signed(t, changed, bob))
	require.NoError(t, err)
	f.changeInRedis(t, server.Client(t), changed)

	hosts := make(chan string, 2)
	trust := agent.Trust{
		Mode: agent.TrustApprovers, Roster: parsedRoster(t, f), Require: map[string]agent.Requirement{"*": {Approvals: 1}},
	}
	f.startAgent(t, agent.Config{Trust: trust}, func(a *agent.Agent) {
		a.Handle(review, func(_ context.Context, c agent.Command) (agent.Result, error) {
			hosts <- string(c.Parameters)
			return agent.Result{}, nil
		})
	})
	f.requireRefused(t, changed.ID, "and it has 0")
	require.Contains(t, string(f.command(t, changed.ID).Parameters), "hostile.com", "the gateway has not noticed the change")
	f.requireRuns(t, f.bob, bob)
	require.JSONEq(t, `{"host":"example.com"}`, <-hosts)
	require.Empty(t, hosts)
}

// macField begins a MAC in the state of a command: its name and the length of its value, in MessagePack.
const macField = "\xa3mac\xbf"

// changeInRedis changes the parameters of a command in its statement, and its digest to that of the statement.
// Its MACs become those of another key, which a gateway accepts unless a record key is required.
func (f *fleet) changeInRedis(t *testing.T, redis *redis.Client, c client.Command) {
	t.Helper()
	key := store.Device{Tenant: onlyTenant(t, redis), ID: f.device.ID}.CommandsKey()
	body, err := redis.HGet(t.Context(), key, c.ID+":body").Result()
	require.NoError(t, err)
	state, err := redis.HGet(t.Context(), key, c.ID).Result()
	require.NoError(t, err)
	hostile := strings.Replace(body, "example.com", "hostile.com", 1)
	require.Contains(t, state, c.Digest)
	state = strings.ReplaceAll(state, c.Digest, fmt.Sprintf("%x", sha256.Sum256([]byte(hostile))))
	_, id, found := strings.Cut(state, macField)
	require.True(t, found)
	state = strings.ReplaceAll(state, macField+id[:8], macField+"00000000")
	require.NoError(t, redis.HSet(t.Context(), key, c.ID+":body", hostile, c.ID, state).Err())
}

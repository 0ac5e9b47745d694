package queue_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/policy"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
	"github.com/fieldgate/fieldgate/tenantpolicy"
)

// admin is the id of a user who changes policies.
const admin = "u-admin"

// newPolicies returns the policies of tenants as an instance knows them that never reads twice what has
// not changed: only a wake-up, or a script, can make it read a policy again.
func newPolicies(s *store.Store) *tenantpolicy.Policies {
	return tenantpolicy.New(tenantpolicy.Config{Store: s, MaxAge: time.Hour, Logger: slog.New(slog.DiscardHandler)})
}

// withPolicies lets the queue of a fixture apply the policies of tenants.
func withPolicies(cfg *queue.Config) { cfg.Tenants = newPolicies(cfg.Store) }

// setPolicy saves rules as the policy of the tenant, on another instance.
func (f *fixture) setPolicy(rules string) {
	f.t.Helper()
	d, err := policy.Parse([]byte(`{"rules":[` + rules + `]}`))
	require.NoError(f.t, err)
	policies := newPolicies(f.store)
	now, err := policies.Get(f.t.Context(), f.device.Tenant)
	require.NoError(f.t, err)
	_, err = policies.Save(f.t.Context(), tenantpolicy.Author{Tenant: f.device.Tenant, UserID: admin, Operator: true}, d, now.Current.Number)
	require.NoError(f.t, err)
}

// wake lets the queue of a fixture know that the policy of its tenant has changed.
func (f *fixture) wake(policies *tenantpolicy.Policies) {
	policies.HandleWake(store.Wake{Tenant: f.device.Tenant, PolicyChanged: true})
}

// TestPropose_NeverUnderEarlierPolicy changes the policy of a tenant without a wake-up that the instance
// would receive.
func TestPropose_NeverUnderEarlierPolicy(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		policies := newPolicies(s)
		f := newFixture(t, s, func(cfg *queue.Config) { cfg.Tenants = policies })
		require.Equal(t, queue.Queued, f.propose(auto).Status)
		f.setPolicy(`{"name":"all","effect":"review"}`)
		c := f.propose(auto)
		require.Equal(t, queue.PendingApproval, c.Status, "proposed under the earlier policy")
		f.setPolicy(`{"name":"none","effect":"deny"}`)
		_, err := f.queue.Propose(t.Context(), f.proposal(auto))
		require.Equal(t, fieldgate.CodeCommandDenied, fieldgate.CodeOf(err))
		f.setPolicy(`{"name":"all","effect":"auto"}`)
		f.wake(policies) // a denial is decided without the script
		require.Equal(t, queue.PendingApproval, f.propose(review).Status, "the floor requires an approval")
	})
}

// TestPropose_StatesRuleThatDecides reads the rule and the version in the statement.
func TestPropose_StatesRuleThatDecides(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, withPolicies)
		f.setPolicy(`{"name":"by programs","proposer":"program","effect":"review"},{"name":"by admins","proposerRoles":["admin"],"types":["diagnostic.*"],"effect":"review"},{"name":"rest","effect":"auto"}`)
		floor := queue.DefaultPolicy.Version()
		for _, c := range []struct {
			commandType, role, rule, version string
			byProgram                        bool
		}{
			{auto, "operator", "by programs", "1", true},
			{auto, "admin", "by admins", "1", false},
			{auto, "operator", "rest", "1", false},
			{review, "operator", "*", floor, false},
			{review, "operator", "by programs", "1", true},
		} {
			command := f.propose(c.commandType, func(p *queue.Proposal) { p.Role, p.ByProgram = c.role, c.byProgram })
			var stated struct {
				Policy   struct{ Rule, Version string }
				Proposer struct{ Role string }
			}
			require.NoError(t, json.Unmarshal(command.Statement, &stated))
			require.Equal(t, c.rule, stated.Policy.Rule)
			require.Equal(t, c.version, stated.Policy.Version)
			require.Equal(t, c.role, stated.Proposer.Role)
			require.Len(t, f.claim(), map[string]int{"rest": 1}[c.rule], "judged by other facts at the claim than at the proposal")
		}
	})
}

func TestClaim_AppliesPolicyOfTenantAsItIsNow(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		policies := newPolicies(s)
		f := newFixture(t, s, func(cfg *queue.Config) { cfg.Tenants = policies })
		taken, approved := f.propose(auto), f.approve(f.propose(review))
		f.setPolicy(`{"name":"all","effect":"review"}`)
		f.wake(policies)
		require.Equal(t, approved.ID, f.claimOne().ID)
		require.Equal(t, queue.PendingApproval, f.get(taken.ID).Status)

		waiting := f.propose(review)
		f.setPolicy(`{"name":"none","effect":"deny"}`)
		f.wake(policies)
		_, err := f.queue.Decide(t.Context(), f.decision(waiting, true))
		require.Equal(t, fieldgate.CodeCommandDenied, fieldgate.CodeOf(err))
		_, err = f.queue.Decide(t.Context(), f.decision(waiting, false))
		require.NoError(t, err)
	})
}

// TestClaim_JudgesByTimeOfClaim lets the window of a rule pass between the proposal and the claim.
func TestClaim_JudgesByTimeOfClaim(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		policies := newPolicies(s)
		f := newFixture(t, s, func(cfg *queue.Config) { cfg.Tenants = policies })
		c := f.propose(auto)
		other := time.Now().UTC().Add(48 * time.Hour).Format("Mon")
		f.setPolicy(`{"name":"on another day","window":{"days":"` + other + `"},"effect":"auto"},{"name":"now","effect":"deny"}`)
		f.wake(policies)
		require.Empty(t, f.claim())
		require.Equal(t, queue.Cancelled, f.get(c.ID).Status)
	})
}

// TestQueue_NothingRunsWhilePolicyIsUnknown damages the policy of a tenant.
func TestQueue_NothingRunsWhilePolicyIsUnknown(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, withPolicies)
		f.propose(auto)
		f.setPolicy(`{"name":"all","effect":"review"}`)
		for _, record := range []string{
			`{"number":"2","document":"{\"rules\":[]}","looser":"null","mac":""}`,
			`{"number":"2","document":"{\"rules\":[{\"name\":\"a\",\"effect\":\"auto\",\"later\":1}]}","looser":"null","mac":"00000000.later"}`,
			`{`,
		} {
			f.do(func(ctx context.Context, c store.Client) error {
				return c.HSet(ctx, store.Tenant(f.device.Tenant).PolicyKey(), "version", "2", "record", record).Err()
			})
			restarted := *f
			restarted.queue = queue.New(queue.Config{Store: s, Logger: slog.New(slog.DiscardHandler), Tenants: tenantpolicy.New(tenantpolicy.Config{
				Store: s, RecordKey: []byte("a key of the operator's own"), RecordKeyRequired: true, Logger: slog.New(slog.DiscardHandler),
			})})
			_, err := restarted.queue.Claim(t.Context(), f.claimRequest())
			require.Error(t, err, record)
			_, err = restarted.queue.Propose(t.Context(), f.proposal(auto))
			require.Error(t, err, record)
		}
	})
}

// TestPropose_RepeatedAfterPolicyHasChanged repeats a proposal with its Idempotency-Key.
func TestPropose_RepeatedAfterPolicyHasChanged(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, withPolicies)
		withKey := func(p *queue.Proposal) { p.IdempotencyKey = "once" }
		first := f.propose(auto, withKey)
		f.setPolicy(`{"name":"all","effect":"review"}`)
		require.Equal(t, first.ID, f.propose(auto, withKey).ID)
	})
}

// TestPropose_DeniedOnlyByTheTagsOfNow changes the tags of a device after this instance has read them.
func TestPropose_DeniedOnlyByTheTagsOfNow(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, withPolicies).described()
		f.setPolicy(`{"name":"production","tags":{"env":"prod"},"effect":"deny"},{"name":"rest","effect":"review"}`)
		_, err := f.queue.Propose(t.Context(), f.proposal(review))
		requireRefusal(t, err, fieldgate.CodeCommandDenied)
		f.describe(2, "tags", `{"env":"test"}`)
		require.Equal(t, "rest", f.propose(review).Rule, "denied by the tags of before")
		f.describe(3, "tags", `{"env":"prod"}`)
		_, err = f.queue.Propose(t.Context(), f.proposal(review))
		requireRefusal(t, err, fieldgate.CodeCommandDenied)
	})
}

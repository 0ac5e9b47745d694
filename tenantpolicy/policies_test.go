package tenantpolicy_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/policy"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
	"github.com/fieldgate/fieldgate/tenantpolicy"
)

// fixture is the policies of one tenant as an instance keeps them.
type fixture struct {
	*tenantpolicy.Policies
	t      *testing.T
	store  *store.Store
	tenant string
}

func newFixture(t *testing.T, s *store.Store, change ...func(*tenantpolicy.Config)) fixture {
	t.Helper()
	cfg := tenantpolicy.Config{Store: s, MaxAge: time.Hour, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&cfg)
	}
	return fixture{Policies: tenantpolicy.New(cfg), t: t, store: s, tenant: storetest.Tenant()}
}

func (f fixture) author(user string) tenantpolicy.Author {
	return tenantpolicy.Author{
		Tenant: f.tenant, UserID: user, Names: fieldgate.Names{Name: "Ann Lee"}, RequestID: "req-1", EarliestCutOff: time.Now(),
	}
}

// document returns a policy with one rule for all commands.
func document(t *testing.T, rule string) policy.Document {
	t.Helper()
	d, err := policy.Parse([]byte(`{"rules":[{"name":"all",` + rule + `}]}`))
	require.NoError(t, err)
	return d
}

func (f fixture) save(user, rule string, replaces int64) tenantpolicy.State {
	f.t.Helper()
	s, err := f.Save(f.t.Context(), f.author(user), document(f.t, rule), replaces)
	require.NoError(f.t, err)
	return s
}

func (f fixture) effect() policy.Effect {
	f.t.Helper()
	view, err := f.Of(f.t.Context(), f.tenant)
	require.NoError(f.t, err)
	return view.Judge(policy.Facts{Type: "a"}).Effect
}

// states returns the events of the policy, as "version state".
func (f fixture) states() (states []string) {
	f.t.Helper()
	require.NoError(f.t, f.store.Do(f.t.Context(), "test", func(ctx context.Context, c store.Client) error {
		entries, err := c.XRange(ctx, store.Tenant(f.tenant).StreamKey(), "-", "+").Result()
		for _, entry := range entries {
			event := store.ParseEvent(entry)
			require.Equal(f.t, "policy.changed", event.Type)
			require.Equal(f.t, "Ann Lee", event.Name)
			states = append(states, event.Data)
		}
		return err
	}))
	return states
}

func TestPolicies_SaveReplacesOnlyVersionThatWasRead(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		require.Equal(t, policy.Auto, f.effect(), "a tenant without a policy requires nothing")
		first := f.save("ann", `"effect":"review"`, 0)
		require.EqualValues(t, 1, first.Current.Number)
		require.Equal(t, "ann", first.Current.By)
		require.WithinDuration(t, time.Now(), first.Current.At, time.Minute)
		require.Equal(t, policy.Review, f.effect())
		for _, replaces := range []int64{0, 2} {
			_, err := f.Save(t.Context(), f.author("bob"), document(t, `"effect":"deny"`), replaces)
			require.Equal(t, fieldgate.CodePolicyConflict, fieldgate.CodeOf(err))
		}
		second := f.save("bob", `"effect":"deny"`, 1)
		require.EqualValues(t, 2, second.Current.Number)
		require.Nil(t, second.Pending)
		require.Equal(t, policy.Deny, f.effect())
		require.Equal(t, []string{`{"state":"current","version":"1"}`, `{"state":"current","version":"2"}`}, sorted(f.states()))
	})
}

// sorted returns the data of events with their members in one order.
func sorted(data []string) []string {
	for i, d := range data {
		var version, state string
		if _, err := fmt.Sscanf(d, `{"version":%q,"state":%q}`, &version, &state); err == nil {
			data[i] = fmt.Sprintf(`{"state":%q,"version":%q}`, state, version)
		}
	}
	return data
}

func TestPolicies_OneOfSeveralAuthorsAtOnceReplacesVersion(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		var saved atomic.Int64
		var authors sync.WaitGroup
		for i := range 8 {
			authors.Go(func() {
				_, err := f.Save(t.Context(), f.author(fmt.Sprint("u-", i)), document(t, `"effect":"deny"`), 0)
				if err == nil {
					saved.Add(1)
				}
			})
		}
		authors.Wait()
		require.EqualValues(t, 1, saved.Load())
	})
}

// TestPolicies_ApprovalMeanwhileIsNotReplaced approves a change after an author has read the policy and before the
// author saves: the number of the new version is free then, and the version that it replaces is another one.
func TestPolicies_ApprovalMeanwhileIsNotReplaced(t *testing.T) {
	t.Parallel()
	var f fixture
	var meanwhile atomic.Pointer[func()]
	f = newFixture(t, storetest.Connect(t, store.Config{Observe: func(name string, _ time.Duration, _ error) {
		if name != "read_policy" {
			return
		}
		if act := meanwhile.Swap(nil); act != nil {
			(*act)()
		}
	}}))
	f.save("ann", `"effect":"deny"`, 0)
	f.save("ann", `"effect":"review"`, 1)
	approve := func() {
		_, err := f.Decide(t.Context(), f.author("bob"), 2, true)
		assert.NoError(t, err)
	}
	meanwhile.Store(&approve)
	_, err := f.Save(t.Context(), f.author("carol"), document(t, `"effect":"deny"`), 1)
	require.Equal(t, fieldgate.CodePolicyConflict, fieldgate.CodeOf(err))
	require.Nil(t, meanwhile.Load(), "the change was approved meanwhile")
	require.Equal(t, policy.Review, f.effect())
}

func TestPolicies_ChangeThatLoosensWaitsForAnotherAdmin(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.save("ann", `"effect":"deny"`, 0)
		waits := f.save("ann", `"effect":"review"`, 1)
		require.EqualValues(t, 1, waits.Current.Number)
		require.EqualValues(t, 2, waits.Pending.Number)
		require.Equal(t, []string{"all"}, waits.Pending.Loosens)
		require.Equal(t, policy.Deny, f.effect())

		_, err := f.Decide(t.Context(), f.author("ann"), 2, true)
		require.Equal(t, fieldgate.CodeSelfApproval, fieldgate.CodeOf(err))
		_, err = f.Decide(t.Context(), f.author("bob"), 3, true)
		require.Equal(t, fieldgate.CodePolicyConflict, fieldgate.CodeOf(err), "bob has seen another change")
		require.Equal(t, policy.Deny, f.effect())

		approved, err := f.Decide(t.Context(), f.author("bob"), 2, true)
		require.NoError(t, err)
		require.EqualValues(t, 2, approved.Current.Number)
		require.Equal(t, "ann", approved.Current.By)
		require.Equal(t, "bob", approved.Current.ApprovedBy)
		require.Nil(t, approved.Pending)
		require.Equal(t, policy.Review, f.effect())
		_, err = f.Decide(t.Context(), f.author("bob"), 2, true)
		require.Equal(t, fieldgate.CodePolicyConflict, fieldgate.CodeOf(err))
	})
}

func TestPolicies_RejectedChangeNeverApplies(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for _, by := range []string{"ann", "bob"} {
			f := newFixture(t, s)
			f.save("ann", `"effect":"deny"`, 0)
			f.save("ann", `"effect":"auto"`, 1)
			rejected, err := f.Decide(t.Context(), f.author(by), 2, false)
			require.NoError(t, err)
			require.Nil(t, rejected.Pending)
			require.Equal(t, policy.Deny, f.effect())
			require.EqualValues(t, 3, f.save("ann", `"effect":"auto"`, 1).Pending.Number, "a number is used once")
		}
	})
}

func TestPolicies_StricterChangeDiscardsOneThatWaits(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.save("ann", `"effect":"review"`, 0)
		f.save("ann", `"effect":"auto"`, 1)
		require.Nil(t, f.save("bob", `"effect":"deny"`, 1).Pending)
		_, err := f.Decide(t.Context(), f.author("bob"), 2, true)
		require.Equal(t, fieldgate.CodePolicyConflict, fieldgate.CodeOf(err))
		require.Equal(t, policy.Deny, f.effect())
	})
}

func TestPolicies_SoleUserAndOperatorNeedNoOtherAdmin(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for _, set := range []func(*tenantpolicy.Author){
			func(a *tenantpolicy.Author) { a.SoleUser = true },
			func(a *tenantpolicy.Author) { a.Operator = true },
		} {
			f := newFixture(t, s)
			f.save("ann", `"effect":"deny"`, 0)
			by := f.author("ann")
			set(&by)
			saved, err := f.Save(t.Context(), by, document(t, `"effect":"auto"`), 1)
			require.NoError(t, err)
			require.Nil(t, saved.Pending)
			require.Equal(t, []string{"all"}, saved.Current.Loosens)
		}
	})
}

func TestPolicies_SaveNamesFaultyRule(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Connect(t, store.Config{}))
	_, err := f.Save(t.Context(), f.author("ann"), document(t, `"effect":"allow"`), 0)
	require.Equal(t, fieldgate.CodeValidationFailed, fieldgate.CodeOf(err))
	var refused *fieldgate.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "/rules/0/effect", refused.Fields[0].Pointer)
}

// TestPolicies_ChangeReachesOtherInstance requires it for each way in which an instance finds out.
func TestPolicies_ChangeReachesOtherInstance(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for name, c := range map[string]struct {
			wake  func(tenant string) store.Wake
			later time.Duration
		}{
			"wake-up":              {wake: func(tenant string) store.Wake { return store.Wake{Tenant: tenant, PolicyChanged: true} }},
			"wake-ups may be lost": {wake: func(string) store.Wake { return store.Wake{} }},
			"age":                  {wake: func(string) store.Wake { return store.Wake{Ready: true} }, later: time.Second},
		} {
			var now atomic.Int64
			here := newFixture(t, s)
			there := newFixture(t, s, func(cfg *tenantpolicy.Config) {
				cfg.MaxAge, cfg.Now = 0, func() time.Time { return time.UnixMilli(now.Load()) }
			})
			there.tenant = here.tenant
			require.Equal(t, policy.Auto, there.effect())
			here.save("ann", `"effect":"deny"`, 0)
			require.Equal(t, policy.Auto, there.effect(), "the copy is recent, so that it is not read again")
			there.HandleWake(c.wake(here.tenant))
			now.Add(c.later.Milliseconds())
			require.Equal(t, policy.Deny, there.effect(), name)
		}
	})
}

func TestPolicies_UnknownWhileStoreIsDown(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	s := storetest.Connect(t, store.Config{URL: server.URL(), Logger: slog.New(slog.DiscardHandler), Timeout: 200 * time.Millisecond})
	f := newFixture(t, s)
	f.save("ann", `"effect":"deny"`, 0)
	require.Equal(t, policy.Deny, f.effect())
	server.Kill()
	f.HandleWake(store.Wake{})
	_, err := f.Of(t.Context(), f.tenant)
	require.Equal(t, fieldgate.CodeStoreUnavailable, fieldgate.CodeOf(err))
}

// TestPolicies_CallersAtOnceWaitForOneTimeoutOfStore stops Redis. A caller that waited for a failed read,
// and then read for itself, would wait for one timeout for each caller before it.
func TestPolicies_CallersAtOnceWaitForOneTimeoutOfStore(t *testing.T) {
	t.Parallel()
	const callers, timeout = 20, 500 * time.Millisecond
	server := storetest.Start(t)
	s := storetest.Connect(t, store.Config{URL: server.URL(), Logger: slog.New(slog.DiscardHandler), Timeout: timeout})
	f := newFixture(t, s)
	server.Signal(t, syscall.SIGSTOP)
	defer server.Signal(t, syscall.SIGCONT)

	began := time.Now()
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			_, err := f.Of(t.Context(), f.tenant)
			assert.Equal(t, fieldgate.CodeStoreUnavailable, fieldgate.CodeOf(err))
		})
	}
	all.Wait()
	require.Less(t, time.Since(began), callers/2*timeout)
}

func TestPolicies_VersionsNewestFirst(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		for i := range int64(tenantpolicy.KeptVersions + 5) {
			f.save("ann", `"effect":"deny"`, i)
		}
		var numbers []int64
		for cursor := ""; ; {
			list, next, err := f.Versions(t.Context(), f.tenant, store.Page{Limit: 30, Cursor: cursor})
			require.NoError(t, err)
			require.LessOrEqual(t, len(list), 30)
			for _, v := range list {
				numbers = append(numbers, v.Number)
			}
			if cursor = next; cursor == "" {
				break
			}
		}
		require.Len(t, numbers, tenantpolicy.KeptVersions)
		require.EqualValues(t, tenantpolicy.KeptVersions+5, numbers[0])
		require.EqualValues(t, 6, numbers[len(numbers)-1])
		_, _, err := f.Versions(t.Context(), f.tenant, store.Page{Limit: 1, Cursor: store.CursorAfter("x")})
		require.Equal(t, fieldgate.CodeValidationFailed, fieldgate.CodeOf(err))
	})
}

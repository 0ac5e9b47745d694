package tenantpolicy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/policy"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
	"github.com/fieldgate/fieldgate/tenantpolicy"
)

// under returns the policies of the same tenant on an instance that starts with another record key.
func (f fixture) under(key string, required bool) fixture {
	restarted := newFixture(f.t, f.store, func(cfg *tenantpolicy.Config) { cfg.RecordKey, cfg.RecordKeyRequired = []byte(key), required })
	restarted.tenant = f.tenant
	return restarted
}

// TestPolicies_SurviveAnotherRecordKey replaces the key as operations.md describes it.
func TestPolicies_SurviveAnotherRecordKey(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, withKey)
		f.save("ann", `"effect":"deny"`, 0)
		f.save("ann", `"effect":"review"`, 1)

		const key = "the key that replaces the first"
		_, err := f.under(key, true).Of(t.Context(), f.tenant)
		require.Error(t, err)
		adopted, err := f.under(key, true).Adopt(t.Context(), f.tenant)
		require.NoError(t, err)
		require.Zero(t, adopted, "an instance that requires its key gives no MACs to others")

		between := f.under(key, false)
		require.Equal(t, policy.Deny, between.effect())
		adopted, err = between.Adopt(t.Context(), f.tenant)
		require.NoError(t, err)
		require.Equal(t, 3, adopted, "the version that applies, its copy among the versions, and the change")
		adopted, err = between.Adopt(t.Context(), f.tenant)
		require.NoError(t, err)
		require.Zero(t, adopted)

		after := f.under(key, true)
		require.Equal(t, policy.Deny, after.effect())
		_, err = after.Decide(t.Context(), after.author("bob"), 2, true)
		require.NoError(t, err)
		require.Equal(t, policy.Review, after.effect())
		versions, _, err := after.Versions(t.Context(), f.tenant, store.Page{Limit: 10})
		require.NoError(t, err)
		require.Len(t, versions, 2)
	})
}

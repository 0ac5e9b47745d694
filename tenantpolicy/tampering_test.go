package tenantpolicy_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/policy"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
	"github.com/fieldgate/fieldgate/tenantpolicy"
)

// withKey sets a record key that a writer of the store does not have.
func withKey(cfg *tenantpolicy.Config) {
	cfg.RecordKey, cfg.RecordKeyRequired = []byte("a key of the operator's own"), true
}

// field returns a field of the policy as the store has it.
func (f fixture) field(name string) (value string) {
	f.t.Helper()
	require.NoError(f.t, f.store.Do(f.t.Context(), "test", func(ctx context.Context, c store.Client) (err error) {
		value, err = c.HGet(ctx, store.Tenant(f.tenant).PolicyKey(), name).Result()
		return err
	}))
	return value
}

// overwrite writes a field of the policy as a writer of the store does.
func (f fixture) overwrite(name, value string) {
	f.t.Helper()
	require.NoError(f.t, f.store.Do(f.t.Context(), "test", func(ctx context.Context, c store.Client) error {
		return c.HSet(ctx, store.Tenant(f.tenant).PolicyKey(), name, value).Err()
	}))
}

// requireRefused requires that an instance which has just started does not use the policy.
func (f fixture) requireRefused(why string) {
	f.t.Helper()
	restarted := newFixture(f.t, f.store, withKey)
	_, err := restarted.Of(f.t.Context(), f.tenant)
	require.Error(f.t, err, why)
	_, err = restarted.Get(f.t.Context(), f.tenant)
	require.Error(f.t, err, why)
}

// TestPolicies_ChangedInStoreIsRefused writes a policy as an attacker who does not have the key.
func TestPolicies_ChangedInStoreIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f, other := newFixture(t, s, withKey), newFixture(t, s, withKey)
		f.save("ann", `"effect":"deny"`, 0)
		other.save("ann", `"effect":"auto"`, 0)
		f.save("ann", `"effect":"review"`, 1)
		_, err := f.Decide(t.Context(), f.author("bob"), 2, true)
		require.NoError(t, err)
		f.save("ann", `"effect":"auto"`, 2)
		good := f.field("record")
		replaced := func(old, new string) string {
			require.Contains(t, good, old)
			return strings.Replace(good, old, new, 1)
		}
		for name, record := range map[string]string{
			"without a MAC":               `{"number":"2","document":"{\"rules\":[]}","looser":"null"}`,
			"with that of an earlier key": `{"number":"2","document":"{\"rules\":[]}","looser":"null","mac":"00000000.AAAA"}`,
			"of another tenant":           other.field("record"),
			"a change that waits":         f.field("pending"),
			"another effect":              replaced(`review`, `auto`),
			"another number":              replaced(`"number":"2"`, `"number":"9"`),
			"another author":              replaced(`user:ann`, `user:eve`),
			"another approver":            replaced(`user:bob`, `user:eve`),
			"empty":                       "",
		} {
			f.overwrite("record", record)
			if name != "empty" { // the admins see no policy then
				f.requireRefused(name)
			}
			_, err := newFixture(t, s, withKey).Of(t.Context(), f.tenant)
			require.Error(t, err, name)
		}
		f.overwrite("record", good)
		require.Equal(t, policy.Review, f.effect())
	})
}

// TestPolicies_ForgedChangeIsNotApproved rewrites the change that waits, so that an admin approves another one than
// the author has written. The policy that applies stays in use.
func TestPolicies_ForgedChangeIsNotApproved(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, withKey)
		f.save("ann", `"effect":"deny"`, 0)
		f.save("ann", `"effect":"review"`, 1)
		waiting := f.field("pending")
		for name, forged := range map[string]string{
			"another effect":         strings.Replace(waiting, "review", "auto", 1),
			"another author":         strings.Replace(waiting, "user:ann", "user:eve", 1),
			"rules not named":        strings.Replace(waiting, `[\"all\"]`, `[]`, 1),
			"a version that applied": f.field("record"),
		} {
			require.NotEqual(t, waiting, forged, name)
			f.overwrite("pending", forged)
			_, err := f.Decide(t.Context(), f.author("bob"), 2, true)
			require.ErrorContains(t, err, "was changed in the store", name)
			restarted := newFixture(t, s, withKey)
			restarted.tenant = f.tenant
			require.Equal(t, policy.Deny, restarted.effect(), name)
		}
		f.overwrite("pending", strings.Replace(waiting, "review", "auto", 1))
		rejected, err := f.Decide(t.Context(), f.author("bob"), 2, false)
		require.NoError(t, err, "a forged change can be rejected")
		require.Nil(t, rejected.Pending)
	})
}

// TestPolicies_ForgedVersionIsNotListed rewrites a version that has applied.
func TestPolicies_ForgedVersionIsNotListed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t), withKey)
	f.save("ann", `"effect":"review"`, 0)
	f.save("ann", `"effect":"deny"`, 1)
	require.NoError(t, f.store.Do(t.Context(), "test", func(ctx context.Context, c store.Client) error {
		return c.HSet(ctx, store.Tenant(f.tenant).PolicyVersionsKey(), "1", strings.Replace(f.field("record"), `"2"`, `"1"`, 1)).Err()
	}))
	_, _, err := f.Versions(t.Context(), f.tenant, store.Page{Limit: 10})
	require.ErrorContains(t, err, "was changed in the store")
}

// TestPolicies_EarlierVersionRaisesAlarm puts an earlier version back, with its MAC. An instance that knows the
// later one cannot tell this from a backup that was restored, and says so in its log.
func TestPolicies_EarlierVersionRaisesAlarm(t *testing.T) {
	t.Parallel()
	log := new(bytes.Buffer)
	f := newFixture(t, storetest.Redis(t), withKey, func(cfg *tenantpolicy.Config) { cfg.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	f.save("ann", `"effect":"review"`, 0)
	earlier := f.field("record")
	f.save("ann", `"effect":"deny"`, 1)
	require.Equal(t, policy.Deny, f.effect())
	require.Empty(t, log.String())
	f.overwrite("record", earlier)
	f.overwrite("version", "1")
	f.Expire(f.tenant)
	require.Equal(t, policy.Review, f.effect())
	require.Contains(t, log.String(), "found an earlier version of a policy")
}

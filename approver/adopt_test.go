package approver_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/approver"
	"github.com/fieldgate/fieldgate/clients/go/passkeytest"
	"github.com/fieldgate/fieldgate/passkey"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// fixture is the passkeys and the rosters of an instance.
type fixture struct {
	*approver.Passkeys
	rosters *approver.Rosters
}

func newFixture(s *store.Store, key string, required bool) fixture {
	cfg := approver.Config{
		Store: s, RelyingParty: passkey.RelyingParty{ID: party, Origins: []string{origin}}, RecordKey: []byte(key), RecordKeyRequired: required,
	}
	return fixture{approver.NewPasskeys(cfg), approver.NewRosters(cfg)}
}

// TestApprovers_SurviveAnotherRecordKey replaces the key as operations.md describes it.
func TestApprovers_SurviveAnotherRecordKey(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		by := approver.User{Tenant: storetest.Tenant(), UserID: "ann", RequestID: "req-1", EarliestCutOff: time.Now()}
		f, key := newFixture(s, "the first key", true), passkeytest.New(party, origin)
		options, err := f.Options(t.Context(), by)
		require.NoError(t, err)
		made := key.Register(options.Challenge)
		_, err = f.Register(t.Context(), by, "key ring", passkey.Registration{
			CredentialID: made.ID, ClientDataJSON: made.Response.ClientDataJSON, AttestationObject: made.Response.AttestationObject,
		})
		require.NoError(t, err)
		for number := range 2 {
			r := passkeytest.Roster{Tenant: by.Tenant, Version: number + 1, Threshold: 1, Users: map[string][]*passkeytest.Passkey{"ann": {key}}}
			_, err = f.rosters.Save(t.Context(), by, padded(t, r, key, 1))
			require.NoError(t, err)
		}
		read := func(f fixture) (passkeys int, err error) {
			list, _, err := f.List(t.Context(), by.Tenant, by.UserID, store.Page{Limit: 10})
			require.NoError(t, err)
			_, err = f.rosters.Get(t.Context(), by.Tenant)
			return len(list), err
		}
		adopt := func(f fixture) (passkeys, versions int) {
			passkeys, err := f.Adopt(t.Context(), by.Tenant)
			require.NoError(t, err)
			versions, err = f.rosters.Adopt(t.Context(), by.Tenant)
			require.NoError(t, err)
			return passkeys, versions
		}

		after, between := newFixture(s, "the second key", true), newFixture(s, "the second key", false)
		passkeys, versions := adopt(after)
		require.Zero(t, passkeys+versions, "an instance that requires its key gives no MACs to others")
		passkeys, err = read(after)
		require.Zero(t, passkeys)
		require.Error(t, err)
		passkeys, versions = adopt(between)
		require.Equal(t, []int{1, 2}, []int{passkeys, versions})
		passkeys, versions = adopt(between)
		require.Zero(t, passkeys+versions)
		passkeys, err = read(after)
		require.NoError(t, err)
		require.Equal(t, 1, passkeys)
	})
}

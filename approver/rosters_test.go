package approver_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/approver"
	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/clients/go/passkeytest"
	"github.com/fieldgate/fieldgate/passkey"
	"github.com/fieldgate/fieldgate/recordkey"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// These are the relying party of the tests, and the origin of its pages.
const (
	party  = "fleet.example.com"
	origin = "https://fleet.example.com"
)

// TestRosters_StayWithinWhatDevicesRead adds versions with large client data until the gateway refuses one.
func TestRosters_StayWithinWhatDevicesRead(t *testing.T) {
	t.Parallel()
	rosters := approver.NewRosters(approver.Config{Store: storetest.Redis(t)})
	by := approver.User{Tenant: storetest.Tenant(), UserID: "ann", RequestID: "req-1", EarliestCutOff: time.Now()}
	key := passkeytest.New(party, origin)
	const large = 1 << 20
	for number := 1; ; number++ {
		r := passkeytest.Roster{Tenant: by.Tenant, Version: number, Threshold: 1, Users: map[string][]*passkeytest.Passkey{"ann": {key}}}
		versions, err := rosters.Save(t.Context(), by, padded(t, r, key, large))
		if err != nil {
			require.Equal(t, fieldgate.CodeQuotaExceeded, fieldgate.CodeOf(err))
			require.Greater(t, number, 2)
			return
		}
		text, err := json.Marshal(map[string]any{"versions": versions})
		require.NoError(t, err)
		_, err = client.ParseRoster(text)
		require.NoError(t, err, "version %d", number)
	}
}

// padded returns a version whose signature has client data with one more member.
func padded(t *testing.T, r passkeytest.Roster, key *passkeytest.Passkey, size int) (v passkey.Version) {
	t.Helper()
	signed := r.Sign(key)
	sum := sha256.Sum256(r.Document())
	text := strings.Replace(string(key.ClientData(sum[:])), "{", `{"more":"`+strings.Repeat("a", size)+`",`, 1)
	signed.Signatures[0] = key.SignClientData([]byte(text))
	encoded, err := json.Marshal(signed)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(encoded, &v))
	return v
}

// TestRosters_ChangedInTheStoreIsRefused writes to the store as someone who does not have the record key: another
// document, no code, and the version of another tenant.
func TestRosters_ChangedInTheStoreIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f, key := newFixture(s, "a key of the operator's own", true), passkeytest.New(party, origin)
		saved := func(threshold int) (tenant, text string) {
			by := approver.User{Tenant: storetest.Tenant(), UserID: "ann", RequestID: "req-1", EarliestCutOff: time.Now()}
			users := map[string][]*passkeytest.Passkey{"ann": {key}, "bob": {passkeytest.New(party, origin)}}
			_, err := f.rosters.Save(t.Context(), by, padded(t, passkeytest.Roster{Tenant: by.Tenant, Version: 1, Threshold: threshold, Users: users}, key, 1))
			require.NoError(t, err)
			require.NoError(t, s.Do(t.Context(), "test", func(ctx context.Context, c store.Client) (err error) {
				text, err = c.LIndex(ctx, store.Tenant(by.Tenant).RosterKey(), 0).Result()
				return err
			}))
			return by.Tenant, text
		}
		_, other := saved(1)
		for what, change := range map[string]func(text string) string{
			"another document": func(text string) string { return strings.Replace(text, `"document":"e`, `"document":"f`, 1) },
			"no MAC":           func(text string) string { return strings.Replace(text, `"mac":"`, `"was":"`, 1) },
			"another tenant's": func(string) string { return other },
		} {
			tenant, text := saved(1)
			_, err := f.rosters.Get(t.Context(), tenant)
			require.NoError(t, err, what)
			changed := change(text)
			require.NotEqual(t, text, changed, what)
			require.NoError(t, s.Do(t.Context(), "test", func(ctx context.Context, c store.Client) error {
				return c.LSet(ctx, store.Tenant(tenant).RosterKey(), 0, changed).Err()
			}))
			_, err = f.rosters.Get(t.Context(), tenant)
			require.ErrorIs(t, err, recordkey.ErrChanged, what)
		}
	})
}

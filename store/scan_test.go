package store_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestParseKey_TakesKeysApart(t *testing.T) {
	t.Parallel()
	p := store.PartitionOf("c.acme")
	d := store.Device{Tenant: "c.acme", ID: store.NewID(store.KindDevice, p)}
	ses := store.NewID(store.KindSession, p)
	for name, want := range map[string]store.Key{
		d.RecordKey():                       {Kind: "device", ID: d.ID},
		d.CommandsKey():                     {Kind: "device", ID: d.ID, Part: "commands"},
		d.ClaimKey("abc"):                   {Kind: "device", ID: d.ID, Part: "claim:abc"},
		store.SessionKey(ses):               {Kind: "session", ID: ses},
		store.Tenant("c.acme").DevicesKey(): {Kind: "tenant", ID: "c.acme", Part: "devices"},
		p.DueKey():                          {Kind: "due"},
		store.LoginKey(d.ID, "0a"):          {Kind: "login", ID: "0a"},
		store.Tenant("c.acme").DevicesByKey("tag", "site:berlin"): {Kind: "tenant", ID: "c.acme", Part: "devices:tag:site:berlin"},
	} {
		want.Name, want.Partition = name, p
		got, ok := store.ParseKey(name)
		require.True(t, ok, name)
		require.Equal(t, want, got)
	}
	for _, name := range []string{"", "fg:meta", "fg:{00}", "fg:{zz}:due", "other:{00}:due", "fg:{0}:device:x", "fg:{000}:due"} {
		_, ok := store.ParseKey(name)
		require.False(t, ok, name)
	}
}

// TestScan_VisitsEveryKey scans a single server and a Cluster.
func TestScan_VisitsEveryKey(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func() string{
		"single":  func() string { return storetest.Start(t).URL() },
		"cluster": func() string { return storetest.StartCluster(t, 3).URL() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := storetest.Connect(t, store.Config{URL: url()})
			all := populateKeys(t, s)
			size, err := s.Size(t.Context())
			require.NoError(t, err)
			seen := map[string]bool{}
			require.NoError(t, s.Scan(t.Context(), func(_ context.Context, keys []string) error {
				for _, key := range keys {
					seen[key] = true
				}
				return nil
			}))
			require.EqualValues(t, size, len(seen))
			for _, key := range all {
				require.True(t, seen[key], key)
			}
		})
	}
}

// populateKeys writes the indexes of many tenants and returns their keys.
func populateKeys(t *testing.T, s *store.Store) (keys []string) {
	t.Helper()
	for _, d := range populate(t, s, 700, 1) {
		keys = append(keys, store.Tenant(d.Tenant).DevicesKey())
	}
	return keys
}

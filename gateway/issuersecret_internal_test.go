package gateway

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestIssuerSecret_PrefersKeyThatStoreDoesNotHave checks that any key of the operator's own
// protects the kept keys of the issuer.
func TestIssuerSecret_PrefersKeyThatStoreDoesNotHave(t *testing.T) {
	t.Parallel()
	s := storetest.Connect(t, store.Config{})
	secretOf := func(c Config) string { return string((&Gateway{cfg: c, store: s}).issuerSecret()) }
	require.Equal(t, "code", secretOf(Config{CodeKey: "code", RecordKey: "record"}))
	require.Equal(t, "record", secretOf(Config{RecordKey: "record"}))
	require.Equal(t, string(s.HashKey()), secretOf(Config{}))
}

package recordkey_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/recordkey"
)

func TestKey_PartsAreSeparate(t *testing.T) {
	t.Parallel()
	newKey := func(secret string, required bool) recordkey.Key {
		return recordkey.New("records of commands", []byte(secret), required, nil)
	}
	k := newKey("key", true)
	mac := k.MAC("proposal", "ab", "c")
	require.NoError(t, k.Check(mac, "proposal", "ab", "c"))
	for _, parts := range [][]string{{"proposal", "a", "bc"}, {"proposal", "abc"}, {"proposal", "ab", "c", ""}, {"decision", "ab", "c"}} {
		require.ErrorIs(t, k.Check(mac, parts...), recordkey.ErrChanged)
	}
	require.ErrorIs(t, newKey("other", true).Check(mac, "proposal", "ab", "c"), recordkey.ErrChanged)
	require.ErrorIs(t, newKey("other", false).Check(mac, "proposal", "ab", "c"), recordkey.ErrOtherKey)
	require.ErrorIs(t, k.Check("", "proposal", "ab", "c"), recordkey.ErrChanged)
}

// TestKey_OfTheStoreIsNeverRequired takes the secret of the store for that of the operator, who has none.
func TestKey_OfTheStoreIsNeverRequired(t *testing.T) {
	t.Parallel()
	k := recordkey.New("rosters", nil, true, []byte("kept"))
	require.NoError(t, k.Accept(k.MAC("a"), "a"))
	require.ErrorIs(t, k.Accept(k.MAC("a"), "b"), recordkey.ErrChanged)
	require.NoError(t, k.Accept("", "a"))
	require.True(t, k.Adopts(""))
	require.False(t, k.Adopts(k.MAC("a")))
	require.False(t, recordkey.New("rosters", []byte("own"), true, nil).Adopts(k.MAC("a")))
}

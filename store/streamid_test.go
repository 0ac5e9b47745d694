package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
)

func TestStreamID(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"0-0", "1763842504120-3", "18446744073709551615-18446744073709551615"} {
		id, ok := store.ParseStreamID(text)
		require.True(t, ok, text)
		require.Equal(t, text, id.String())
		require.False(t, id.After(id), text)
		require.Equal(t, text[0] == '1' && text[1] == '8', id.IsLast(), text)
	}
	for _, text := range []string{"", "-", "1", "1-", "-1", "1-2-3", "+1-0", "1-*", " 1-0", "18446744073709551616-0"} {
		_, ok := store.ParseStreamID(text)
		require.False(t, ok, "%q", text)
	}
	require.True(t, store.StreamID{Ms: 2}.After(store.StreamID{Ms: 1, Seq: 9}))
	require.True(t, store.StreamID{Ms: 1, Seq: 1}.After(store.StreamID{Ms: 1}))
	require.False(t, store.StreamID{Ms: 1, Seq: 9}.After(store.StreamID{Ms: 2}))
}

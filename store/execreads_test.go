package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestExecReads_MissingKeyHidesNoError reads a missing key before one of another type.
func TestExecReads_MissingKeyHidesNoError(t *testing.T) {
	t.Parallel()
	client := storetest.Start(t).Client(t)
	require.NoError(t, client.RPush(t.Context(), "list", "one").Err())
	read := func(keys []string, tolerated ...string) error {
		pipe := client.Pipeline()
		for _, key := range keys {
			pipe.Get(t.Context(), key)
		}
		return store.ExecReads(t.Context(), pipe, tolerated...)
	}
	require.NoError(t, read([]string{"missing"}))
	require.ErrorContains(t, read([]string{"missing", "list"}), "WRONGTYPE")
	require.NoError(t, read([]string{"missing", "list"}, "WRONGTYPE"))
	require.NoError(t, client.Close())
	require.Error(t, read([]string{"missing"}))
}

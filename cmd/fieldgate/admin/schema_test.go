package admin

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSchema_Raise raises the schema of a store that an earlier version has created.
func TestSchema_Raise(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	meta := func() []any { return i.server.Client(t).HMGet(t.Context(), "fg:meta", "schema", "reader").Val() }
	require.NoError(t, i.server.Client(t).HSet(t.Context(), "fg:meta", "schema", 1, "reader", 1).Err())
	require.Contains(t, i.run("schema", "raise", "--dry-run"), "would be raised")
	require.Equal(t, []any{"1", "1"}, meta())
	require.Contains(t, i.run("schema", "raise"), "raised")
	require.Equal(t, []any{"3", "3"}, meta())
	require.Contains(t, i.run("schema", "raise"), "the store has this schema")
}

// TestSchema_RaiseSetsReader raises the schema of a store whose data is of a later schema than a program
// must know, or of which only the schema was written.
func TestSchema_RaiseSetsReader(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	for before, want := range map[string]string{"2": "3", "3": "3", "4": "4"} {
		require.NoError(t, i.server.Client(t).HSet(t.Context(), "fg:meta", "schema", before, "reader", 1).Err())
		require.Contains(t, i.run("schema", "raise"), "raised")
		require.Equal(t, []any{want, "3"}, i.server.Client(t).HMGet(t.Context(), "fg:meta", "schema", "reader").Val())
		require.Contains(t, i.run("schema", "raise"), "the store has this schema")
	}
}

package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

func TestReply_ReturnsElementsAndZeroValues(t *testing.T) {
	t.Parallel()
	r := store.Reply{"ok", int64(7), "12", nil, []any{"name", "bench", "tags", int64(2), "odd"}, 1.5}
	require.True(t, r.OK())
	for i, want := range []struct {
		text   string
		number int64
	}{{"ok", 0}, {"7", 7}, {"12", 12}, {"", 0}, {"", 0}, {"", 0}, {"", 0}} {
		require.Equal(t, want.text, r.String(i))
		require.Equal(t, want.number, r.Int(i))
	}
	require.Equal(t, "bench", r.List(4).String(1))
	require.Equal(t, map[string]string{"name": "bench", "tags": "2"}, r.Map(4))
	require.Empty(t, r.Map(0))
	require.Nil(t, r.List(99))
}

func TestReply_WithoutCodeIsNotOK(t *testing.T) {
	t.Parallel()
	for _, r := range []store.Reply{nil, {}, {nil}, {int64(1)}, {"session_active"}} {
		require.False(t, r.OK())
	}
	require.Equal(t, fieldgate.CodeSessionActive, store.Reply{"session_active"}.Code())
}

package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

func TestAReplyGivesWhatIsThereAndNothingForWhatIsNot(t *testing.T) {
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

func TestAReplyWithoutACodeIsNotOK(t *testing.T) {
	t.Parallel()
	for _, r := range []store.Reply{nil, {}, {nil}, {int64(1)}, {"session_active"}} {
		require.False(t, r.OK())
	}
	require.Equal(t, fieldgate.CodeSessionActive, store.Reply{"session_active"}.Code())
}

func TestAScopeWritesItsArgumentsInTheOrderOfTheScripts(t *testing.T) {
	t.Parallel()
	s := store.Scope{
		Device: store.Device{Tenant: "c.acme", ID: "dev_1"}, Actor: store.ActorUser("u1"), RequestID: "r1", Retention: time.Minute,
	}
	require.Equal(t, []any{"c.acme", "dev_1", "user:u1", "r1", int64(60_000), "more", 1}, s.Args("more", 1))
	require.Equal(t, "device:dev_1", store.ActorDevice("dev_1"))
}

package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

func TestScope_ArgsAreInOrderOfScripts(t *testing.T) {
	t.Parallel()
	s := store.NewScope(store.Device{Tenant: "c.acme", ID: "dev_1"}, store.ActorUser("u1"), "r1", time.Minute)
	require.Equal(t, []any{"c.acme", "dev_1", "user:u1", "r1", int64(60_000), "more", 1}, s.Args("more", 1))
	require.Equal(t, "device:dev_1", store.ActorDevice("dev_1"))
	named := s.WithNames(fieldgate.Names{Name: "Ann Lee", Email: "ann@example.com"})
	require.Equal(t, "user:u1\nAnn Lee\nann@example.com", named.Args()[2])
	require.Equal(t, "user:u1\n\nann@example.com", s.WithNames(fieldgate.Names{Email: "ann@example.com"}).Args()[2])
}

func TestParseActor(t *testing.T) {
	t.Parallel()
	for actor, want := range map[string][2]string{
		store.ActorUser("u1"):   {"user", "u1"},
		store.ActorUser("a:b"):  {"user", "a:b"},
		store.ActorDevice("d1"): {"device", "d1"},
		store.ActorSystem:       {"system", "system"},
		"":                      {"", ""},
	} {
		kind, id := store.ParseActor(actor)
		require.Equal(t, want, [2]string{kind, id}, "%q", actor)
		require.Equal(t, want[1], store.ActorID(actor), "%q", actor)
	}
}

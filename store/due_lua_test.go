package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// dueScript adds a member to the due index and returns the member.
var dueScript = newScript(`
--@include store/device
--@include store/due
--@include store/reply
local device, kind, id = device_at(1, 1), ARGV[6], ARGV[7]
set_due(device, kind, id, 5000)
return ok(due_member(device, kind, id), read_due(device, kind, id))`)

// TestDueMember_LuaAndGoAgree checks that Go parses the members that scripts write to the
// due index.
func TestDueMember_LuaAndGoAgree(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := deviceOf(storetest.Tenant())
		p := store.PartitionOf(d.Tenant)
		for kind, id := range map[string]string{
			"command":  store.NewID(store.KindCommand, p),
			"session":  store.NewID(store.KindSession, p),
			"presence": d.ID,
		} {
			scope := store.Scope{Device: d, Actor: store.ActorSystem, Retention: time.Hour}
			reply, err := s.Run(t.Context(), dueScript, d.Keys(), scope.Args(kind, id)...)
			require.NoError(t, err)
			want := store.Due{Kind: kind, ID: id, Device: d}
			require.Equal(t, store.DueMember(want), reply.String(2))
			require.Equal(t, "5000", reply.String(3))
			got, ok := store.ParseDue(p, reply.String(2))
			require.True(t, ok)
			require.Equal(t, want, got)
		}
	})
}

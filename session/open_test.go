package session_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestASessionIsOpenedAsItWasAskedFor(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		opened := b.open()
		require.True(b.t, store.OwnsID(b.device.Tenant, store.KindSession, opened.ID))
		require.WithinDuration(b.t, time.Now(), opened.CreatedAt, 5*time.Second)
		require.Equal(b.t, session.Session{
			ID: opened.ID, Tenant: b.device.Tenant, DeviceID: b.device.ID, Type: "diagnostic", Status: session.Active,
			Description: "It is slow.", CreatedBy: "u1",
			CreatedAt: opened.CreatedAt, ExpiresAt: opened.CreatedAt.Add(time.Hour),
		}, opened)
		require.Equal(b.t, opened, b.get(opened.ID))
	})
}

func TestWhatPeopleWriteIsKeptAsItIs(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		const text = "a \"quoted\" ': {{}} \\ \n\t\x00 line, ünïcode 🔧"
		opened := b.open(func(o *session.OpenRequest) { o.Description, o.IdempotencyKey = text, "key" })
		require.Equal(b.t, text, opened.Description)
		require.Equal(b.t, text, b.get(opened.ID).Description)
		again := b.open(func(o *session.OpenRequest) { o.Description, o.IdempotencyKey = text, "key" })
		require.Equal(b.t, opened, again)
	})
}

func TestADeviceHasOneActiveSession(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		first := b.open()
		_, err := b.sessions.Open(b.t.Context(), b.opening())
		requireCode(b.t, fieldgate.CodeSessionActive, err)
		var refusal *fieldgate.Error
		require.ErrorAs(b.t, err, &refusal)
		require.Equal(b.t, first.ID, refusal.SessionID)

		other := b.newDevice(b.device.Tenant)
		b.open(func(o *session.OpenRequest) { o.DeviceID = other.ID })
		b.close(first.ID)
		require.NotEqual(b.t, first.ID, b.open().ID)
	})
}

func TestOneOfFiftyOpeningsAtOnceWins(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		ids, standing := make([]string, 50), make([]string, 50)
		var people sync.WaitGroup
		for i := range ids {
			people.Go(func() {
				s, err := b.sessions.Open(b.t.Context(), b.opening())
				ids[i] = s.ID
				var refusal *fieldgate.Error
				if errors.As(err, &refusal) && refusal.Code == fieldgate.CodeSessionActive {
					standing[i] = refusal.SessionID
				}
			})
		}
		people.Wait()
		won := ""
		for i := range ids {
			if ids[i] != "" {
				require.Empty(b.t, won, "two have won")
				won = ids[i]
			}
		}
		for i := range ids {
			require.Contains(b.t, []string{ids[i], standing[i]}, won)
		}
		list, _, err := b.sessions.List(b.t.Context(), b.device.Tenant, session.Filter{}, store.Page{Limit: 50})
		require.NoError(b.t, err)
		require.Len(b.t, list, 1)
	})
}

func TestOnlyAnActiveDeviceGetsASession(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		for _, status := range []string{"provisioned", "suspended", "decommissioned", ""} {
			b.setStatus(b.device, status)
			_, err := b.sessions.Open(b.t.Context(), b.opening())
			requireCode(b.t, fieldgate.CodeDeviceNotActive, err)
		}
		b.setStatus(b.device, "active")
		b.open()
	})
}

// Another tenant's device is not told from one that does not exist.
func TestAnotherTenantsDeviceAnswersAsAMissingOne(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		answers := map[error]bool{}
		ids := b.strangers(store.KindDevice)
		ids["of another tenant"] = b.newDevice(storetest.Tenant()).ID
		ids["of another tenant in the same partition"] = b.newDevice(neighbour(b.device.Tenant)).ID
		for name, id := range ids {
			o := b.opening()
			o.DeviceID = id
			_, err := b.sessions.Open(b.t.Context(), o)
			require.Equal(b.t, fieldgate.CodeDeviceNotFound, fieldgate.CodeOf(err), name)
			answers[err] = true
		}
		require.Len(b.t, answers, 1)
	})
}

// neighbour is another tenant in the same partition.
func neighbour(tenant string) string {
	for {
		if other := storetest.Tenant(); store.PartitionOf(other) == store.PartitionOf(tenant) {
			return other
		}
	}
}

func TestAnOpeningMayBeSentAgain(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		withKey := func(o *session.OpenRequest) { o.IdempotencyKey = "key-1" }
		first := b.open(withKey)
		require.Equal(b.t, first, b.open(withKey))
		require.Equal(b.t, []string{"session.opened"}, typesOf(b.events(first.ID)))

		b.close(first.ID)
		require.Equal(b.t, first, b.open(withKey), "the first answer, whatever became of it")
		require.NotEqual(b.t, first.ID, b.open().ID)
	})
}

func TestAKeyBelongsToOneRequestOfOneTenant(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		withKey := func(o *session.OpenRequest) { o.IdempotencyKey = "key-1" }
		first := b.open(withKey)
		for name, change := range map[string]func(*session.OpenRequest){
			"device":      func(o *session.OpenRequest) { o.DeviceID = b.newDevice(b.device.Tenant).ID },
			"type":        func(o *session.OpenRequest) { o.Type = "remediation" },
			"description": func(o *session.OpenRequest) { o.Description += "!" },
			"length":      func(o *session.OpenRequest) { o.Lasts++ },
		} {
			o := b.opening()
			withKey(&o)
			change(&o)
			_, err := b.sessions.Open(b.t.Context(), o)
			require.Equal(b.t, fieldgate.CodeIdempotencyKeyReused, fieldgate.CodeOf(err), name)
		}
		other := newBench(b.t, b.store)
		require.NotEqual(b.t, first.ID, other.open(withKey).ID)
	})
}

func TestTheSameOpeningTwentyTimesAtOnceIsOneSession(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		sessions := make([]session.Session, 20)
		var people sync.WaitGroup
		for i := range sessions {
			people.Go(func() {
				o := b.opening()
				o.IdempotencyKey = "key-1"
				sessions[i], _ = b.sessions.Open(b.t.Context(), o)
			})
		}
		people.Wait()
		for _, s := range sessions {
			require.NotEmpty(b.t, s.ID)
			require.Equal(b.t, sessions[0], s)
		}
	})
}

// Nobody has to wait for a sweeper.
func TestASessionInTheWayThatIsOverIsEndedByTheNextOpening(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		old := b.open()
		waiting := b.propose(old.ID, "diagnostic.ping")
		b.expire(old.ID)

		next := b.open()
		require.NotEqual(b.t, old.ID, next.ID)
		require.Equal(b.t, session.Active, b.get(next.ID).Status)
		require.Equal(b.t, session.Expired, b.get(old.ID).Status)
		require.Equal(b.t, queue.Expired, b.command(waiting.ID).Status)
		require.Equal(b.t, []string{"session.opened", "command.proposed", "command.expired", "session.expired"}, typesOf(b.events(old.ID)))
	})
}

// Whatever happened to the record of a session, its device is not blocked for good.
func TestASessionWhoseRecordIsLostDoesNotBlockItsDevice(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		old := b.open()
		b.expire(old.ID)
		b.do(func(ctx context.Context, c store.Client) error { return c.Del(ctx, store.SessionKey(old.ID)).Err() })
		b.open()
		_, err := b.sessions.Get(b.t.Context(), b.device.Tenant, old.ID)
		requireCode(b.t, fieldgate.CodeSessionNotFound, err)
	})
}

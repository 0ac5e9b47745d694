package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestSweeper_AppliesDeadlines(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, approveWithin(time.Millisecond))
		f.propose(auto, maxAttempts(1))
		f.propose(auto, maxAttempts(2))
		leases := f.claim(limit(2), shortLease)
		undelivered := f.propose(auto, deliverWithin(time.Millisecond))
		undecided := f.propose(review)

		f.settleUntil(leases[0].ID, queue.TimedOut)
		f.settleUntil(leases[1].ID, queue.Queued)
		require.Equal(t, 1, f.get(leases[1].ID).Attempt)
		f.settleUntil(undelivered.ID, queue.Expired)
		f.settleUntil(undecided.ID, queue.Expired)
		for id, want := range map[string][]string{
			leases[0].ID:   {"proposed", "claimed", "timed_out"},
			leases[1].ID:   {"proposed", "claimed", "requeued"},
			undelivered.ID: {"proposed", "expired"},
			undecided.ID:   {"proposed", "expired"},
		} {
			require.Equal(t, want, f.eventTypes(id))
		}
		require.Empty(t, f.pending())
	})
}

func (f *fixture) pending() []queue.Command {
	f.t.Helper()
	pending, _, err := f.queue.Pending(f.t.Context(), f.device.Tenant, store.Page{Limit: 50})
	require.NoError(f.t, err)
	return pending
}

func TestDeadline_AppliesWithoutSweeper(t *testing.T) {
	t.Parallel()
	// Each call ends an expired lease before it does anything else.
	calls := map[string]struct {
		call func(f *fixture, l queue.Lease)
		want queue.Status
	}{
		"claim":        {func(f *fixture, l queue.Lease) { require.Equal(f.t, 2, f.claimOne().Attempt) }, queue.Claimed},
		"extend":       {func(f *fixture, l queue.Lease) { require.Error(f.t, f.deviceCalls(l)["extend"]()) }, queue.Queued},
		"release":      {func(f *fixture, l queue.Lease) { require.Error(f.t, f.deviceCalls(l)["release"]()) }, queue.Queued},
		"submitResult": {func(f *fixture, l queue.Lease) { require.True(f.t, f.submitResult(l, queue.Succeeded).Late) }, queue.Succeeded},
		"cancel":       {func(f *fixture, l queue.Lease) { require.Zero(f.t, f.cancel(l.Command).VisibleUntil) }, queue.Cancelled},
	}
	for name, tt := range calls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachIsolated(t, func(t *testing.T, s *store.Store) {
				f := newFixture(t, s)
				f.propose(auto)
				lease := f.claimOne(shortLease)
				f.waitUntilAfter(lease.VisibleUntil)
				require.Equal(t, queue.Claimed, f.get(lease.ID).Status)
				tt.call(f, lease)
				require.Equal(t, tt.want, f.get(lease.ID).Status)
				require.Equal(t, "requeued", f.eventTypes(lease.ID)[2])
			})
		})
	}
}

func TestClaim_SettlesLeasesOfDevice(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto, maxAttempts(1))
		f.propose(auto)
		f.propose(auto)
		leases := f.claim(limit(3), shortLease)
		for _, l := range leases {
			f.waitUntilAfter(l.VisibleUntil)
		}
		require.Equal(t, ids(leases[1:2]), ids(f.claim()))
		require.Equal(t, queue.TimedOut, f.get(leases[0].ID).Status)
		require.Equal(t, queue.Queued, f.get(leases[2].ID).Status)
	})
}

func TestClaim_SkipsCommandPastDeliveryDeadline(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		late := f.propose(auto, priority(9), deliverWithin(time.Millisecond))
		good := f.propose(auto)
		f.waitUntilAfter(late.DeliverBy)
		require.Equal(t, []string{good.ID}, ids(f.claim(limit(2))))
		require.Equal(t, queue.Expired, f.get(late.ID).Status)
	})
}

func TestLease_ExpiredAfterDeliveryDeadlineIsNotRequeued(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		lease := f.claimOne()
		f.editState(lease.ID, func(state map[string]any) { state["deliver_by"] = 1 })
		f.expireLease(lease)
		f.settleUntil(lease.ID, queue.Expired)
		require.Equal(t, []string{"proposed", "claimed", "requeued", "expired"}, f.eventTypes(lease.ID))
		require.True(t, f.submitResult(lease, queue.Succeeded).Late)
	})
}

func TestCloseSession_ExpiresUnclaimedCommands(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		claimed := f.propose(auto)
		lease := f.claimOne()
		queued, pending := f.propose(auto), f.propose(review)
		f.closeSession()
		for _, c := range []queue.Command{queued, pending} {
			require.Equal(t, queue.Expired, f.get(c.ID).Status)
			require.Equal(t, []string{"proposed", "expired"}, f.eventTypes(c.ID))
		}
		require.Empty(t, f.pending())
		require.Empty(t, f.claim())

		// A claimed command stays claimed.
		_, err := f.queue.Extend(t.Context(), f.ref(lease), longLease)
		require.NoError(t, err)
		require.Equal(t, queue.RecordedResult{Status: queue.Succeeded}, f.submitResult(lease, queue.Succeeded))
		require.Equal(t, queue.Succeeded, f.get(claimed.ID).Status)
	})
}

func TestSweeper_ExpiresCommandsOfExpiredSession(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		queued, pending := f.propose(auto), f.propose(review)
		f.expireSession()
		f.settleUntil(queued.ID, queue.Expired)
		f.settleUntil(pending.ID, queue.Expired)
		require.Equal(t, "session.expired", f.events()[len(f.events())-1].Type)
	})
}

// expireSession moves the session's end into the past. It does not settle the session.
func (f *fixture) expireSession() {
	f.t.Helper()
	f.do(func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		pipe.HSet(ctx, store.SessionKey(f.session.ID), "expires", 1)
		pipe.HSet(ctx, f.device.RecordKey(), "session_until", 1)
		member := "session " + f.session.ID + " " + f.device.ID + " " + f.device.Tenant
		pipe.ZAdd(ctx, f.key(dueKey), redis.Z{Score: 1, Member: member})
		_, err := pipe.Exec(ctx)
		return err
	})
}

func TestClaim_ReturnsNothingOfEndedSession(t *testing.T) {
	t.Parallel()
	ends := map[string]func(f *fixture){
		"expired, not settled": (*fixture).expireSession,
		"another session is open": func(f *fixture) {
			f.do(func(ctx context.Context, c store.Client) error {
				return c.HSet(ctx, f.device.RecordKey(), "session", "ses_another").Err()
			})
		},
		"the device is decommissioned": func(f *fixture) {
			f.do(func(ctx context.Context, c store.Client) error {
				return c.HSet(ctx, f.device.RecordKey(), "status", "decommissioned").Err()
			})
		},
		"the device's record is gone": func(f *fixture) {
			f.do(func(ctx context.Context, c store.Client) error { return c.Del(ctx, f.device.RecordKey()).Err() })
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachIsolated(t, func(t *testing.T, s *store.Store) {
				f := newFixture(t, s)
				f.propose(auto)
				f.propose(auto)
				claimed := f.claim(limit(2))
				queued, pending := f.propose(auto), f.propose(review)
				end(f)
				require.Empty(t, f.claim(limit(10)))
				require.Equal(t, queue.Expired, f.get(queued.ID).Status)
				_, err := f.queue.Decide(t.Context(), f.decision(pending, true))
				requireRefusal(t, err, fieldgate.CodeSessionClosed)

				status, err := f.queue.Release(t.Context(), f.ref(claimed[0]), "")
				require.NoError(t, err)
				require.Equal(t, queue.Expired, status)
				require.Equal(t, queue.RecordedResult{Status: queue.Succeeded}, f.submitResult(claimed[1], queue.Succeeded))
			})
		})
	}
}

func TestPropose_InEndedSessionIsRefused(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(f *fixture){"closed": (*fixture).closeSession, "expired": (*fixture).expireSession} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachIsolated(t, func(t *testing.T, s *store.Store) {
				f := newFixture(t, s)
				end(f)
				for _, commandType := range []string{auto, review} {
					_, err := f.queue.Propose(t.Context(), f.proposal(commandType))
					requireRefusal(t, err, fieldgate.CodeSessionClosed)
				}
				require.Empty(t, f.listAll(f.session.ID, 50))
			})
		})
	}
}

func TestLease_ExpiredAfterSessionIsNotRequeued(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		lease := f.claimOne()
		f.expireSession()
		f.expireLease(lease)
		f.settleUntil(lease.ID, queue.Expired)
		require.Empty(t, f.claim())
	})
}

func TestSweeper_BatchCoversManyDevices(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		var leases []queue.Lease
		for range 12 {
			other := f.withDevice(f.newDevice(f.device.Tenant))
			other.proposeMany(auto, 10)
			leases = append(leases, other.claim(limit(10), shortLease)...)
		}
		eventually(t, "some leases did not end", func() bool {
			f.sweep()
			for _, l := range leases {
				c, err := f.queue.GetOwn(t.Context(), store.Device{Tenant: l.Tenant, ID: l.DeviceID}, l.ID)
				require.NoError(t, err)
				if c.Status != queue.Queued {
					return false
				}
			}
			return true
		})
	})
}

func TestSettle_TransientErrorQuarantinesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, isolatedRedis(t))
	f.propose(auto)
	lease := f.claimOne(shortLease)
	due := []store.Due{{Kind: "command", ID: lease.ID, Device: f.device}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, f.queue.Settle(ctx, due))
	require.Empty(t, f.quarantined())
	require.Zero(t, f.metricValue("fieldgate_quarantined_records_total"))
	f.do(func(ctx context.Context, c store.Client) error {
		_, err := c.ZScore(ctx, f.key(dueKey), f.dueMember(lease.ID)).Result()
		require.NotErrorIs(t, err, redis.Nil)
		return err
	})
}

// TestSettle_MissingRightQuarantinesNothing takes away the right from the user of Redis with which the
// script reads a record. The records are not at fault, and are settled when the right is back.
func TestSettle_MissingRightQuarantinesNothing(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	allow := func(rules ...string) {
		require.NoError(t, server.Client(t).ACLSetUser(t.Context(), "gateway", rules...).Err())
	}
	allow("on", ">secret", "~*", "&*", "+@all")
	f := newFixture(t, storetest.Connect(t, store.Config{URL: "redis://gateway:secret@" + server.Addr()}))
	f.propose(auto)
	lease := f.claimOne()
	f.expireLease(lease)
	due := []store.Due{{Kind: "command", ID: lease.ID, Device: f.device}}

	allow("-hget")
	err := f.queue.Settle(t.Context(), due)
	require.ErrorContains(t, err, "running settle in the store")
	require.True(t, store.IsTransient(t.Context(), err), "%v", err)
	require.Empty(t, f.quarantined())
	require.Zero(t, f.metricValue("fieldgate_quarantined_records_total"))

	allow("+hget")
	f.settleUntil(lease.ID, queue.Queued)
}

// TestDeadlines_AreNotAfterEndOfSession proposes commands that may wait for longer than their session lasts.
// An instance reads the end of the session with the first, and remembers it for the second.
func TestDeadlines_AreNotAfterEndOfSession(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.session = f.open(f.newDevice(f.device.Tenant), time.Hour)
		for range 2 {
			late := f.propose(review, deliverWithin(2*time.Hour))
			require.Equal(t, f.session.ExpiresAt, late.DeliverBy)
			require.Equal(t, f.session.ExpiresAt, late.ApproveBy)
			early := f.propose(review, deliverWithin(time.Minute))
			require.WithinDuration(t, early.CreatedAt.Add(time.Minute), early.DeliverBy, time.Second)
			require.Equal(t, early.DeliverBy, early.ApproveBy)
		}
	})
}

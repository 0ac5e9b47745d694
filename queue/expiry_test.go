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
)

func TestTheSweeperEndsWhatIsDue(t *testing.T) {
	t.Parallel()
	eachAlone(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s, approveWithin(time.Millisecond))
		b.propose(auto, attempts(1))
		b.propose(auto, attempts(2))
		leases := b.claim(limit(2), brief)
		undelivered := b.propose(auto, deliverWithin(time.Millisecond))
		undecided := b.propose(review)

		b.becomes(leases[0].ID, queue.TimedOut)
		b.becomes(leases[1].ID, queue.Queued)
		require.Equal(t, 1, b.get(leases[1].ID).Attempt)
		b.becomes(undelivered.ID, queue.Expired)
		b.becomes(undecided.ID, queue.Expired)
		for id, want := range map[string][]string{
			leases[0].ID:   {"proposed", "claimed", "timed_out"},
			leases[1].ID:   {"proposed", "claimed", "requeued"},
			undelivered.ID: {"proposed", "expired"},
			undecided.ID:   {"proposed", "expired"},
		} {
			require.Equal(t, want, b.happened(id))
		}
		require.Empty(t, b.pending())
	})
}

func (b *bench) pending() []queue.Command {
	b.t.Helper()
	pending, _, err := b.queue.Pending(b.t.Context(), b.device.Tenant, store.Page{Limit: 50})
	require.NoError(b.t, err)
	return pending
}

func TestNothingDependsOnASweeper(t *testing.T) {
	t.Parallel()
	// Each call brings what it touches to what time has made of it.
	calls := map[string]struct {
		call func(b *bench, l queue.Lease)
		want queue.Status
	}{
		"claim":   {func(b *bench, l queue.Lease) { require.Equal(b.t, 2, b.take().Attempt) }, queue.Claimed},
		"extend":  {func(b *bench, l queue.Lease) { require.Error(b.t, b.writes(l)["extend"]()) }, queue.Queued},
		"release": {func(b *bench, l queue.Lease) { require.Error(b.t, b.writes(l)["release"]()) }, queue.Queued},
		"result":  {func(b *bench, l queue.Lease) { require.True(b.t, b.finish(l, queue.Succeeded).Late) }, queue.Succeeded},
		"cancel":  {func(b *bench, l queue.Lease) { require.Zero(b.t, b.cancel(l.Command).VisibleUntil) }, queue.Cancelled},
	}
	for name, tt := range calls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachAlone(t, func(t *testing.T, s *store.Store) {
				b := newBench(t, s)
				b.propose(auto)
				lease := b.take(brief)
				b.passes(lease.VisibleUntil)
				require.Equal(t, queue.Claimed, b.get(lease.ID).Status)
				tt.call(b, lease)
				require.Equal(t, tt.want, b.get(lease.ID).Status)
				require.Equal(t, "requeued", b.happened(lease.ID)[2])
			})
		})
	}
}

func TestAClaimSettlesAllLeasesOfItsDevice(t *testing.T) {
	t.Parallel()
	eachAlone(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		b.propose(auto, attempts(1))
		b.propose(auto)
		b.propose(auto)
		leases := b.claim(limit(3), brief)
		for _, l := range leases {
			b.passes(l.VisibleUntil)
		}
		require.Equal(t, ids(leases[1:2]), ids(b.claim()))
		require.Equal(t, queue.TimedOut, b.get(leases[0].ID).Status)
		require.Equal(t, queue.Queued, b.get(leases[2].ID).Status)
	})
}

func TestAnUndeliveredCommandIsNotHandedOutLate(t *testing.T) {
	t.Parallel()
	eachAlone(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		late := b.propose(auto, priority(9), deliverWithin(time.Millisecond))
		good := b.propose(auto)
		b.passes(late.DeliverBy)
		require.Equal(t, []string{good.ID}, ids(b.claim(limit(2))))
		require.Equal(t, queue.Expired, b.get(late.ID).Status)
	})
}

func TestALeaseThatEndsAfterTheDeliveryTimeIsNotRepeated(t *testing.T) {
	t.Parallel()
	eachAlone(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		b.propose(auto)
		lease := b.take()
		b.edit(lease.ID, func(state map[string]any) { state["deliver_by"] = 1 })
		b.lapse(lease)
		b.becomes(lease.ID, queue.Expired)
		require.Equal(t, []string{"proposed", "claimed", "requeued", "expired"}, b.happened(lease.ID))
		require.True(t, b.finish(lease, queue.Succeeded).Late)
	})
}

func TestClosingASessionEndsWhatWaitsInIt(t *testing.T) {
	t.Parallel()
	eachAlone(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		claimed := b.propose(auto)
		lease := b.take()
		queued, pending := b.propose(auto), b.propose(review)
		b.closeSession()
		for _, c := range []queue.Command{queued, pending} {
			require.Equal(t, queue.Expired, b.get(c.ID).Status)
			require.Equal(t, []string{"proposed", "expired"}, b.happened(c.ID))
		}
		require.Empty(t, b.pending())
		require.Empty(t, b.claim())

		// What the device has claimed stays its own.
		_, err := b.queue.Extend(t.Context(), b.hold(lease), time.Minute)
		require.NoError(t, err)
		require.Equal(t, queue.RecordedResult{Status: queue.Succeeded}, b.finish(lease, queue.Succeeded))
		require.Equal(t, queue.Succeeded, b.get(claimed.ID).Status)
	})
}

func TestAnExpiredSessionEndsWhatWaitsInIt(t *testing.T) {
	t.Parallel()
	eachAlone(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		queued, pending := b.propose(auto), b.propose(review)
		b.endSession()
		b.becomes(queued.ID, queue.Expired)
		b.becomes(pending.ID, queue.Expired)
		require.Equal(t, "session.expired", b.events()[len(b.events())-1].Type)
	})
}

// endSession lets the session be over by the clock, without anybody having ended
// it yet.
func (b *bench) endSession() {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		pipe.HSet(ctx, store.SessionKey(b.session.ID), "expires", 1)
		pipe.HSet(ctx, b.device.RecordKey(), "session_until", 1)
		member := "session " + b.session.ID + " " + b.device.ID + " " + b.device.Tenant
		pipe.ZAdd(ctx, store.PartitionOf(b.device.Tenant).DueKey(), redis.Z{Score: 1, Member: member})
		_, err := pipe.Exec(ctx)
		return err
	})
}

func TestNothingOfASessionThatIsOverIsDelivered(t *testing.T) {
	t.Parallel()
	over := map[string]func(b *bench){
		"expired, and no sweeper ran": (*bench).endSession,
		"another session is active": func(b *bench) {
			b.do(func(ctx context.Context, c store.Client) error {
				return c.HSet(ctx, b.device.RecordKey(), "session", "ses_another").Err()
			})
		},
		"the device is decommissioned": func(b *bench) {
			b.do(func(ctx context.Context, c store.Client) error {
				return c.HSet(ctx, b.device.RecordKey(), "status", "decommissioned").Err()
			})
		},
		"the device's record is gone": func(b *bench) {
			b.do(func(ctx context.Context, c store.Client) error { return c.Del(ctx, b.device.RecordKey()).Err() })
		},
	}
	for name, end := range over {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachAlone(t, func(t *testing.T, s *store.Store) {
				b := newBench(t, s)
				b.propose(auto)
				b.propose(auto)
				held := b.claim(limit(2))
				queued, pending := b.propose(auto), b.propose(review)
				end(b)
				require.Empty(t, b.claim(limit(10)))
				require.Equal(t, queue.Expired, b.get(queued.ID).Status)
				_, err := b.queue.Decide(t.Context(), b.decision(pending, true))
				refused(t, err, fieldgate.CodeSessionClosed)

				status, err := b.queue.Release(t.Context(), b.hold(held[0]), "")
				require.NoError(t, err)
				require.Equal(t, queue.Expired, status)
				require.Equal(t, queue.RecordedResult{Status: queue.Succeeded}, b.finish(held[1], queue.Succeeded))
			})
		})
	}
}

func TestNothingIsProposedInASessionThatIsOver(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(b *bench){"closed": (*bench).closeSession, "expired": (*bench).endSession} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachAlone(t, func(t *testing.T, s *store.Store) {
				b := newBench(t, s)
				end(b)
				for _, commandType := range []string{auto, review} {
					_, err := b.queue.Propose(t.Context(), b.proposal(commandType))
					refused(t, err, fieldgate.CodeSessionClosed)
				}
				require.Empty(t, b.listAll(b.session.ID, 50))
			})
		})
	}
}

func TestALeaseThatEndsAfterItsSessionIsNotRepeated(t *testing.T) {
	t.Parallel()
	eachAlone(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		b.propose(auto)
		lease := b.take()
		b.endSession()
		b.lapse(lease)
		b.becomes(lease.ID, queue.Expired)
		require.Empty(t, b.claim())
	})
}

func TestABatchOfTheSweeperMayHoldManyDevices(t *testing.T) {
	t.Parallel()
	eachAlone(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		var leases []queue.Lease
		for range 12 {
			at := b.beside(b.newDevice(b.device.Tenant))
			for range 10 {
				at.propose(auto)
			}
			leases = append(leases, at.claim(limit(10), brief)...)
		}
		eventually(t, "some leases never ended", func() bool {
			b.sweep()
			for _, l := range leases {
				c, err := b.queue.GetOwn(t.Context(), store.Device{Tenant: l.Tenant, ID: l.DeviceID}, l.ID)
				require.NoError(t, err)
				if c.Status != queue.Queued {
					return false
				}
			}
			return true
		})
	})
}

func TestASweeperDuringAnOutageSetsNothingAside(t *testing.T) {
	t.Parallel()
	b := newBench(t, alone(t))
	b.propose(auto)
	lease := b.take(brief)
	due := []store.Due{{Kind: "command", ID: lease.ID, Device: b.device}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, b.queue.Settle(ctx, due))
	require.Empty(t, b.quarantine())
	require.Zero(t, b.counted("fieldgate_quarantined_records_total"))
	b.do(func(ctx context.Context, c store.Client) error {
		_, err := c.ZScore(ctx, store.PartitionOf(b.device.Tenant).DueKey(), "command "+lease.ID+" "+b.device.ID+" "+b.device.Tenant).Result()
		require.NotErrorIs(t, err, redis.Nil)
		return err
	})
}

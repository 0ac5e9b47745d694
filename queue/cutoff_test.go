package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestDecide_RefusesUserWhoWasCutOff decides as an approver whose cut-off no instance has checked.
func TestDecide_RefusesUserWhoWasCutOff(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for _, subject := range []string{"user:" + approver, "user:" + approver + " s-laptop"} {
			f, at := newFixture(t, s), time.UnixMilli(time.Now().UnixMilli())
			c := f.propose(review)
			require.NoError(t, s.Do(t.Context(), "test", func(ctx context.Context, client store.Client) error {
				return client.ZAdd(ctx, store.Tenant(c.Tenant).CutOffsKey(), redis.Z{Score: float64(at.UnixMilli()), Member: subject}).Err()
			}))
			for _, approved := range []bool{true, false} {
				d := f.decision(c, approved)
				d.AuthSessionID, d.EarliestCutOff = "s-laptop", at
				_, err := f.queue.Decide(t.Context(), d)
				require.Equal(t, fieldgate.ReasonCutOff, requireRefusal(t, err, fieldgate.CodeUserCutOff).Reason, subject)
				require.Nil(t, f.get(c.ID).Approval)
			}
			later := f.decision(c, true)
			later.AuthSessionID, later.EarliestCutOff = "s-laptop", at.Add(time.Millisecond)
			_, err := f.queue.Decide(t.Context(), later)
			require.NoError(t, err, "the token was issued after the cut-off")
		}
	})
}

package gateway_test

import (
	"crypto/rand"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestRegister_ConcurrentWithOneCodeSucceedsOnce(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		made, err := g.User(gatewaytest.NewTenantID(), "alice", "admin").Provision(t.Context(), client.ProvisionDeviceRequest{Name: "Pump 7"})
		require.NoError(t, err)
		codes := concurrently(50, func(i int) error {
			key := client.WithIdempotencyKey(fmt.Sprint("boot-", i))
			return retryUnavailable(func() error {
				_, err := g.Register(t.Context(), client.RegisterDeviceRequest{ActivationCode: made.ActivationCode}, key)
				return err
			})
		})
		require.Equal(t, map[client.ProblemCode]int{"": 1, client.CodeInvalidActivationCode: 49}, codes)
	})
}

func TestDecide_ConcurrentRecordsOneDecision(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		proposed := f.propose(t, review)
		codes := concurrently(50, func(i int) error {
			approver := g.User(f.tenantID, fmt.Sprintf("approver-%d", i), "approver")
			return retryUnavailable(func() error {
				_, err := approver.Decide(t.Context(), f.session, client.DecisionRequest{CommandID: proposed.ID, Approved: i%2 == 0})
				return err
			})
		})
		require.Equal(t, map[client.ProblemCode]int{"": 1, client.CodeAlreadyDecided: 49}, codes)
		var decided int
		for event, err := range f.alice.AllEvents(t.Context(), f.session, client.ListSessionEventsParams{}) {
			require.NoError(t, err)
			if event.Type == "command.approved" || event.Type == "command.rejected" {
				decided++
				require.Equal(t, event.Actor.ID, f.command(t, proposed.ID).Approval.DecidedBy)
			}
		}
		require.Equal(t, 1, decided)
	})
}

// TestClaim_ConcurrentClaimsEachCommandOnce sends a thousand claims of one device with a
// full queue, while more commands are proposed. A claim that fails with
// store_unavailable is repeated with its Idempotency-Key, as the contract requires of
// clients.
func TestClaim_ConcurrentClaimsEachCommandOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t, gatewaytest.WithRedis(storetest.SharedURL(t))))
	var claims claimCounter
	proposed := make([]string, 0, 150)
	for range 100 {
		proposed = append(proposed, f.propose(t, auto).ID)
	}
	var more sync.WaitGroup
	more.Go(func() { proposed = append(proposed, f.proposeMore(t, 50)...) })
	codes := concurrently(1000, func(int) error { return claims.claim(t, f, 1) })
	require.Equal(t, map[client.ProblemCode]int{"": 1000}, codes)
	more.Wait()
	for claims.commands() < len(proposed) {
		before := claims.commands()
		require.NoError(t, claims.claim(t, f, 10))
		require.Greater(t, claims.commands(), before, "some commands were not claimed")
	}
	f.requireNothingToClaim(t)
	for _, id := range proposed {
		require.Equal(t, 1, claims.count(id))
	}
}

// proposeMore proposes n commands. It tries again while the queue is full or the store
// is unavailable.
func (f *fleet) proposeMore(t testing.TB, n int) (ids []string) {
	for len(ids) < n {
		key := client.WithIdempotencyKey(fmt.Sprint("more-", len(ids)))
		made, err := f.alice.Propose(t.Context(), f.session, client.ProposeCommandRequest{Type: auto}, key)
		switch client.CodeOf(err) {
		case client.CodeDeviceQueueFull, client.CodeStoreUnavailable:
			continue
		}
		if err != nil {
			t.Errorf("proposing more: %v", err)
			return ids
		}
		ids = append(ids, made.ID)
	}
	return ids
}

// claimCounter counts how often each command was claimed.
type claimCounter struct {
	mu    sync.Mutex
	times map[string]int // number of claims by command id
}

func (c *claimCounter) claim(t testing.TB, f *fleet, limit int) error {
	request, key := client.ClaimRequest{Limit: limit, VisibilityTimeoutMs: longLeaseMs}, client.WithIdempotencyKey(rand.Text())
	var claimed []client.ClaimedCommand
	err := retryUnavailable(func() (err error) {
		claimed, err = f.device.Claim(t.Context(), request, key)
		return err
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.times == nil {
		c.times = map[string]int{}
	}
	for _, one := range claimed {
		c.times[one.ID]++
	}
	return err
}

// commands returns the number of commands that were claimed at least once.
func (c *claimCounter) commands() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.times)
}

// count returns how often a command was claimed.
func (c *claimCounter) count(id string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.times[id]
}

func TestSubmitResult_ConcurrentStoresOneResult(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		f.propose(t, auto)
		claimed := f.claim(t)
		codes := concurrently(50, func(i int) error {
			result := succeeded(claimed)
			result.Output = fmt.Sprint(i)
			return retryUnavailable(func() error {
				_, err := f.device.SubmitResult(t.Context(), claimed.ID, result)
				return err
			})
		})
		require.Equal(t, map[client.ProblemCode]int{"": 1, client.CodeCommandFinished: 49}, codes)
	})
}

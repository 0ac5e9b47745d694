package gateway_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// creation sends a POST that creates a record. If changed is true, the request
// has a different body.
type creation func(ctx context.Context, changed bool, options ...client.CallOption) (any, error)

// creations returns a request for each operation of users that creates a record and takes
// an Idempotency-Key.
func creations(t testing.TB, f *fleet) map[string]creation {
	spares := []string{f.NewDevice(t, f.alice).ID, f.NewDevice(t, f.alice).ID}
	old := f.propose(t, auto)
	_, err := f.alice.Cancel(t.Context(), f.session, old.ID, "")
	require.NoError(t, err)
	return map[string]creation{
		"provisionDevice": func(ctx context.Context, changed bool, o ...client.CallOption) (any, error) {
			return f.alice.Provision(ctx, client.ProvisionDeviceRequest{Name: pick(changed, "Pump 7", "Pump 8")}, o...)
		},
		"issueActivationCode": func(ctx context.Context, changed bool, o ...client.CallOption) (any, error) {
			return f.alice.IssueActivationCode(ctx, pick(changed, spares[0], spares[1]), o...)
		},
		"openSession": func(ctx context.Context, changed bool, o ...client.CallOption) (any, error) {
			return f.alice.OpenSession(ctx, client.OpenSessionRequest{DeviceID: spares[0], Type: "diagnostic", Description: pick(changed, "a", "b")}, o...)
		},
		"proposeCommand": func(ctx context.Context, changed bool, o ...client.CallOption) (any, error) {
			return f.alice.Propose(ctx, f.session, client.ProposeCommandRequest{Type: pick(changed, auto, review)}, o...)
		},
		"retryCommand": func(ctx context.Context, changed bool, o ...client.CallOption) (any, error) {
			return f.alice.Retry(ctx, f.session, old.ID, pick(changed, "a", "b"), o...)
		},
	}
}

// pick returns b when second is set, and a otherwise.
func pick(second bool, a, b string) string {
	if second {
		return b
	}
	return a
}

func TestIdempotency_RepeatedCreationReturnsFirstResponse(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		for name, create := range creations(t, newFleet(t, g)) {
			key := client.WithIdempotencyKey("key-of-" + name)
			first, err := create(t.Context(), false, key)
			require.NoError(t, err, name)
			for range 2 {
				again, err := create(t.Context(), false, key)
				require.NoError(t, err, name)
				require.Equal(t, first, again, name)
			}
			_, err = create(t.Context(), true, key)
			requireCode(t, client.CodeIdempotencyKeyReused, err)
		}
	})
}

func TestIdempotency_ConcurrentRepeatsCreateOnce(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		for name, create := range creations(t, newFleet(t, g)) {
			created := make([]any, 10)
			codes := concurrently(len(created), func(i int) error {
				return retryUnavailable(func() (err error) {
					created[i], err = create(t.Context(), false, client.WithIdempotencyKey("key-of-"+name))
					return err
				})
			})
			require.Equal(t, map[client.ProblemCode]int{"": len(created)}, codes, name)
			for _, one := range created {
				require.Equal(t, created[0], one, name)
			}
		}
	})
}

func TestIdempotency_KeyBelongsToItsTenant(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		own := newFleet(t, g)
		others := creations(t, newFleetOf(t, g, gatewaytest.NeighbourOf(own.tenantID)))
		key := client.WithIdempotencyKey("the-same")
		_, err := own.alice.Propose(t.Context(), own.session, client.ProposeCommandRequest{Type: auto}, key)
		require.NoError(t, err)
		_, err = others["proposeCommand"](t.Context(), false, key)
		require.NoError(t, err)
	})
}

func TestRegister_RepeatedKeyReturnsSameSecret(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		made, err := g.User(gatewaytest.NewTenantID(), "alice", "admin").Provision(t.Context(), client.ProvisionDeviceRequest{Name: "Pump 7"})
		require.NoError(t, err)
		request := client.RegisterDeviceRequest{ActivationCode: made.ActivationCode}
		key := client.WithIdempotencyKey("boot-1")
		first, err := g.Register(t.Context(), request, key)
		require.NoError(t, err)
		again, err := g.Register(t.Context(), request, key)
		require.NoError(t, err)
		require.Equal(t, first, again)
		require.NoError(t, sendHeartbeat(t, g.Device(again.DeviceID, again.DeviceSecret)))

		_, err = g.Register(t.Context(), request, client.WithIdempotencyKey("boot-2"))
		requireCode(t, client.CodeInvalidActivationCode, err)
		request.Metadata.Model = "another" // a device that was updated since repeats its registration
		again, err = g.Register(t.Context(), request, key)
		require.NoError(t, err)
		require.Equal(t, first, again)
	})
}

func TestClaim_RepeatedKeyReturnsSameCommandsAndTokens(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		key, request := client.WithIdempotencyKey("claim-1"), client.ClaimRequest{Limit: 2, VisibilityTimeoutMs: longLeaseMs}
		empty, err := f.device.Claim(t.Context(), request, key)
		require.NoError(t, err)
		require.Empty(t, empty)
		for range 3 {
			f.propose(t, auto)
		}
		// An empty response is not stored for the key, so the repeated claim returns commands.
		first, err := f.device.Claim(t.Context(), request, key)
		require.NoError(t, err)
		require.Len(t, first, 2)
		again, err := f.device.Claim(t.Context(), request, key)
		require.NoError(t, err)
		require.Equal(t, withoutRemaining(first), withoutRemaining(again))
		request.Limit = 3
		_, err = f.device.Claim(t.Context(), request, key)
		requireCode(t, client.CodeIdempotencyKeyReused, err)
		require.Equal(t, 1, f.command(t, first[0].ID).Attempt)
	})
}

// withoutRemaining clears the remaining time of the leases, which differs in each response.
func withoutRemaining(claimed []client.ClaimedCommand) (same []client.ClaimedCommand) {
	for _, one := range claimed {
		one.LeaseRemainingMs = 0
		same = append(same, one)
	}
	return same
}

func TestClaim_IdempotencyKeyExpiresWithLease(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		f.propose(t, auto)
		key, request := client.WithIdempotencyKey("claim-1"), client.ClaimRequest{VisibilityTimeoutMs: 1000}
		first, err := f.device.Claim(t.Context(), request, key)
		require.NoError(t, err)
		eventually(t, func() bool { return time.Now().After(first[0].VisibleUntil) }, "the lease does not expire")
		second, err := f.device.Claim(t.Context(), request, key)
		require.NoError(t, err)
		require.Equal(t, 2, second[0].Attempt)
		require.NotEqual(t, first[0].ClaimToken, second[0].ClaimToken)
	})
}

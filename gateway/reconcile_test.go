package gateway_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// withFrequentReconciler configures a reconciler that checks the whole store many times
// a second.
func withFrequentReconciler(cfg *gateway.Config) {
	cfg.ReconcileInterval, cfg.ReconcileDevices = 20*time.Millisecond, 500
}

func TestReconciler_RepairsDeletedIndexes(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(server.URL()), withFrequentReconciler)
	g.Log.AllowErrors("repaired a violated invariant")
	f := newFleet(t, g)
	lost, undecided := f.propose(t, auto), f.propose(t, review)
	d := store.Device{Tenant: onlyTenant(t, server.Client(t)), ID: f.device.ID}
	pipe := server.Client(t).Pipeline()
	pipe.Del(t.Context(), d.ReadyKey(), store.Tenant(d.Tenant).InboxKey(), store.PartitionOf(d.Tenant).DueKey())
	_, err := pipe.Exec(t.Context())
	require.NoError(t, err)

	eventually(t, func() bool {
		claimed, err := f.device.Claim(t.Context(), client.ClaimRequest{})
		return err == nil && len(claimed) == 1 && claimed[0].ID == lost.ID
	}, "the command is not put back into the queue")
	f.decide(t, undecided, true)
	eventually(t, func() bool {
		metrics := g.Metrics(t)
		// The store has lost the due times of two commands and of the session. It has
		// also lost one entry of the queue and one of the inbox.
		return metrics[`fieldgate_invariant_violations_total{invariant="nothingForgotten"}`] == 3 &&
			metrics[`fieldgate_invariant_violations_total{invariant="nothingLost"}`] == 2
	}, "the repairs are not counted")
}

// onlyTenant returns the only tenant on a server.
func onlyTenant(t *testing.T, admin *redis.Client) string {
	t.Helper()
	keys, err := admin.Keys(t.Context(), "fg:{*}:tenants").Result()
	require.NoError(t, err)
	require.Len(t, keys, 1)
	return admin.ZRange(t.Context(), keys[0], 0, 0).Val()[0]
}

func TestReconciler_FindsNoViolationInNormalUse(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(server.URL()), withFrequentReconciler)
	beside := gatewaytest.Start(t, gatewaytest.WithRedis(server.URL()), withFrequentReconciler)
	f := newFleet(t, g)
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	for ctx.Err() == nil {
		f.propose(t, auto)
		f.decide(t, f.propose(t, review), true)
		for range 2 {
			claimed := f.claim(t)
			_, err := f.device.SubmitResult(t.Context(), claimed.ID, succeeded(claimed))
			require.NoError(t, err)
		}
		f.propose(t, auto)
		_, err := f.alice.CloseSession(t.Context(), f.session, "done")
		require.NoError(t, err)
		f.session = f.openSession(t, f.device.ID)
	}
	for _, instance := range []*gatewaytest.Gateway{g, beside} {
		for series, found := range instance.Metrics(t) {
			if strings.HasPrefix(series, "fieldgate_invariant_violations_total") {
				require.Zero(t, found, series)
			}
		}
	}
}

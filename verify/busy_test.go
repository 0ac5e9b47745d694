package verify_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
	"github.com/fieldgate/fieldgate/verify"
)

// TestRun_BusyStoreHasNoViolation checks a store again and again while devices and users change
// their records all the time. A record that changes during its check must not be reported.
func TestRun_BusyStoreHasNoViolation(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	opened := s.connect(t)
	var workers sync.WaitGroup
	working := make(chan struct{})
	for range 3 {
		d := s.newDevice(t)
		workers.Go(func() {
			for range 12 {
				s.cycle(t.Context(), d)
			}
		})
	}
	go func() {
		workers.Wait()
		close(working)
	}()
	rounds, commands := 0, 0
	for busy := true; busy; rounds++ {
		select {
		case <-working:
			busy = false
		default:
		}
		report, err := verify.Run(t.Context(), verify.Config{Store: opened})
		require.NoError(t, err)
		require.Empty(t, violated(report), "%v", report.Listed)
		require.Equal(t, 4, report.Devices)
		commands = report.Commands
	}
	require.Equal(t, 3*12*6, commands)
	require.Greater(t, rounds, 1)
}

// cycle takes a device through a session with commands, and changes its status and its tags. It
// ignores refusals.
func (s *site) cycle(ctx context.Context, d gatewaytest.Device) {
	opened, err := s.alice.OpenSession(ctx, client.OpenSessionRequest{DeviceID: d.ID, Type: "remediation"})
	if err != nil {
		return
	}
	for range 3 {
		_, err = s.alice.Propose(ctx, opened.ID, client.ProposeCommandRequest{Type: "diagnostic.dns", Parameters: json.RawMessage(`{}`)})
		reviewed, failed := s.alice.Propose(ctx, opened.ID, client.ProposeCommandRequest{Type: "remediation.restart", Parameters: json.RawMessage(`{}`)})
		_, decided := s.bob.Decide(ctx, opened.ID, client.DecisionRequest{CommandID: reviewed.ID, Approved: true, Digest: reviewed.Digest})
		if errors.Join(err, failed, decided) != nil {
			return
		}
	}
	claimed, _ := d.Claim(ctx, client.ClaimRequest{Limit: 4})
	for i, c := range claimed {
		switch i {
		case 0:
			_, _ = d.Release(ctx, c.ID, client.ReleaseRequest{ClaimToken: c.ClaimToken})
		case 1:
			_, _ = s.alice.Cancel(ctx, opened.ID, c.ID, "")
		default:
			_, _ = d.SubmitResult(ctx, c.ID, client.ResultRequest{ClaimToken: c.ClaimToken, Status: client.ResultStatusSucceeded})
		}
	}
	_, _ = s.alice.Suspend(ctx, d.ID, "")
	_, _ = s.alice.Update(ctx, d.ID, client.UpdateDeviceRequest{Tags: client.Tags{"session": opened.ID}})
	_, _ = s.alice.Resume(ctx, d.ID, "")
	_, _ = s.alice.CloseSession(ctx, opened.ID, "done")
}

// TestRun_ChecksOnlyRecordsOfTenant damages the records of one of two tenants.
func TestRun_ChecksOnlyRecordsOfTenant(t *testing.T) {
	t.Parallel()
	s := newSite(t, withoutReconciler)
	s.work(t)
	other := s.NewDevice(t, s.User(gatewaytest.NeighbourOf(s.tenant[len("c."):]), "carol", "admin"))
	require.NoError(t, s.Stop())
	owner := s.server.Client(t).HGet(t.Context(), store.DeviceKey(other.ID), "tenant").Val()
	require.NoError(t, s.server.Client(t).Del(t.Context(), store.Tenant(owner).DevicesKey()).Err())
	opened := s.connect(t)
	mine, theirs, all := s.check(t, opened, s.tenant), s.check(t, opened, owner), s.check(t, opened, "")
	require.Zero(t, mine.Found(), mine.Listed)
	require.NotZero(t, theirs.Found())
	require.Equal(t, theirs.Found(), all.Found())
	require.Equal(t, []int{1, 1, 1, 4}, []int{mine.Tenants, mine.Devices, mine.Sessions, mine.Commands})
	require.Equal(t, []int{2, 2, 1, 4}, []int{all.Tenants, all.Devices, all.Sessions, all.Commands})
}

// TestRun_GoesOnAfterLostConnections breaks the connections once during the scan and once after it.
func TestRun_GoesOnAfterLostConnections(t *testing.T) {
	t.Parallel()
	s := newSite(t, withoutReconciler)
	require.NoError(t, s.Stop())
	proxy := storetest.NewProxy(t)
	proxy.ForwardTo(s.server.Addr())
	failed := map[string]bool{}
	opened := storetest.Connect(t, store.Config{
		URL: "redis://" + proxy.Addr(), Existing: true, ReadOnly: true,
		Observe: func(name string, _ time.Duration, err error) {
			if err != nil {
				failed[name] = true
				proxy.Inject(storetest.NoFault)
			}
		},
	})
	proxy.Inject(storetest.DropRequest, "scan")
	report, err := verify.Run(t.Context(), verify.Config{Store: opened, Progress: func(int64, int64) {
		proxy.Inject(storetest.DropRequest, "zrange")
	}})
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"scan": true, "list": true}, failed)
	require.Zero(t, report.Found(), report.Listed)
	require.Equal(t, []any{1, false}, []any{report.Devices, report.Partial})

	ctx, cancel := context.WithCancel(t.Context())
	report, err = verify.Run(ctx, verify.Config{Store: opened, Progress: func(int64, int64) { cancel() }})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []any{1, true}, []any{report.Devices, report.Partial})
}

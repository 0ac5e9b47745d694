package gateway

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/customer"
)

func TestTenantReads_BoundsEachTenant(t *testing.T) {
	t.Parallel()
	r := newTenantReads(2, time.Millisecond)
	var releases []func()
	for range 2 {
		release, err := r.acquire(t.Context(), "c.one")
		require.NoError(t, err)
		releases = append(releases, release)
	}
	_, err := r.acquire(t.Context(), "c.one")
	require.Equal(t, fieldgate.CodeOverloaded, fieldgate.CodeOf(err))
	require.Positive(t, errTooManyReads.RetryAfter)
	other, err := r.acquire(t.Context(), "c.other")
	require.NoError(t, err, "a tenant takes the slots of another")
	other()

	releases[0]()
	again, err := r.acquire(t.Context(), "c.one")
	require.NoError(t, err)
	again()
	releases[1]()
	require.Empty(t, r.tenants, "slots that no one uses are kept")
}

func TestReadLimit_LeavesProcessorsToOthers(t *testing.T) {
	t.Parallel()
	for processors, limit := range map[int]int{1: 2, 2: 2, 4: 2, 6: 3, 16: 8, 64: 8} {
		require.Equal(t, limit, readLimit(processors), "%d processors", processors)
	}
}

func TestTenantReads_WaitsForSlot(t *testing.T) {
	t.Parallel()
	r := newTenantReads(1, time.Hour)
	release, err := r.acquire(t.Context(), "c.one")
	require.NoError(t, err)
	waited := make(chan error, 1)
	go func() {
		second, err := r.acquire(context.Background(), "c.one")
		if err == nil {
			second()
		}
		waited <- err
	}()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = r.acquire(gone, "c.one")
	require.ErrorIs(t, err, context.Canceled, "a caller that has gone still waits")
	release()
	require.NoError(t, <-waited)
}

// TestAdmitRead_KindsOfReadsHaveLimitsOfTheirOwn uses up the slots of each kind in turn.
func TestAdmitRead_KindsOfReadsHaveLimitsOfTheirOwn(t *testing.T) {
	t.Parallel()
	ctx := customer.NewContext(t.Context(), customer.Principal{Tenant: "c.one"})
	for _, c := range []struct {
		full   string // operation that uses up its slots
		same   string // operation of the same kind
		others []string
	}{
		{"getCommandOutput", "getCommand", []string{"listDevices", "getDevice", "proposeCommand"}},
		{"getCommand", "getCommandOutput", []string{"listCommands", "getSession"}},
		{"listDevices", "getSession", []string{"getCommandOutput", "getCommand", "me"}},
	} {
		g := &Gateway{lists: newTenantReads(1, time.Millisecond), largeReads: newTenantReads(1, time.Millisecond)}
		release, err := g.admitRead(ctx, c.full)
		require.NoError(t, err)
		for _, operation := range []string{c.full, c.same} {
			_, err = g.admitRead(ctx, operation)
			require.Equal(t, fieldgate.CodeOverloaded, fieldgate.CodeOf(err), "%s after %s", operation, c.full)
		}
		for _, operation := range c.others {
			other, err := g.admitRead(ctx, operation)
			require.NoError(t, err, "%s after %s", operation, c.full)
			other()
		}
		release()
		again, err := g.admitRead(ctx, c.same)
		require.NoError(t, err)
		again()
	}
}

// TestListOperations_AreAllOfContract requires that listOperations contains every customer
// operation that has the query parameter "limit".
func TestListOperations_AreAllOfContract(t *testing.T) {
	t.Parallel()
	spec, err := openapi3.NewLoader().LoadFromData(fieldgate.Spec)
	require.NoError(t, err)
	var missing []string
	for path, item := range spec.Paths.Map() {
		if item.Get == nil || !strings.HasPrefix(path, "/api/v1/customer/") {
			continue
		}
		limited := slices.ContainsFunc(item.Get.Parameters, func(p *openapi3.ParameterRef) bool { return p.Value.Name == "limit" })
		if limited && !listOperations[item.Get.OperationID] {
			missing = append(missing, item.Get.OperationID)
		}
	}
	require.Empty(t, missing)
}

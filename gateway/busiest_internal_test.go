package gateway

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
)

func names(top []tenantCalls) (found []string) {
	for _, calls := range top {
		found = append(found, calls.tenant)
	}
	return found
}

// TestBusiest_FindsTenantAmongMany counts the calls of thousands of tenants, of which one sends a
// hundredth. It begins when all places are taken.
func TestBusiest_FindsTenantAmongMany(t *testing.T) {
	t.Parallel()
	b := newBusiest()
	for i := range 100_000 {
		b.count(fmt.Sprint("c.", i%5000), "")
		if i > 20_000 && i%100 == 0 {
			b.count("c.flood", fieldgate.CodeRateLimited)
		}
	}
	require.Len(t, b.tenants, countedTenants)
	require.Len(t, b.top(), shownTenants)
	require.Contains(t, names(b.top()), "c.flood")
}

func TestBusiest_CountsOutcomes(t *testing.T) {
	t.Parallel()
	b := newBusiest()
	for _, code := range []fieldgate.Code{"", fieldgate.CodeRateLimited, fieldgate.CodeQuotaExceeded, fieldgate.CodeInternal, ""} {
		b.count("c.a", code)
	}
	b.count("", "")
	b.count("c.b", "")
	require.Equal(t, []tenantCalls{{"c.a", 5, 3, 2}, {"c.b", 1, 1, 0}}, b.top())
}

// TestBusiest_EarlierCallsCountLess requires that a tenant which was busy long ago gives way.
func TestBusiest_EarlierCallsCountLess(t *testing.T) {
	t.Parallel()
	b := newBusiest()
	for range 1000 {
		b.count("c.before", "")
	}
	for range 10 {
		b.halved = time.Now().Add(-halveEvery)
		b.count("c.now", "")
	}
	require.Equal(t, []string{"c.now", "c.before"}, names(b.top()))
	require.InDelta(t, 1000, b.tenants["c.before"].served, 0, "the counter went back")
}

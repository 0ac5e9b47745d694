package gateway

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/quota"
)

// TestSurvey_RanksTenantsByShareOfLimit requires that the ten tenants stay that use most of their own
// limit, and that quotas do not crowd each other out.
func TestSurvey_RanksTenantsByShareOfLimit(t *testing.T) {
	t.Parallel()
	var found survey
	for i := range int64(50) {
		tenant := fmt.Sprint("c.", i)
		found.rank(tenantUse{tenant, quota.Devices, i, 100})
		found.rank(tenantUse{tenant, quota.Sockets, 50 - i, 0})
	}
	found.rank(tenantUse{"c.small", quota.Devices, 3, 4})
	used := map[quota.Name][]int64{}
	for _, use := range found.Top {
		used[use.Quota] = append(used[use.Quota], use.Used)
	}
	require.Equal(t, map[quota.Name][]int64{
		quota.Devices: {41, 42, 43, 44, 45, 46, 47, 48, 49, 3},
		quota.Sockets: {50, 49, 48, 47, 46, 45, 44, 43, 42, 41},
	}, used)
}

func TestSurvey_BacklogHasOldest(t *testing.T) {
	t.Parallel()
	var b backlog
	require.Zero(t, b.ageAt(5000))
	b.add(2, time.UnixMilli(3000))
	b.add(0, time.Time{})
	b.add(1, time.UnixMilli(1000))
	b.add(4, time.UnixMilli(2000))
	require.Equal(t, backlog{7, 1000}, b)
	require.InDelta(t, 4, b.ageAt(5000), 0)
	require.Zero(t, b.ageAt(500), "the clocks of two machines differ")
}

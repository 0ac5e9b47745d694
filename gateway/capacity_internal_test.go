package gateway

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCapacity_LeavesDescriptorsToTheRest(t *testing.T) {
	t.Parallel()
	for _, descriptors := range []int{1, 2, 64, 256, 1024, 65_536, 1 << 20, 0} {
		c, err := capacityOf(descriptors, Config{})
		require.NoError(t, err)
		require.GreaterOrEqual(t, c.connections, 1, descriptors)
		require.LessOrEqual(t, c.sockets, max(c.connections*3/4, 1), "requests have no connections")
		require.LessOrEqual(t, c.tenantSockets, max(c.sockets/2, 1), "one tenant has more than half")
		if descriptors >= 2*reservedDescriptors(0) {
			require.GreaterOrEqual(t, descriptors-c.connections, max(reservedDescriptors(0), descriptors/8))
		}
	}
}

func TestCapacity_Settings(t *testing.T) {
	t.Parallel()
	c, err := capacityOf(65_536, Config{MaxSockets: 1000})
	require.NoError(t, err)
	require.Equal(t, 1000, c.sockets)
	require.Equal(t, 500, c.tenantSockets)
	c, err = capacityOf(65_536, Config{MaxTenantSockets: 40_000})
	require.NoError(t, err)
	require.Equal(t, 40_000, c.tenantSockets)
	most, err := capacityOf(4096, Config{})
	require.NoError(t, err)
	c, err = capacityOf(4096, Config{RedisPoolSize: 1000})
	require.NoError(t, err)
	require.Less(t, c.connections, most.connections-500, "connections to Redis have no descriptors")
	_, err = capacityOf(1024, Config{MaxSockets: 1000})
	require.ErrorContains(t, err, "FIELDGATE_MAX_SOCKETS (1000) must be at most")
}

func TestConfig_SocketsContradict(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{{MaxSockets: -1}, {MaxTenantSockets: -1}, {MaxSockets: 10, MaxTenantSockets: 11}} {
		require.ErrorContains(t, c.checkSockets(), "FIELDGATE_MAX_TENANT_SOCKETS")
	}
	require.NoError(t, Config{MaxSockets: 10, MaxTenantSockets: 10}.checkSockets())
	require.Positive(t, maxDescriptors(), "on %s", runtime.GOOS)
}

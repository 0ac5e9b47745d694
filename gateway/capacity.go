package gateway

import (
	"cmp"
	"fmt"
	"runtime"
)

const (
	// mostDescriptors is the number of descriptors of which the gateway makes use. A system
	// without a limit has more than a listener can serve.
	mostDescriptors = 1 << 20

	// defaultTenantSockets is the most sockets that one tenant has by default.
	defaultTenantSockets = 20_000
)

// capacity is the number of connections that this instance holds at the same time.
type capacity struct {
	connections   int // accepted from the listener of the API, including sockets
	sockets       int
	tenantSockets int // of one tenant
}

// capacityOf returns the capacity of a process that may open a number of descriptors; 0
// means that the number is unknown. A reserve is left to Redis, the metrics and files, and a
// quarter of the connections to requests. A tenant has at most half of the sockets. The error
// is a sentence that names the wrong setting.
func capacityOf(descriptors int, cfg Config) (capacity, error) {
	if descriptors == 0 {
		descriptors = mostDescriptors
	}
	connections := descriptors - min(max(reservedDescriptors(cfg.RedisPoolSize), descriptors/8), descriptors/2)
	most := max(connections*3/4, 1)
	sockets := cfg.MaxSockets
	switch {
	case sockets == 0:
		sockets = most
	case sockets > most:
		return capacity{}, fmt.Errorf("FIELDGATE_MAX_SOCKETS (%d) must be at most %d with %d file descriptors: raise the limit of open files, or lower the setting",
			sockets, most, descriptors)
	}
	tenantSockets := cfg.MaxTenantSockets
	if tenantSockets == 0 {
		tenantSockets = min(max(sockets/2, 1), defaultTenantSockets)
	}
	return capacity{connections: connections, sockets: sockets, tenantSockets: tenantSockets}, nil
}

// reservedDescriptors returns the number of descriptors that the connections of the API leave
// to the rest of the process at least: the metrics, the connections to Redis, the token issuer
// and files. A Cluster has connections to each of its nodes, so that a large limit leaves more.
// poolSize is Config.RedisPoolSize.
func reservedDescriptors(poolSize int) int {
	const scripts, others = 10, 6 // connections to Redis for each processor, see store.Config
	processors := runtime.GOMAXPROCS(0)
	return 2*maxSideConnections + 64 + cmp.Or(poolSize, scripts*processors) + others*processors
}

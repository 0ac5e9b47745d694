package measure

import (
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// idleGateway is a gateway without requests, with a Redis of its own.
type idleGateway struct {
	t     testing.TB
	child child
	iss   *customertest.Issuer
	redis server
	began time.Time
	from  float64 // number of commands that Redis had processed when the measurement began
}

func startIdle(t testing.TB, iss *customertest.Issuer) *idleGateway {
	t.Helper()
	redis := startRedis(t, "--appendonly", "no")
	idle := &idleGateway{t: t, iss: iss, redis: redis}
	idle.child = start(t, "gateway", settings{RedisURL: redis.url, SupabaseURL: iss.URL(), AutoPipeline: true})
	idle.began, idle.from = time.Now(), idle.processed()
	return idle
}

// processed returns the number of commands that Redis has processed.
func (i *idleGateway) processed() float64 {
	i.t.Helper()
	return i.info("stats", "total_commands_processed")
}

// usedMemory returns the memory that Redis uses, in bytes.
func (i *idleGateway) usedMemory() float64 {
	i.t.Helper()
	return i.info("memory", "used_memory")
}

func (i *idleGateway) info(section, field string) float64 {
	i.t.Helper()
	info := i.redis.InfoMap(i.t.Context(), section)
	require.NoError(i.t, info.Err())
	value, err := strconv.ParseFloat(info.Item(strings.ToUpper(section[:1])+section[1:], field), 64)
	require.NoError(i.t, err)
	return value
}

// commandsPerSecond returns the number of commands that the gateway has sent each second since it
// started.
func (i *idleGateway) commandsPerSecond() float64 {
	i.t.Helper()
	return (i.processed() - i.from) / time.Since(i.began).Seconds()
}

// memory returns the memory that Redis uses for a device that was registered and has logged in,
// and for a finished command with 100 bytes of output. The tenant's stream of events, which has a
// bounded length, is filled first.
func (i *idleGateway) memory(size peers) memory {
	i.t.Helper()
	gate, err := client.New(i.child.URL)
	require.NoError(i.t, err)
	g := &gatewaytest.Gateway{Gateway: gate, URL: i.child.URL, Issuer: i.iss}
	admin := g.User(gatewaytest.NewTenantID(), "alice", "admin")
	before := i.usedMemory()
	for range size.devices {
		g.Login(i.t, g.NewDevice(i.t, admin))
	}
	device := (i.usedMemory() - before) / float64(size.devices)

	callers := newCallers(i.t, i.child, i.redis, i.iss, size.callers)
	i.finish(callers, size.finished) // three events for each command
	before = i.usedMemory()
	i.finish(callers, size.finished)
	return memory{device: device, command: (i.usedMemory() - before) / float64(size.finished)}
}

// finish runs n lifecycles.
func (i *idleGateway) finish(callers []*caller, n int) {
	i.t.Helper()
	var started atomic.Int64
	each(callers, func(c *caller) {
		for int(started.Add(1)) <= n {
			if err := c.lifecycle(i.child.URL, strings.Repeat("x", 100)); err != nil {
				i.t.Error(err)
				return
			}
		}
	})
}

package measure

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// perDevice is the number of ready commands on each device.
const perDevice = 10

// fleet is a tenant with a growing number of devices. It uses the queue without a gateway.
type fleet struct {
	t        testing.TB
	redis    server
	store    *store.Store
	queue    *queue.Queue
	sessions *session.Service
	tenant   string

	mu      sync.Mutex
	devices []store.Device
}

// newFleet returns a fleet without devices, with a Redis of its own.
func newFleet(t testing.TB) *fleet {
	t.Helper()
	redis := startRedis(t, "--appendonly", "no")
	s := storetest.Connect(t, store.Config{URL: redis.url, AutoPipeline: true, Timeout: 10 * time.Second, Logger: slog.New(slog.DiscardHandler)})
	return &fleet{
		t: t, redis: redis, store: s, tenant: storetest.Tenant(),
		queue:    queue.New(queue.Config{Store: s, Logger: slog.New(slog.DiscardHandler)}),
		sessions: session.New(session.Config{Store: s}),
	}
}

// measureSize measures how the cost of a claim and of a sweep depends on the number of
// ready commands. All commands belong to one tenant, and so to one partition.
func measureSize(t *testing.T, e extent) {
	f := newFleet(t)
	table := newTable("ready", "devices", "claim: time in Redis", "ratio", "a caller alone waits", "sweep of 100 leases: time in Redis", "Redis memory for each device", "for each command")
	var first time.Duration
	for _, ready := range e.ready {
		memory := f.grow(ready)
		claim, alone := f.claim(min(e.claims, ready/2))
		if first == 0 {
			first = claim
		}
		sweep := f.sweep(100)
		table.row(thousands(ready), thousands(ready/perDevice), us(claim), fmt.Sprintf("%.2f", float64(claim)/float64(first)), us(alone), ms(sweep),
			kib(memory.device), kib(memory.command))
	}
	publish(t, e, "size", table)
}

// memory is the memory that Redis uses for each device and each command, in bytes.
type memory struct{ device, command float64 }

// grow adds devices and commands until the given number of commands is ready.
func (f *fleet) grow(ready int) memory {
	f.t.Helper()
	n := ready/perDevice - len(f.devices)
	before := f.usedMemory()
	sessions := make([]session.Session, n)
	f.parallel(n, func(i int) error {
		d := store.Device{Tenant: f.tenant, ID: store.NewID(store.KindDevice, store.PartitionOf(f.tenant))}
		err := f.store.Do(f.t.Context(), "test", func(ctx context.Context, c store.Client) error {
			return c.HSet(ctx, d.RecordKey(), "tenant", d.Tenant, "status", "active", "name", "Pump 7").Err()
		})
		if err != nil {
			return err
		}
		sessions[i], err = f.sessions.Open(f.t.Context(), session.OpenRequest{
			Tenant: d.Tenant, DeviceID: d.ID, UserID: "alice", Type: "diagnostic", Duration: time.Hour, RequestID: "r",
		})
		f.mu.Lock()
		defer f.mu.Unlock()
		f.devices = append(f.devices, d)
		return err
	})
	between := f.usedMemory()
	f.parallel(n*perDevice, func(i int) error {
		_, err := f.queue.Propose(f.t.Context(), queue.Proposal{
			Tenant: f.tenant, SessionID: sessions[i/perDevice].ID, UserID: "alice", RequestID: "r",
			Type: "diagnostic.dns", Parameters: json.RawMessage(`{"host":"example.com"}`), Priority: 5,
		})
		return err
	})
	return memory{device: (between - before) / float64(n), command: (f.usedMemory() - between) / float64(n*perDevice)}
}

// parallel runs task n times, 64 at a time. It ends the test after an error.
func (f *fleet) parallel(n int, task func(i int) error) {
	f.t.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := task(i); err != nil {
					f.t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if f.t.Failed() {
		f.t.FailNow()
	}
}

// usedMemory returns the memory that Redis uses, in bytes.
func (f *fleet) usedMemory() float64 {
	f.t.Helper()
	info := f.redis.InfoMap(f.t.Context(), "memory")
	require.NoError(f.t, info.Err())
	used, err := strconv.ParseFloat(info.Item("Memory", "used_memory"), 64)
	require.NoError(f.t, err)
	return used
}

// claim claims n commands one after the other, on devices spread over the fleet, and then
// releases them. It returns the mean time that Redis spends on a claim, and the median
// time that the caller waits.
func (f *fleet) claim(n int) (inRedis, waited time.Duration) {
	f.t.Helper()
	var times []time.Duration
	var claims []claimedCommand
	f.resetStats()
	for i := range n {
		start := time.Now()
		claims = append(claims, f.claimOne(f.devices[i*7919%len(f.devices)], time.Hour))
		times = append(times, time.Since(start))
	}
	inRedis = f.timeInRedis() / time.Duration(n)
	for _, c := range claims {
		_, err := f.queue.Release(f.t.Context(), c.ref(), "")
		require.NoError(f.t, err)
	}
	slices.Sort(times)
	return inRedis, times[n/2]
}

// claimedCommand is a claimed command with its device.
type claimedCommand struct {
	device store.Device
	lease  queue.Lease
}

func (c claimedCommand) ref() queue.ClaimRef {
	return queue.ClaimRef{Device: c.device, CommandID: c.lease.ID, Token: c.lease.Token, RequestID: "r"}
}

func (f *fleet) claimOne(d store.Device, visibility time.Duration) claimedCommand {
	f.t.Helper()
	leases, err := f.queue.Claim(f.t.Context(), queue.ClaimRequest{Device: d, RequestID: "r", Limit: 1, Visibility: visibility})
	require.NoError(f.t, err)
	require.Len(f.t, leases, 1)
	return claimedCommand{d, leases[0]}
}

// sweep lets n leases expire and returns the time that Redis spent on settling them.
func (f *fleet) sweep(n int) time.Duration {
	f.t.Helper()
	n = min(n, len(f.devices))
	var last claimedCommand
	for i := range n {
		last = f.claimOne(f.devices[len(f.devices)-1-i], 2*time.Second) // uses devices that had no lease in an earlier sweep
	}
	time.Sleep(time.Until(last.lease.VisibleUntil) + 10*time.Millisecond)
	f.resetStats()
	_, err := f.store.SweepOnce(f.t.Context(), map[string]store.Settle{"command": f.queue.Settle, "session": f.sessions.Settle})
	require.NoError(f.t, err)
	took := f.timeInRedis()
	after, err := f.queue.GetOwn(f.t.Context(), last.device, last.lease.ID)
	require.NoError(f.t, err)
	require.Equal(f.t, queue.Queued, after.Status, "the sweep did not settle the lease")
	return took
}

// resetStats resets the command statistics of Redis.
func (f *fleet) resetStats() {
	f.t.Helper()
	require.NoError(f.t, f.redis.ConfigResetStat(f.t.Context()).Err())
}

// timeInRedis returns the time that Redis has spent in scripts since resetStats. Redis
// also lists the commands that scripts run. They are left out, because their time is part
// of the scripts' time.
func (f *fleet) timeInRedis() (total time.Duration) {
	f.t.Helper()
	stats := f.redis.InfoMap(f.t.Context(), "commandstats")
	require.NoError(f.t, stats.Err())
	for _, name := range []string{"fcall", "evalsha", "eval"} {
		total += usec(stats.Item("Commandstats", "cmdstat_"+name))
	}
	return total
}

func usec(stat string) time.Duration {
	_, after, _ := strings.Cut(stat, "usec=")
	n, _, _ := strings.Cut(after, ",")
	count, _ := strconv.Atoi(n)
	return time.Duration(count) * time.Microsecond
}

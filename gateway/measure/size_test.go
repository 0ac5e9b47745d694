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

// perDevice is how many commands are ready on each device.
const perDevice = 10

// fleet is a tenant with ever more devices, past the edge of the gateway.
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

// measureSize holds that what the queue costs does not grow with what is in it: all
// of it belongs to one tenant, and so to one partition.
func measureSize(t *testing.T, e extent) {
	redis := startRedis(t, "--appendonly", "no")
	s := storetest.Connect(t, store.Config{URL: redis.url, AutoPipeline: true, Timeout: 10 * time.Second, Logger: slog.New(slog.DiscardHandler)})
	f := &fleet{
		t: t, redis: redis, store: s, tenant: storetest.Tenant(),
		queue:    queue.New(queue.Config{Store: s, Logger: slog.New(slog.DiscardHandler)}),
		sessions: session.New(session.Config{Store: s}),
	}
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

// memory is what Redis takes for each, in bytes.
type memory struct{ device, command float64 }

// grow adds devices and commands until so many commands are ready.
func (f *fleet) grow(ready int) memory {
	f.t.Helper()
	n := ready/perDevice - len(f.devices)
	before := f.used()
	sessions := make([]session.Session, n)
	f.many(n, func(i int) error {
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
	between := f.used()
	f.many(n*perDevice, func(i int) error {
		_, err := f.queue.Propose(f.t.Context(), queue.Proposal{
			Tenant: f.tenant, SessionID: sessions[i/perDevice].ID, UserID: "alice", RequestID: "r",
			Type: "diagnostic.dns", Parameters: json.RawMessage(`{"host":"example.com"}`), Priority: 5,
		})
		return err
	})
	return memory{device: (between - before) / float64(n), command: (f.used() - between) / float64(n*perDevice)}
}

// many does something so often, 64 at a time.
func (f *fleet) many(n int, do func(i int) error) {
	f.t.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
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

func (f *fleet) used() float64 {
	f.t.Helper()
	info := f.redis.InfoMap(f.t.Context(), "memory")
	require.NoError(f.t, info.Err())
	used, err := strconv.ParseFloat(info.Item("Memory", "used_memory"), 64)
	require.NoError(f.t, err)
	return used
}

// claim claims and gives back, one after the other on devices all over the fleet. It
// tells how long Redis worked on a claim and how long the caller waited for it.
func (f *fleet) claim(n int) (inRedis, alone time.Duration) {
	f.t.Helper()
	var waited []time.Duration
	var leases []held
	f.forget()
	for i := range n {
		start := time.Now()
		leases = append(leases, f.take(f.devices[i*7919%len(f.devices)], time.Minute))
		waited = append(waited, time.Since(start))
	}
	inRedis = f.inRedis() / time.Duration(n)
	for _, l := range leases {
		_, err := f.queue.Release(f.t.Context(), l.hold(), "")
		require.NoError(f.t, err)
	}
	slices.Sort(waited)
	return inRedis, waited[n/2]
}

// held is a command in the hands of its device.
type held struct {
	device store.Device
	lease  queue.Lease
}

func (h held) hold() queue.ClaimRef {
	return queue.ClaimRef{Device: h.device, CommandID: h.lease.ID, Token: h.lease.Token, RequestID: "r"}
}

func (f *fleet) take(d store.Device, visibility time.Duration) held {
	f.t.Helper()
	leases, err := f.queue.Claim(f.t.Context(), queue.ClaimRequest{Device: d, RequestID: "r", Limit: 1, Visibility: visibility})
	require.NoError(f.t, err)
	require.Len(f.t, leases, 1)
	return held{d, leases[0]}
}

// sweep lets so many leases end and tells how long Redis worked until all were settled.
func (f *fleet) sweep(n int) time.Duration {
	f.t.Helper()
	n = min(n, len(f.devices))
	var last held
	for i := range n {
		last = f.take(f.devices[len(f.devices)-1-i], 2*time.Second) // those that no sweep has seen
	}
	time.Sleep(time.Until(last.lease.VisibleUntil) + 10*time.Millisecond)
	f.forget()
	_, err := f.store.SweepOnce(f.t.Context(), map[string]store.Settle{"command": f.queue.Settle, "session": f.sessions.Settle})
	require.NoError(f.t, err)
	took := f.inRedis()
	after, err := f.queue.GetOwn(f.t.Context(), last.device, last.lease.ID)
	require.NoError(f.t, err)
	require.Equal(f.t, queue.Queued, after.Status, "the sweep has settled it")
	return took
}

// forget makes Redis count from here.
func (f *fleet) forget() {
	f.t.Helper()
	require.NoError(f.t, f.redis.ConfigResetStat(f.t.Context()).Err())
}

// inRedis is how long Redis has worked on commands since forget. What a script does is
// counted with the script; each of its commands is listed too, and must not count twice.
func (f *fleet) inRedis() (total time.Duration) {
	f.t.Helper()
	stats := f.redis.InfoMap(f.t.Context(), "commandstats")
	require.NoError(f.t, stats.Err())
	for _, name := range []string{"evalsha", "eval"} {
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

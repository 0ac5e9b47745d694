// Package spread measures a tenant whose devices are in several partitions, as the ADR about
// large tenants proposes. It is a prototype: it uses the queue as it is, with one tenant for
// each partition, and merges what the partitions return.
package spread

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// These are the dimensions of the measurement.
const (
	nodes     = 3
	rounds    = 5
	devices   = 900
	perDevice = 6   // ready commands of each device
	pending   = 600 // commands pending approval
	claims    = 900 // in each round; each takes one command
	reads     = 200 // of the inbox and of the room in each round
	pageSize  = 50
)

// TestMeasureSpread prints what a claim, a page of the inbox and a page of the tenant's room
// cost with 1, 3 and 9 partitions on a Cluster of three masters, in interleaved rounds.
func TestMeasureSpread(t *testing.T) {
	if os.Getenv("FIELDGATE_MEASURE_SPREAD") == "" {
		t.Skip("set FIELDGATE_MEASURE_SPREAD=full to measure")
	}
	cluster := storetest.StartCluster(t, nodes)
	s := storetest.Connect(t, store.Config{URL: cluster.URL(), AutoPipeline: true, Timeout: 10 * time.Second, Logger: slog.New(slog.DiscardHandler)})
	var tenants []*tenant
	for _, spread := range []int{1, 3, 9} {
		tenants = append(tenants, newTenant(t, cluster, s, spread))
	}
	fmt.Println("| round | partitions | claims/s | claim p50 | p99 | Redis, all nodes | busiest node | claims/s of that node alone | inbox p50 | Redis | room p50 | Redis |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|---|")
	for round := range rounds {
		for _, tn := range tenants {
			fmt.Println(tn.measure(round + 1))
		}
	}
}

// tenant is a tenant whose devices are spread over partitions. Each partition is a tenant of
// its own for the queue.
type tenant struct {
	t          *testing.T
	masters    []*redis.Client
	store      *store.Store
	queue      *queue.Queue
	partitions []string
	devices    []store.Device
	next       int // device of the next claim
}

func newTenant(t *testing.T, cluster storetest.Cluster, s *store.Store, spread int) *tenant {
	tn := &tenant{t: t, store: s, queue: queue.New(queue.Config{Store: s, Logger: slog.New(slog.DiscardHandler)})}
	for _, node := range cluster {
		tn.masters = append(tn.masters, node.Client(t))
	}
	for i := range spread {
		tn.partitions = append(tn.partitions, nameOn(t, cluster, cluster[i%nodes]))
	}
	tn.fill(session.New(session.Config{Store: s}))
	return tn
}

// nameOn returns a new name of a tenant whose partition belongs to the node.
func nameOn(t *testing.T, cluster storetest.Cluster, node *storetest.Server) string {
	for {
		name := storetest.Tenant()
		if cluster.Owner(t, store.Tenant(name).InboxKey()) == node {
			return name
		}
	}
}

// fill adds the devices with their commands.
func (tn *tenant) fill(sessions *session.Service) {
	ctx := tn.t.Context()
	tn.devices = make([]store.Device, devices)
	opened := make([]session.Session, devices)
	tn.parallel(devices, func(i int) error {
		name := tn.partitions[i%len(tn.partitions)]
		d := store.Device{Tenant: name, ID: store.NewID(store.KindDevice, store.PartitionOf(name))}
		tn.devices[i] = d
		err := tn.store.Do(ctx, "test", func(ctx context.Context, c store.Client) error {
			return c.HSet(ctx, d.RecordKey(), "tenant", name, "status", "active").Err()
		})
		if err != nil {
			return err
		}
		opened[i], err = sessions.Open(ctx, session.OpenRequest{
			Tenant: name, DeviceID: d.ID, UserID: "alice", Type: "diagnostic", Duration: time.Hour, RequestID: "r",
		})
		return err
	})
	propose := func(i int, kind string) error {
		_, err := tn.queue.Propose(ctx, queue.Proposal{
			Tenant: opened[i].Tenant, SessionID: opened[i].ID, UserID: "alice", RequestID: "r", Type: kind,
			Parameters: json.RawMessage(`{"host":"example.com"}`), Priority: 5,
		})
		return err
	}
	tn.parallel(devices*perDevice, func(i int) error { return propose(i%devices, "diagnostic.dns") })
	tn.parallel(pending, func(i int) error { return propose(i, "config.set") })
}

// parallel runs task n times, 32 at a time.
func (tn *tenant) parallel(n int, task func(i int) error) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := task(i); err != nil {
					tn.t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if tn.t.Failed() {
		tn.t.FailNow()
	}
}

// measure returns one row of the table.
func (tn *tenant) measure(round int) string {
	times := make([]time.Duration, claims)
	first := tn.next
	tn.next += claims
	began := time.Now()
	used := tn.inRedis(func() {
		tn.parallel(claims, func(i int) error {
			start := time.Now()
			got, err := tn.queue.Claim(tn.t.Context(), queue.ClaimRequest{
				Device: tn.devices[(first+i)%devices], RequestID: "r", Limit: 1, Visibility: time.Hour,
			})
			if times[i] = time.Since(start); err == nil && len(got) != 1 {
				err = fmt.Errorf("%d commands", len(got))
			}
			return err
		})
	})
	rate := claims / time.Since(began).Seconds()
	busiest := slices.Max(used) / claims
	inbox, inboxUsed := tn.repeat(tn.readInbox)
	room, roomUsed := tn.repeat(tn.readRoom)
	slices.Sort(times)
	return fmt.Sprintf("| %d | %d | %.0f | %v | %v | %v | %v | %.0f | %v | %v | %v | %v |", round, len(tn.partitions), rate,
		brief(times[claims/2]), brief(times[claims*99/100]), brief(sum(used)/claims), brief(busiest), 1/busiest.Seconds(),
		brief(inbox), brief(inboxUsed), brief(room), brief(roomUsed))
}

func brief(d time.Duration) time.Duration { return d.Round(time.Microsecond) }

func sum(all []time.Duration) (total time.Duration) {
	for _, d := range all {
		total += d
	}
	return total
}

// repeat runs a read and returns the median of its duration, and the time that all nodes
// spend on one read.
func (tn *tenant) repeat(read func() int) (p50, inRedis time.Duration) {
	times := make([]time.Duration, reads)
	used := tn.inRedis(func() {
		for i := range times {
			start := time.Now()
			require.Equal(tn.t, pageSize, read())
			times[i] = time.Since(start)
		}
	})
	slices.Sort(times)
	return times[reads/2], sum(used) / reads
}

// inRedis runs f and returns the processor time that each node has used meanwhile. The time of
// the main thread bounds what a node can do, and does not depend on other work of the machine.
func (tn *tenant) inRedis(f func()) (used []time.Duration) {
	before := tn.processorTimes()
	f()
	for i, after := range tn.processorTimes() {
		used = append(used, after-before[i])
	}
	return used
}

// processorTimes returns the processor time that each node has used since its start.
func (tn *tenant) processorTimes() (times []time.Duration) {
	for _, m := range tn.masters {
		info := m.InfoMap(tn.t.Context(), "cpu")
		require.NoError(tn.t, info.Err())
		var total float64
		for _, field := range []string{"used_cpu_user_main_thread", "used_cpu_sys_main_thread"} {
			seconds, err := strconv.ParseFloat(info.Item("CPU", field), 64)
			require.NoError(tn.t, err)
			total += seconds
		}
		times = append(times, time.Duration(total*float64(time.Second)))
	}
	return times
}

// entry is an item of a partition's page with what the merge orders it by.
type entry struct{ order, id string }

// readInbox reads the oldest page of the inbox: a page of each partition, merged by the time in
// the ids.
func (tn *tenant) readInbox() int {
	return len(tn.merge(func(name string) (page []entry, err error) {
		found, _, err := tn.queue.Pending(tn.t.Context(), name, store.Page{Limit: pageSize})
		for _, c := range found {
			page = append(page, entry{c.ID[len("cmd_00"):], c.ID})
		}
		return page, err
	}))
}

// readRoom reads a page of the tenant's room after a position, which is a vector: a page of
// each partition's stream, merged by time.
func (tn *tenant) readRoom() int {
	return len(tn.merge(func(name string) (page []entry, err error) {
		var found []redis.XMessage
		err = tn.store.Do(tn.t.Context(), "test", func(ctx context.Context, c store.Client) (err error) {
			found, err = c.XRangeN(ctx, store.Tenant(name).StreamKey(), "(0-0", "+", pageSize).Result()
			return err
		})
		for _, e := range found {
			page = append(page, entry{e.ID, e.ID})
		}
		return page, err
	}))
}

// merge reads a page of each partition at the same time and returns the first pageSize entries
// of all.
func (tn *tenant) merge(read func(name string) ([]entry, error)) []entry {
	pages := make([][]entry, len(tn.partitions))
	var all sync.WaitGroup
	for i, name := range tn.partitions {
		all.Go(func() {
			page, err := read(name)
			if err != nil {
				tn.t.Error(err)
			}
			pages[i] = page
		})
	}
	all.Wait()
	merged := slices.Concat(pages...)
	slices.SortFunc(merged, func(a, b entry) int { return cmp.Compare(a.order, b.order) })
	return merged[:min(len(merged), pageSize)]
}

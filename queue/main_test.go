package queue_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestMain keeps the property test short where nobody asks for more of it.
func TestMain(m *testing.M) {
	asked := false
	flag.Parse()
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if !asked {
		if err := flag.Set("rapid.checks", "60"); err != nil {
			panic(err)
		}
	}
	storetest.Main(m)
}

// eachAlone runs a test on every kind of store, each with nobody else on it: for
// what must not be swept, or seen, by the tests beside it.
func eachAlone(t *testing.T, test func(t *testing.T, s *store.Store)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, storetest.Connect(t, store.Config{Logger: slog.New(slog.DiscardHandler)}))
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		test(t, alone(t))
	})
}

// alone is a Redis with nobody else on it.
func alone(t *testing.T) *store.Store {
	t.Helper()
	return storetest.Connect(t, store.Config{URL: storetest.Start(t).URL(), Logger: slog.New(slog.DiscardHandler)})
}

// bench is a queue with one active device and one open session on it.
type bench struct {
	t        testing.TB
	store    *store.Store
	queue    *queue.Queue
	sessions *session.Service
	device   store.Device
	session  session.Session
	log      *storetest.Text
	metrics  *prometheus.Registry
}

// proposer and approver are two people of the same tenant.
const (
	proposer = "u-proposer"
	approver = "u-approver"
)

// Types of commands: the policy asks a person about the second.
const (
	auto   = "diagnostic.dns"
	review = "config.set"
)

func newBench(t testing.TB, s *store.Store, change ...func(*queue.Config)) *bench {
	t.Helper()
	b := &bench{t: t, store: s, log: new(storetest.Text), metrics: prometheus.NewRegistry()}
	cfg := queue.Config{
		Store: s, PollEvery: 200 * time.Millisecond, Registerer: b.metrics,
		Logger: slog.New(slog.NewTextHandler(b.log, nil)),
	}
	for _, f := range change {
		f(&cfg)
	}
	b.queue = queue.New(cfg)
	b.sessions = session.New(session.Config{Store: s, Retention: cfg.Retention})
	b.device = b.newDevice(storetest.Tenant())
	b.session = b.open(b.device, time.Hour)
	return b
}

// newDevice writes the record of an active device.
func (b *bench) newDevice(tenant string) store.Device {
	b.t.Helper()
	d := store.Device{Tenant: tenant, ID: store.NewID(store.KindDevice, store.PartitionOf(tenant))}
	b.do(func(ctx context.Context, c store.Client) error {
		return c.HSet(ctx, d.RecordKey(), "tenant", tenant, "status", "active").Err()
	})
	return d
}

func (b *bench) open(d store.Device, lasts time.Duration) session.Session {
	b.t.Helper()
	s, err := b.sessions.Open(b.t.Context(), session.OpenRequest{
		Tenant: d.Tenant, DeviceID: d.ID, UserID: proposer, Type: "diagnostic", Duration: lasts, RequestID: "req-open",
	})
	require.NoError(b.t, err)
	return s
}

// beside is the same queue seen from another device, with a session of its own.
func (b *bench) beside(d store.Device) *bench {
	b.t.Helper()
	other := *b
	other.device, other.session = d, b.open(d, time.Hour)
	return &other
}

func (b *bench) closeSession() {
	b.t.Helper()
	_, err := b.sessions.Close(b.t.Context(), session.CloseRequest{Tenant: b.device.Tenant, SessionID: b.session.ID, UserID: proposer})
	require.NoError(b.t, err)
}

// do talks to the store past the queue.
func (b *bench) do(f func(ctx context.Context, c store.Client) error) {
	b.t.Helper()
	require.NoError(b.t, b.store.Do(b.t.Context(), "test", f))
}

func (b *bench) proposal(commandType string) queue.Proposal {
	return queue.Proposal{
		Tenant: b.device.Tenant, SessionID: b.session.ID, UserID: proposer, RequestID: "req-propose",
		Type: commandType, Parameters: json.RawMessage(`{"host":"example.com"}`), Priority: 5,
	}
}

func (b *bench) propose(commandType string, change ...func(*queue.Proposal)) queue.Command {
	b.t.Helper()
	p := b.proposal(commandType)
	for _, f := range change {
		f(&p)
	}
	c, err := b.queue.Propose(b.t.Context(), p)
	require.NoError(b.t, err)
	return c
}

func attempts(n int) func(*queue.Proposal) {
	return func(p *queue.Proposal) { p.MaxAttempts = n }
}

func deliverWithin(d time.Duration) func(*queue.Proposal) {
	return func(p *queue.Proposal) { p.DeliverWithin = d }
}

func (b *bench) decision(c queue.Command, approved bool) queue.Decision {
	return queue.Decision{
		Tenant: c.Tenant, SessionID: c.SessionID, CommandID: c.ID, UserID: approver, RequestID: "req-decide",
		Approved: approved, Reason: "looked at it",
	}
}

func (b *bench) approve(c queue.Command) queue.Command {
	b.t.Helper()
	approved, err := b.queue.Decide(b.t.Context(), b.decision(c, true))
	require.NoError(b.t, err)
	return approved
}

func (b *bench) cancel(c queue.Command) queue.Command {
	b.t.Helper()
	cancelled, err := b.queue.Cancel(b.t.Context(), cancelOf(c))
	require.NoError(b.t, err)
	return cancelled
}

func cancelOf(c queue.Command) queue.Cancel {
	return queue.Cancel{Tenant: c.Tenant, SessionID: c.SessionID, CommandID: c.ID, UserID: proposer, RequestID: "req-cancel", Reason: "not needed"}
}

func retryOf(c queue.Command) queue.Retry {
	return queue.Retry{Tenant: c.Tenant, SessionID: c.SessionID, CommandID: c.ID, UserID: proposer, RequestID: "req-retry", Reason: "once more"}
}

func (b *bench) claimRequest(change ...func(*queue.ClaimRequest)) queue.ClaimRequest {
	r := queue.ClaimRequest{Device: b.device, RequestID: "req-claim", Limit: 1, Visibility: time.Minute}
	for _, f := range change {
		f(&r)
	}
	return r
}

func (b *bench) claim(change ...func(*queue.ClaimRequest)) []queue.Lease {
	b.t.Helper()
	leases, err := b.queue.Claim(b.t.Context(), b.claimRequest(change...))
	require.NoError(b.t, err)
	return leases
}

// take claims exactly one command.
func (b *bench) take(change ...func(*queue.ClaimRequest)) queue.Lease {
	b.t.Helper()
	leases := b.claim(change...)
	require.Len(b.t, leases, 1)
	return leases[0]
}

func visibleFor(d time.Duration) func(*queue.ClaimRequest) {
	return func(r *queue.ClaimRequest) { r.Visibility = d }
}

func limit(n int) func(*queue.ClaimRequest) {
	return func(r *queue.ClaimRequest) { r.Limit = n }
}

// brief is a lease that is over at once.
var brief = visibleFor(time.Millisecond)

func (b *bench) hold(l queue.Lease) queue.ClaimRef {
	return queue.ClaimRef{Device: b.device, CommandID: l.ID, Token: l.Token, RequestID: "req-hold"}
}

func (b *bench) finish(l queue.Lease, status queue.Status) queue.RecordedResult {
	b.t.Helper()
	out, err := b.queue.SubmitResult(b.t.Context(), b.hold(l), status, queue.Result{Output: "done"})
	require.NoError(b.t, err)
	return out
}

// lapse lets a lease end, without anything settling it.
func (b *bench) lapse(l queue.Lease) {
	b.t.Helper()
	e, err := b.queue.Extend(b.t.Context(), b.hold(l), time.Millisecond)
	require.NoError(b.t, err)
	b.passes(e.VisibleUntil)
}

func (b *bench) get(id string) queue.Command {
	b.t.Helper()
	c, err := b.queue.GetOwn(b.t.Context(), b.device, id)
	require.NoError(b.t, err)
	return c
}

// sweep settles whatever is due, as the sweeper of an instance does.
func (b *bench) sweep() {
	b.t.Helper()
	_, err := b.store.SweepOnce(b.t.Context(), map[string]store.Settle{
		"command": b.queue.Settle, "session": b.sessions.Settle,
	})
	require.NoError(b.t, err)
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 10*time.Second, 2*time.Millisecond, what)
}

// becomes sweeps until the command has the status.
func (b *bench) becomes(id string, want queue.Status) queue.Command {
	b.t.Helper()
	var c queue.Command
	eventually(b.t, fmt.Sprintf("the command never became %s", want), func() bool {
		b.sweep()
		c = b.get(id)
		return c.Status == want
	})
	return c
}

// passes waits until the store's clock has passed a moment, and settles nothing.
func (b *bench) passes(moment time.Time) {
	b.t.Helper()
	eventually(b.t, "the store's clock stands still", func() bool {
		var now time.Time
		b.do(func(ctx context.Context, c store.Client) (err error) {
			now, err = c.Time(ctx).Result()
			return err
		})
		return now.After(moment.Add(time.Millisecond))
	})
}

// state reads the record that the scripts keep of a command.
func (b *bench) state(id string) map[string]any {
	b.t.Helper()
	var raw string
	b.do(func(ctx context.Context, c store.Client) (err error) {
		raw, err = c.HGet(ctx, b.device.CommandsKey(), id).Result()
		return err
	})
	decoder := json.NewDecoder(strings.NewReader(raw))
	decoder.UseNumber()
	var state map[string]any
	require.NoError(b.t, decoder.Decode(&state))
	return state
}

// edit changes the record that the scripts keep of a command.
func (b *bench) edit(id string, change func(state map[string]any)) {
	b.t.Helper()
	state := b.state(id)
	change(state)
	raw, err := json.Marshal(state)
	require.NoError(b.t, err)
	b.overwrite(id, string(raw))
}

func (b *bench) overwrite(field, value string) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) error {
		return c.HSet(ctx, b.device.CommandsKey(), field, value).Err()
	})
}

// events lists what the session's timeline says happened.
func (b *bench) events() []session.Event {
	b.t.Helper()
	events, _, err := b.sessions.Events(b.t.Context(), b.device.Tenant, b.session.ID, time.Time{}, store.Page{Limit: 200})
	require.NoError(b.t, err)
	return events
}

// happened lists the types of the events of one command, without their prefix.
func (b *bench) happened(id string) []string {
	b.t.Helper()
	var types []string
	for _, e := range b.events() {
		if e.CommandID == id {
			types = append(types, strings.TrimPrefix(e.Type, "command."))
		}
	}
	return types
}

// counted gives the value of a counter or gauge of the queue.
func (b *bench) counted(name string) float64 {
	b.t.Helper()
	families, err := b.metrics.Gather()
	require.NoError(b.t, err)
	var sum float64
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// refused takes the refusal out of an error and checks its code.
func refused(t testing.TB, err error, code fieldgate.Code) *fieldgate.Error {
	t.Helper()
	var refusal *fieldgate.Error
	require.Truef(t, errors.As(err, &refusal), "want %s, got %v", code, err)
	require.Equal(t, code, refusal.Code)
	return refusal
}

// stands is the state of a command as a refusal tells it.
func stands(c queue.Command) *fieldgate.CommandState {
	return &fieldgate.CommandState{ID: c.ID, Status: string(c.Status), Attempt: c.Attempt}
}

func ids(leases []queue.Lease) []string {
	var list []string
	for _, l := range leases {
		list = append(list, l.ID)
	}
	return list
}

// rounds counts the round trips to a store, by what they were for.
type rounds struct {
	mu    sync.Mutex
	count map[string]int
}

func (r *rounds) observe(name string, _ time.Duration, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count == nil {
		r.count = map[string]int{}
	}
	r.count[name]++
}

func (r *rounds) of(name string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count[name]
}

// since gives what was counted after a reading of all.
func (r *rounds) since(before map[string]int) map[string]int {
	more := map[string]int{}
	for name, n := range r.all() {
		if n > before[name] {
			more[name] = n - before[name]
		}
	}
	return more
}

func (r *rounds) all() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[string]int, len(r.count))
	for name, n := range r.count {
		all[name] = n
	}
	return all
}

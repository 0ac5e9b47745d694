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

// TestMain reduces the number of sequences in the property test, unless -rapid.checks is
// given.
func TestMain(m *testing.M) {
	given := false
	flag.Parse()
	flag.Visit(func(set *flag.Flag) { given = given || set.Name == "rapid.checks" })
	if !given {
		if err := flag.Set("rapid.checks", "60"); err != nil {
			panic(err)
		}
	}
	storetest.Main(m)
}

// eachIsolated runs a test on every type of store, with a server that no other test uses. A
// test needs this if it sweeps, or if the sweeper of another test would disturb it.
func eachIsolated(t *testing.T, test func(t *testing.T, s *store.Store)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, storetest.Connect(t, store.Config{Logger: slog.New(slog.DiscardHandler)}))
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		test(t, isolatedRedis(t))
	})
}

// isolatedRedis connects to a Redis server that no other test uses.
func isolatedRedis(t *testing.T) *store.Store {
	t.Helper()
	return storetest.Connect(t, store.Config{URL: storetest.Start(t).URL(), Logger: slog.New(slog.DiscardHandler)})
}

// fixture is a queue with one active device that has an open session.
type fixture struct {
	t        testing.TB
	store    *store.Store
	queue    *queue.Queue
	sessions *session.Service
	device   store.Device
	session  session.Session
	log      *storetest.Buffer
	metrics  *prometheus.Registry
}

// These are the ids of two users in the same tenant.
const (
	proposer = "u-proposer"
	approver = "u-approver"
)

// These are types of commands. The default policy requires approval for the second type.
const (
	auto   = "diagnostic.dns"
	review = "config.set"
)

// longLease is the default length of a lease. It exceeds the default timeout of tests (10
// min), so that no lease expires by chance on a slow machine. A test that needs an expired
// lease uses shortLease or expireLease.
const longLease = time.Hour

// sessionLength is longer than any lease and any wait, so that no session ends before one does.
const sessionLength = 25 * time.Hour

func newFixture(t testing.TB, s *store.Store, change ...func(*queue.Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, store: s, log: new(storetest.Buffer), metrics: prometheus.NewRegistry()}
	cfg := queue.Config{
		Store: s, PollEvery: 200 * time.Millisecond, Registerer: f.metrics,
		Logger: slog.New(slog.NewTextHandler(f.log, nil)),
	}
	for _, set := range change {
		set(&cfg)
	}
	f.queue = queue.New(cfg)
	f.sessions = session.New(session.Config{Store: s, Retention: cfg.Retention})
	f.device = f.newDevice(storetest.Tenant())
	f.session = f.open(f.device, sessionLength)
	return f
}

// newDevice writes the record of an active device.
func (f *fixture) newDevice(tenant string) store.Device {
	f.t.Helper()
	d := store.Device{Tenant: tenant, ID: store.NewID(store.KindDevice, store.PartitionOf(tenant))}
	f.do(func(ctx context.Context, c store.Client) error {
		return c.HSet(ctx, d.RecordKey(), "tenant", tenant, "status", "active").Err()
	})
	return d
}

func (f *fixture) open(d store.Device, duration time.Duration) session.Session {
	f.t.Helper()
	s, err := f.sessions.Open(f.t.Context(), session.OpenRequest{
		Tenant: d.Tenant, DeviceID: d.ID, UserID: proposer, Type: "diagnostic", Duration: duration, RequestID: "req-open",
	})
	require.NoError(f.t, err)
	return s
}

// withDevice returns a fixture with the same queue and the device d. It opens a session for d.
func (f *fixture) withDevice(d store.Device) *fixture {
	f.t.Helper()
	other := *f
	other.device, other.session = d, f.open(d, sessionLength)
	return &other
}

func (f *fixture) closeSession() {
	f.t.Helper()
	_, err := f.sessions.Close(f.t.Context(), session.CloseRequest{Tenant: f.device.Tenant, SessionID: f.session.ID, UserID: proposer})
	require.NoError(f.t, err)
}

// do runs Redis commands on the store directly.
func (f *fixture) do(call func(ctx context.Context, c store.Client) error) {
	f.t.Helper()
	require.NoError(f.t, f.store.Do(f.t.Context(), "test", call))
}

func (f *fixture) proposal(commandType string) queue.Proposal {
	return queue.Proposal{
		Tenant: f.device.Tenant, SessionID: f.session.ID, UserID: proposer, Names: storetest.NamesOf(proposer),
		RequestID: "req-propose", Type: commandType, Parameters: json.RawMessage(`{"host":"example.com"}`), Priority: 5,
	}
}

func (f *fixture) propose(commandType string, change ...func(*queue.Proposal)) queue.Command {
	f.t.Helper()
	p := f.proposal(commandType)
	for _, set := range change {
		set(&p)
	}
	c, err := f.queue.Propose(f.t.Context(), p)
	require.NoError(f.t, err)
	return c
}

func maxAttempts(n int) func(*queue.Proposal) {
	return func(p *queue.Proposal) { p.MaxAttempts = n }
}

func deliverWithin(d time.Duration) func(*queue.Proposal) {
	return func(p *queue.Proposal) { p.DeliverWithin = d }
}

func (f *fixture) decision(c queue.Command, approved bool) queue.Decision {
	return queue.Decision{
		Tenant: c.Tenant, SessionID: c.SessionID, CommandID: c.ID, UserID: approver, Names: storetest.NamesOf(approver),
		RequestID: "req-decide", Approved: approved, Reason: "checked",
	}
}

func (f *fixture) approve(c queue.Command) queue.Command {
	f.t.Helper()
	approved, err := f.queue.Decide(f.t.Context(), f.decision(c, true))
	require.NoError(f.t, err)
	return approved
}

func (f *fixture) cancel(c queue.Command) queue.Command {
	f.t.Helper()
	cancelled, err := f.queue.Cancel(f.t.Context(), cancelOf(c))
	require.NoError(f.t, err)
	return cancelled
}

func cancelOf(c queue.Command) queue.Cancel {
	return queue.Cancel{Tenant: c.Tenant, SessionID: c.SessionID, CommandID: c.ID, UserID: proposer, Names: storetest.NamesOf(proposer), RequestID: "req-cancel", Reason: "not needed"}
}

func retryOf(c queue.Command) queue.Retry {
	return queue.Retry{Tenant: c.Tenant, SessionID: c.SessionID, CommandID: c.ID, UserID: proposer, Names: storetest.NamesOf(proposer), RequestID: "req-retry", Reason: "once more"}
}

func (f *fixture) claimRequest(change ...func(*queue.ClaimRequest)) queue.ClaimRequest {
	r := queue.ClaimRequest{Device: f.device, RequestID: "req-claim", Limit: 1, Visibility: longLease}
	for _, set := range change {
		set(&r)
	}
	return r
}

func (f *fixture) claim(change ...func(*queue.ClaimRequest)) []queue.Lease {
	f.t.Helper()
	leases, err := f.queue.Claim(f.t.Context(), f.claimRequest(change...))
	require.NoError(f.t, err)
	return leases
}

// claimOne runs a claim that must return exactly one lease, and returns that lease.
func (f *fixture) claimOne(change ...func(*queue.ClaimRequest)) queue.Lease {
	f.t.Helper()
	leases := f.claim(change...)
	require.Len(f.t, leases, 1)
	return leases[0]
}

func visibility(d time.Duration) func(*queue.ClaimRequest) {
	return func(r *queue.ClaimRequest) { r.Visibility = d }
}

func limit(n int) func(*queue.ClaimRequest) {
	return func(r *queue.ClaimRequest) { r.Limit = n }
}

// shortLease sets the length of a lease to 1 ms, so that the lease expires at once.
var shortLease = visibility(time.Millisecond)

func (f *fixture) ref(l queue.Lease) queue.ClaimRef {
	return queue.ClaimRef{Device: f.device, CommandID: l.ID, Token: l.Token, RequestID: "req-lease"}
}

func (f *fixture) submitResult(l queue.Lease, status queue.Status) queue.RecordedResult {
	f.t.Helper()
	recorded, err := f.queue.SubmitResult(f.t.Context(), f.ref(l), status, queue.Result{Output: "done"})
	require.NoError(f.t, err)
	return recorded
}

// expireLease shortens a lease and waits until the lease has expired. It does not settle
// the command.
func (f *fixture) expireLease(l queue.Lease) {
	f.t.Helper()
	e, err := f.queue.Extend(f.t.Context(), f.ref(l), time.Millisecond)
	require.NoError(f.t, err)
	f.waitUntilAfter(e.VisibleUntil)
}

func (f *fixture) get(id string) queue.Command {
	f.t.Helper()
	c, err := f.queue.GetOwn(f.t.Context(), f.device, id)
	require.NoError(f.t, err)
	return c
}

// sweep settles one batch of due members, as the sweeper does.
func (f *fixture) sweep() {
	f.t.Helper()
	_, err := f.store.SweepOnce(f.t.Context(), map[string]store.Settle{
		"command": f.queue.Settle, "session": f.sessions.Settle,
	})
	require.NoError(f.t, err)
}

// patience is the maximum time for which a test waits for a condition.
const patience = 30 * time.Second

// eventually waits until condition returns true. If the wait fails, message must describe
// the event that has not happened.
func eventually(t testing.TB, message string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, patience, 2*time.Millisecond, message)
}

// settleUntil sweeps until the command has the status.
func (f *fixture) settleUntil(id string, want queue.Status) queue.Command {
	f.t.Helper()
	var c queue.Command
	eventually(f.t, fmt.Sprintf("the command did not become %s", want), func() bool {
		f.sweep()
		c = f.get(id)
		return c.Status == want
	})
	return c
}

// now returns the store's time.
func (f *fixture) now() (now time.Time) {
	f.t.Helper()
	f.do(func(ctx context.Context, c store.Client) (err error) {
		now, err = c.Time(ctx).Result()
		return err
	})
	return now
}

// waitUntilAfter waits until the store's clock is after t. It settles nothing.
func (f *fixture) waitUntilAfter(t time.Time) {
	f.t.Helper()
	eventually(f.t, "the store's clock stands still", func() bool { return f.now().After(t.Add(time.Millisecond)) })
}

// state reads the stored state of a command.
func (f *fixture) state(id string) map[string]any {
	f.t.Helper()
	var raw string
	f.do(func(ctx context.Context, c store.Client) (err error) {
		if raw, err = c.HGet(ctx, f.device.CommandsKey(), id).Result(); err == nil {
			raw, err = storetest.StateJSON(ctx, c, raw)
		}
		return err
	})
	decoder := json.NewDecoder(strings.NewReader(raw))
	decoder.UseNumber()
	var state map[string]any
	require.NoError(f.t, decoder.Decode(&state))
	return state
}

// editState changes the stored state of a command, which it writes in JSON. The next transition packs
// the state again if it was packed.
func (f *fixture) editState(id string, change func(state map[string]any)) {
	f.t.Helper()
	state := f.state(id)
	change(state)
	raw, err := json.Marshal(state)
	require.NoError(f.t, err)
	f.overwriteField(id, string(raw))
}

// overwriteField sets a field in the hash of the device's commands.
func (f *fixture) overwriteField(field, value string) {
	f.t.Helper()
	f.do(func(ctx context.Context, c store.Client) error {
		return c.HSet(ctx, f.device.CommandsKey(), field, value).Err()
	})
}

// events returns the events in the session's timeline.
func (f *fixture) events() []session.Event {
	f.t.Helper()
	events, _, err := f.sessions.Events(f.t.Context(), f.device.Tenant, f.session.ID, time.Time{}, store.Page{Limit: 200})
	require.NoError(f.t, err)
	return events
}

// eventTypes returns the types of a command's events, without the prefix "command.".
func (f *fixture) eventTypes(id string) []string {
	f.t.Helper()
	var types []string
	for _, e := range f.events() {
		if e.CommandID == id {
			types = append(types, strings.TrimPrefix(e.Type, "command."))
		}
	}
	return types
}

// metricValue returns the value of a counter or gauge by its name.
func (f *fixture) metricValue(name string) float64 {
	f.t.Helper()
	families, err := f.metrics.Gather()
	require.NoError(f.t, err)
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

// requireRefusal requires err to be a refusal with the given code, and returns the
// refusal.
func requireRefusal(t testing.TB, err error, code fieldgate.Code) *fieldgate.Error {
	t.Helper()
	var refusal *fieldgate.Error
	require.Truef(t, errors.As(err, &refusal), "want %s, got %v", code, err)
	require.Equal(t, code, refusal.Code)
	return refusal
}

// stateOf returns the state of c as it appears in a refusal.
func stateOf(c queue.Command) *fieldgate.CommandState {
	return &fieldgate.CommandState{ID: c.ID, Status: string(c.Status), Attempt: c.Attempt}
}

func ids(leases []queue.Lease) []string {
	var list []string
	for _, l := range leases {
		list = append(list, l.ID)
	}
	return list
}

// roundTrips counts the round trips to a store, by the name of the script or command.
type roundTrips struct {
	mu    sync.Mutex
	count map[string]int
}

func (r *roundTrips) observe(name string, _ time.Duration, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count == nil {
		r.count = map[string]int{}
	}
	r.count[name]++
}

func (r *roundTrips) of(name string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count[name]
}

// since returns the increase of each count relative to earlier. It omits unchanged counts.
func (r *roundTrips) since(earlier map[string]int) map[string]int {
	more := map[string]int{}
	for name, n := range r.all() {
		if n > earlier[name] {
			more[name] = n - earlier[name]
		}
	}
	return more
}

func (r *roundTrips) all() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[string]int, len(r.count))
	for name, n := range r.count {
		all[name] = n
	}
	return all
}

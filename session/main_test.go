package session_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// bench is a test fixture: a tenant with one active device.
type bench struct {
	t        *testing.T
	store    *store.Store
	sessions *session.Service
	queue    *queue.Queue
	device   store.Device
}

func newBench(t *testing.T, s *store.Store, change ...func(*session.Config)) *bench {
	t.Helper()
	cfg := session.Config{Store: s, Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&cfg)
	}
	b := &bench{
		t: t, store: s, sessions: session.New(cfg),
		queue: queue.New(queue.Config{Store: s, Retention: cfg.Retention}),
	}
	b.device = b.newDevice(storetest.Tenant())
	return b
}

// each runs a test with a bench on each type of store.
func each(t *testing.T, test func(b *bench)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, s *store.Store) { test(newBench(t, s)) })
}

// newDevice writes the record of an active device.
func (b *bench) newDevice(tenant string) store.Device {
	b.t.Helper()
	d := store.Device{Tenant: tenant, ID: store.NewID(store.KindDevice, store.PartitionOf(tenant))}
	b.setStatus(d, "active")
	return d
}

func (b *bench) setStatus(d store.Device, status string) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) error {
		return c.HSet(ctx, d.RecordKey(), "tenant", d.Tenant, "status", status).Err()
	})
}

func (b *bench) do(f func(ctx context.Context, c store.Client) error) {
	b.t.Helper()
	require.NoError(b.t, b.store.Do(b.t.Context(), "test", f))
}

func (b *bench) openRequest() session.OpenRequest {
	return session.OpenRequest{
		Tenant: b.device.Tenant, DeviceID: b.device.ID, UserID: "u1", Names: storetest.NamesOf("u1"), RequestID: "r-open",
		Type: "diagnostic", Description: "It is slow.", Duration: time.Hour,
	}
}

func (b *bench) open(change ...func(*session.OpenRequest)) session.Session {
	b.t.Helper()
	o := b.openRequest()
	for _, f := range change {
		f(&o)
	}
	s, err := b.sessions.Open(b.t.Context(), o)
	require.NoError(b.t, err)
	return s
}

func (b *bench) close(id string) session.Session {
	b.t.Helper()
	s, err := b.sessions.Close(b.t.Context(), session.CloseRequest{
		Tenant: b.device.Tenant, SessionID: id, UserID: "u2", Names: storetest.NamesOf("u2"), RequestID: "r-close", Reason: "Done.",
	})
	require.NoError(b.t, err)
	return s
}

func (b *bench) get(id string) session.Session {
	b.t.Helper()
	s, err := b.sessions.Get(b.t.Context(), b.device.Tenant, id)
	require.NoError(b.t, err)
	return s
}

// expire sets the expiry of a session to one second ago. The session is not settled.
func (b *bench) expire(id string) {
	b.t.Helper()
	expired := time.Now().Add(-time.Second).UnixMilli()
	b.do(func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		pipe.HSet(ctx, store.SessionKey(id), "expires", expired)
		pipe.HSet(ctx, b.device.RecordKey(), "session_until", expired)
		_, err := pipe.Exec(ctx)
		return err
	})
	require.Equal(b.t, session.Expired, b.get(id).Status)
}

// settle settles one session, as the sweeper does.
func (b *bench) settle(id string) {
	b.t.Helper()
	require.NoError(b.t, b.sessions.Settle(b.t.Context(), []store.Due{{Kind: "session", ID: id, Device: b.device}}))
}

func (b *bench) propose(sessionID, commandType string) queue.Command {
	b.t.Helper()
	c, err := b.queue.Propose(b.t.Context(), queue.Proposal{
		Tenant: b.device.Tenant, SessionID: sessionID, UserID: "u1", Names: storetest.NamesOf("u1"),
		RequestID: "r-propose", Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Type: commandType, Parameters: json.RawMessage(`{}`), Priority: 5,
	})
	require.NoError(b.t, err)
	return c
}

func (b *bench) claim() queue.Lease {
	b.t.Helper()
	leases, err := b.queue.Claim(b.t.Context(), queue.ClaimRequest{Device: b.device, RequestID: "r-claim", Limit: 1, Visibility: time.Minute})
	require.NoError(b.t, err)
	require.Len(b.t, leases, 1)
	return leases[0]
}

func (b *bench) submitResult(l queue.Lease) {
	b.t.Helper()
	claim := queue.ClaimRef{Device: b.device, CommandID: l.ID, Token: l.Token, RequestID: "r-result"}
	_, err := b.queue.SubmitResult(b.t.Context(), claim, queue.Succeeded, queue.Result{Output: "pong"})
	require.NoError(b.t, err)
}

func (b *bench) command(id string) queue.Command {
	b.t.Helper()
	c, err := b.queue.GetOwn(b.t.Context(), b.device, id)
	require.NoError(b.t, err)
	return c
}

// events returns the whole timeline of a session.
func (b *bench) events(id string) []session.Event {
	b.t.Helper()
	events, next, err := b.sessions.Events(b.t.Context(), b.device.Tenant, id, time.Time{}, store.Page{Limit: 1000})
	require.NoError(b.t, err)
	require.Empty(b.t, next)
	return events
}

func typesOf(events []session.Event) []string {
	types := make([]string, len(events))
	for i, e := range events {
		types[i] = e.Type
	}
	return types
}

func requireCode(t testing.TB, want fieldgate.Code, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, fieldgate.CodeOf(err), "%v", err)
}

// foreignIDs returns ids that do not belong to the tenant: ids without a record, ids of
// another partition, and malformed ids.
func (b *bench) foreignIDs(kind string) map[string]string {
	other := storetest.Tenant()
	for store.PartitionOf(other) == store.PartitionOf(b.device.Tenant) {
		other = storetest.Tenant()
	}
	return map[string]string{
		"missing":              store.NewID(kind, store.PartitionOf(b.device.Tenant)),
		"of another partition": store.NewID(kind, store.PartitionOf(other)),
		"empty":                "",
		"malformed":            kind + "_zz",
		"with a separator":     kind + "_00:" + b.device.ID,
	}
}

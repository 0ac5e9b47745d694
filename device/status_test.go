package device_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestSuspend_ResumeMayBeRepeated(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r := b.registered()
		for _, step := range []struct {
			transition func(b *bench, id string) (device.Device, error)
			want       device.Status
		}{
			{resumed, device.Active}, {suspended, device.Suspended}, {suspended, device.Suspended},
			{resumed, device.Active}, {resumed, device.Active},
		} {
			d, err := step.transition(b, r.DeviceID)
			require.NoError(t, err)
			require.Equal(t, step.want, d.Status)
			require.Equal(t, b.get(r.DeviceID), d, "the reply and Get differ")
		}
		require.Equal(t, []string{"device.registered", "device.suspended", "device.resumed"}, b.eventTypes(r.DeviceID))
	})
}

func suspended(b *bench, id string) (device.Device, error) {
	return b.registry.Suspend(b.t.Context(), b.adminRequest(id))
}

func resumed(b *bench, id string) (device.Device, error) {
	return b.registry.Resume(b.t.Context(), b.adminRequest(id))
}

func TestResume_UnregisteredBecomesProvisioned(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		d, activation := b.provision()
		require.NoError(t, suspend(b, d.ID))
		require.NoError(t, resume(b, d.ID))
		require.Equal(t, device.Provisioned, b.get(d.ID).Status)
		b.register(activation.Code)
		require.Equal(t, device.Active, b.get(d.ID).Status)
	})
}

func TestAdminRequest_EventHasActorAndReason(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		r := b.registered()
		require.NoError(t, suspend(b, r.DeviceID))
		require.NoError(t, resume(b, r.DeviceID))
		require.NoError(t, revoke(b, r.DeviceID))
		b.decommission(r.DeviceID)
		for _, event := range b.events(r.DeviceID)[1:] {
			require.Equal(t, "user:"+admin, event.Actor)
			require.Equal(t, "req-admin", event.Request)
			require.JSONEq(t, `{"reason":"because"}`, event.Data)
		}
	})
}

// sessionBench is a bench with an active device and an open session.
type sessionBench struct {
	*bench
	queue    *queue.Queue
	sessions *session.Service
	login    device.Login
	id       string
	session  session.Session
}

func newSessionBench(t *testing.T, s *store.Store, change ...func(*device.Provisioning)) *sessionBench {
	t.Helper()
	b := newBench(t, s)
	r, login := b.loggedIn(change...)
	w := &sessionBench{
		bench: b, queue: queue.New(queue.Config{Store: s}), sessions: session.New(session.Config{Store: s}),
		login: login, id: r.DeviceID,
	}
	w.open()
	return w
}

func (w *sessionBench) open() {
	w.t.Helper()
	var err error
	w.session, err = w.sessions.Open(w.t.Context(), session.OpenRequest{
		Tenant: w.tenant, DeviceID: w.id, UserID: admin, Type: "diagnostic", Duration: time.Hour,
	})
	require.NoError(w.t, err)
}

func (w *sessionBench) propose(kind string) queue.Command {
	w.t.Helper()
	c, err := w.queue.Propose(w.t.Context(), queue.Proposal{
		Tenant: w.tenant, SessionID: w.session.ID, UserID: admin, Type: kind, Parameters: json.RawMessage(`{}`), Priority: 5,
	})
	require.NoError(w.t, err)
	return c
}

func (w *sessionBench) claim() queue.Lease {
	w.t.Helper()
	leases, err := w.queue.Claim(w.t.Context(), queue.ClaimRequest{Device: w.key(w.id), Limit: 1, Visibility: time.Minute})
	require.NoError(w.t, err)
	require.Len(w.t, leases, 1)
	return leases[0]
}

func (w *sessionBench) status(c queue.Command) queue.Status {
	w.t.Helper()
	now, err := w.queue.GetOwn(w.t.Context(), w.key(w.id), c.ID)
	require.NoError(w.t, err)
	return now.Status
}

func TestSuspend_KeepsSessionAndCommands(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newSessionBench(t, s)
		queued := w.propose("diagnostic.dns")
		require.NoError(t, suspend(w.bench, w.id))
		require.Equal(t, w.session.ID, w.get(w.id).ActiveSessionID)
		require.EqualValues(t, 1, w.get(w.id).PendingCommands)
		require.NoError(t, resume(w.bench, w.id))
		require.Equal(t, queued.ID, w.claim().ID)
	})
}

func TestDecommission_EndsSessionAndWaitingCommands(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newSessionBench(t, s)
		w.propose("diagnostic.dns")
		claimed := w.claim()
		queued, pending := w.propose("diagnostic.dns"), w.propose("service.restart")
		w.decommission(w.id)

		require.Equal(t, queue.Cancelled, w.status(queued))
		require.Equal(t, queue.Cancelled, w.status(pending))
		require.Equal(t, queue.Claimed, w.status(claimed.Command), "a claimed command must stay claimed: only its device knows its result")
		closed, err := w.sessions.Get(t.Context(), w.tenant, w.session.ID)
		require.NoError(t, err)
		require.Equal(t, session.Closed, closed.Status)

		d := w.get(w.id)
		require.Equal(t, device.Decommissioned, d.Status)
		require.Empty(t, d.ActiveSessionID)
		require.Zero(t, d.PendingCommands)
		require.NotContains(t, w.record(w.id), "secret")
		require.Equal(t, []string{"command.cancelled", "command.cancelled", "session.closed", "device.decommissioned"},
			w.eventTypes(w.id)[len(w.eventTypes(w.id))-4:])
	})
}

// TestDecommission_CancelsCommandsOfLostSession deletes the record of a session.
// Decommission must still cancel the session's waiting commands.
func TestDecommission_CancelsCommandsOfLostSession(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newSessionBench(t, s)
		queued, pending := w.propose("diagnostic.dns"), w.propose("service.restart")
		w.do(func(ctx context.Context, c store.Client) error {
			return c.Del(ctx, store.SessionKey(w.session.ID)).Err()
		})
		w.decommission(w.id)
		require.Equal(t, queue.Cancelled, w.status(queued))
		require.Equal(t, queue.Cancelled, w.status(pending))
		require.Empty(t, w.get(w.id).ActiveSessionID)
	})
}

func TestDecommission_IsFinalAndMayBeRepeated(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newSessionBench(t, s)
		w.decommission(w.id)
		before := w.record(w.id)
		w.decommission(w.id)
		require.Equal(t, before, w.record(w.id))
		name := "another name"
		for _, transition := range []func() error{
			func() error { return suspend(w.bench, w.id) },
			func() error { return resume(w.bench, w.id) },
			func() error { return revoke(w.bench, w.id) },
			func() error {
				_, err := w.registry.Update(t.Context(), device.Change{Tenant: w.tenant, DeviceID: w.id, Name: &name})
				return err
			},
		} {
			requireRefused(t, fieldgate.CodeDeviceDecommissioned, transition())
		}
		_, err := w.sessions.Open(t.Context(), session.OpenRequest{Tenant: w.tenant, DeviceID: w.id, Duration: time.Hour})
		requireRefused(t, fieldgate.CodeDeviceNotActive, err)
	})
}

// TestDecommission_ClosesConcurrentlyOpenedSession opens a session after Decommission has
// read the device, but before the script runs.
func TestDecommission_ClosesConcurrentlyOpenedSession(t *testing.T) {
	t.Parallel()
	hook := func() {}
	s := hookAfter(t, "read_device", func() { hook() })
	w := newSessionBench(t, s)
	_, err := w.sessions.Close(t.Context(), session.CloseRequest{Tenant: w.tenant, SessionID: w.session.ID})
	require.NoError(t, err)
	hook = func() {
		hook = func() {}
		w.open()
	}
	w.decommission(w.id)
	closed, err := w.sessions.Get(t.Context(), w.tenant, w.session.ID)
	require.NoError(t, err)
	require.Equal(t, session.Closed, closed.Status)
}

func TestDecommission_GivesUpOnPermanentConflict(t *testing.T) {
	t.Parallel()
	hook := func() {}
	s := hookAfter(t, "read_device", func() { hook() })
	w := newSessionBench(t, s)
	hook = func() {
		_, err := w.sessions.Close(t.Context(), session.CloseRequest{Tenant: w.tenant, SessionID: w.session.ID})
		require.NoError(t, err)
		w.open()
	}
	refused := requireRefused(t, fieldgate.CodeRateLimited, w.registry.Decommission(t.Context(), w.adminRequest(w.id)))
	require.Positive(t, refused.RetryAfter)
	require.NoError(t, w.check(w.login.Token), "the refused decommissioning ended a login")
}

package device_test

import (
	"context"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// Each map holds the fields that certain operations leave empty, with the reasons.
var (
	notListed = map[string]string{
		"Metadata":        "List reads only what an overview shows",
		"LastHeartbeat":   "List reads only what an overview shows",
		"Metrics":         "List reads only what an overview shows",
		"ActiveSessionID": "List reads only what an overview shows",
		"PendingCommands": "only Get counts the commands",
	}
	notInScriptReply = map[string]string{"PendingCommands": "only Get counts the commands"}
	notProvisioned   = map[string]string{
		"RegisteredAt":    "the device has not registered",
		"LastSeen":        "the device has not registered",
		"Model":           "the device has not registered",
		"FirmwareVersion": "the device has not registered",
		"Metadata":        "the device has not registered",
		"LastHeartbeat":   "the device has not logged in",
		"Metrics":         "the device has not logged in",
		"ActiveSessionID": "only an active device has a session",
		"PendingCommands": "only an active device has commands",

		"IdentityConflict": "the device has not logged in",
	}
)

// newFullBench returns a bench with a device whose stored data has no empty field. The
// device has a heartbeat, a session, a ready command, a claimed command that a user asked to
// cancel, and an identity conflict.
func newFullBench(t *testing.T, s *store.Store) *sessionBench {
	t.Helper()
	w := newSessionBench(t, s, func(p *device.Provisioning) { p.ExternalID = "PX4-001873" })
	claimed := w.propose("diagnostic.dns")
	require.Equal(t, claimed.ID, w.claim().ID)
	_, err := w.queue.Cancel(t.Context(), queue.Cancel{
		Tenant: w.tenant, SessionID: w.session.ID, CommandID: claimed.ID, UserID: admin,
	})
	require.NoError(t, err)
	w.propose("diagnostic.dns")
	storetest.RequireFilled(t, w.sendHeartbeat(newHeartbeat(w.bench, w.id)), nil)
	w.do(func(ctx context.Context, c store.Client) error {
		const instances = `[{"id":"one","first":1,"seen":2,"address":"192.0.2.7"}]`
		return c.HSet(ctx, w.key(w.id).RecordKey(), "conflict", 3, "instances", instances).Err()
	})
	return w
}

func TestDevice_EveryFieldIsRead(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newFullBench(t, s)
		storetest.RequireFilled(t, w.get(w.id), nil)

		listed, _, err := w.registry.List(t.Context(), w.tenant, device.Filter{}, store.Page{Limit: 1})
		require.NoError(t, err)
		storetest.RequireFilled(t, listed[0], notListed)

		provisioned, _ := w.provision(func(p *device.Provisioning) { p.ExternalID = "PX4-001874" })
		storetest.RequireFilled(t, provisioned, notProvisioned)
		for name, transition := range map[string]func(context.Context, device.AdminRequest) (device.Device, error){
			"revoke": w.registry.RevokeLogins, "suspend": w.registry.Suspend, "resume": w.registry.Resume,
		} {
			changed, err := transition(t.Context(), w.adminRequest(w.id))
			require.NoError(t, err, name)
			storetest.RequireFilled(t, changed, notInScriptReply)
		}
		changed, err := w.registry.Update(t.Context(), device.Change{Tenant: w.tenant, DeviceID: w.id})
		require.NoError(t, err)
		storetest.RequireFilled(t, changed, notInScriptReply)
	})
}

// TestUpdate_EveryFieldIsStored changes one field at a time, and reads the device again.
func TestUpdate_EveryFieldIsStored(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		d, _ := b.provision()
		unchanged := device.Change{Tenant: b.tenant, DeviceID: d.ID}
		storetest.ForEachChange(t, unchanged, map[string]string{
			"Tenant": "selects the device", "DeviceID": "selects the device",
			"UserID": "recorded in the timeline", "Names": "recorded in the timeline", "RequestID": "recorded in the timeline",
		}, func(t *testing.T, field string, changed device.Change) {
			_, err := b.registry.Update(t.Context(), changed)
			require.NoError(t, err, field)
			want := reflect.Indirect(reflect.ValueOf(changed).FieldByName(field)).Interface()
			require.Equal(t, want, reflect.ValueOf(b.get(d.ID)).FieldByName(field).Interface(), field)
		})
	})
}

func TestCredentials_EveryFieldIsRead(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		_, activation := b.provision()
		storetest.RequireFilled(t, activation, nil)
		registered := b.register(activation.Code)
		storetest.RequireFilled(t, registered, nil)
		storetest.RequireFilled(t, b.issue(registered.DeviceID), nil)
		login := b.login(registered)
		storetest.RequireFilled(t, login, nil)
		principal, err := b.registry.Check(t.Context(), login.Token)
		require.NoError(t, err)
		storetest.RequireFilled(t, principal, nil)
	})
}

package measure

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// fullTenant is a tenant whose store is full.
type fullTenant struct {
	t       *testing.T
	site    *site
	id      string
	users   map[string]principal // by role
	devices []fullDevice
}

// fullDevice is a device with two claimed commands, a queued one and a pending one.
type fullDevice struct {
	unit
	secret          string
	claimed, last   command
	queued, pending string
}

// fullOperation is an operation on the full store. Its path and body have placeholders for values
// of a fullDevice.
type fullOperation struct {
	name    string
	creates bool   // it creates a record, and is refused
	by      string // role of the user; empty means the device
	method  string
	path    string
	body    string
}

// fullOperations are in the order in which they are sent. Each leaves the records that the next
// ones need.
var fullOperations = []fullOperation{
	{"open a session", true, "admin", "POST", "/api/v1/customer/sessions", `{"deviceId":"{device}","type":"diagnostic"}`},
	{"propose a command", true, "admin", "POST", "/api/v1/customer/sessions/{session}/commands", `{"type":"diagnostic.dns"}`},
	{"read a session", false, "admin", "GET", "/api/v1/customer/sessions/{session}", ""},
	{"list devices", false, "admin", "GET", "/api/v1/customer/devices", ""},
	{"read a timeline", false, "admin", "GET", "/api/v1/customer/sessions/{session}/events", ""},
	{"log in", false, "", "POST", "/api/v1/device/auth", `{"deviceId":"{device}","deviceSecret":"{secret}"}`},
	{"send a heartbeat", false, "", "POST", "/api/v1/device/heartbeat", `{"status":"ok"}`},
	{"extend a lease", false, "", "POST", "/api/v1/device/commands/{claimed}/extend", `{"claimToken":"{token}","extensionMs":3600000}`},
	{"submit a result", false, "", "POST", "/api/v1/device/commands/{claimed}/result", `{"claimToken":"{token}","status":"succeeded","output":"done"}`},
	{"reject a command", false, "approver", "POST", "/api/v1/customer/sessions/{session}/approve", `{"commandId":"{pending}","approved":false}`},
	{"cancel a command", false, "admin", "POST", "/api/v1/customer/sessions/{session}/commands/{queued}/cancel", `{}`},
	{"suspend a device", false, "admin", "POST", "/api/v1/customer/devices/{device}/suspend", `{}`},
	{"resume a device", false, "admin", "POST", "/api/v1/customer/devices/{device}/resume", `{}`},
	{"close a session", false, "admin", "POST", "/api/v1/customer/sessions/{session}/close", `{}`},
}

// measureFullStore fills Redis to its maxmemory, and counts which operations are served.
func measureFullStore(t *testing.T, size abuse) {
	s := newSite(t, "--maxmemory", strconv.Itoa(size.maxBytes), "--maxmemory-policy", "noeviction")
	f := newFullTenant(t, s, 10)
	f.fill(size.maxBytes)
	table := newTable("operation", "expected", "served", "of", "responses")
	n := len(f.devices)
	for _, o := range fullOperations {
		got := f.send(o)
		served := got[http.StatusOK] + got[http.StatusCreated] + got[http.StatusNoContent]
		expected := n
		if o.creates {
			expected = 0
			require.Equal(t, n, got[http.StatusServiceUnavailable], "%s: %s", o.name, got)
		}
		table.row(o.name, strconv.Itoa(expected), strconv.Itoa(served), strconv.Itoa(n), got.String())
		require.Equal(t, expected, served, "%s: %s", o.name, got)
	}
	table.row("remove a finished command after its retention", strconv.Itoa(n), strconv.Itoa(f.sweep()), strconv.Itoa(n), "")
	s.limited(t).requireAlive(t)
	table.row("start another instance", "1", "1", "1", "")
	s.requireAlive(t)
	publish(t, size.extent, "abuse-full", table)
}

func newFullTenant(t *testing.T, s *site, devices int) *fullTenant {
	t.Helper()
	f := &fullTenant{t: t, site: s, id: gatewaytest.NewTenantID(), users: map[string]principal{}}
	for role, user := range map[string]string{"admin": "alice", "approver": "bob"} {
		f.users[role] = newPrincipal(s.child.URL, s.Token(f.id, user, role))
	}
	for range devices {
		f.devices = append(f.devices, f.newDevice())
	}
	return f
}

func (f *fullTenant) newDevice() fullDevice {
	f.t.Helper()
	admin := f.site.User(f.id, "alice", "admin")
	made := f.site.NewDevice(f.t, admin)
	opened, err := admin.OpenSession(f.t.Context(), client.OpenSessionRequest{DeviceID: made.ID, Type: "remediation"})
	require.NoError(f.t, err)
	d := fullDevice{unit: unit{made.ID, opened.ID, newPrincipal(f.site.child.URL, f.site.Login(f.t, made))}, secret: made.Secret}
	propose := func(kind string) string {
		proposed, err := admin.Propose(f.t.Context(), d.session, client.ProposeCommandRequest{Type: kind})
		require.NoError(f.t, err)
		return proposed.ID
	}
	propose("diagnostic.dns")
	propose("diagnostic.dns")
	d.claimed, d.last = f.claim(d), f.claim(d)
	d.queued, d.pending = propose("diagnostic.dns"), propose("service.restart")
	return d
}

func (f *fullTenant) claim(d fullDevice) command {
	f.t.Helper()
	_, response := d.do("POST", "/api/v1/device/commands/claim", `{"visibilityTimeoutMs":3600000}`)
	var got claimed
	require.NoError(f.t, json.Unmarshal(response, &got))
	require.Len(f.t, got.Commands, 1, "%s", response)
	return got.Commands[0]
}

// fill writes other keys until Redis refuses them, and waits until the gateway has noticed.
func (f *fullTenant) fill(maxBytes int) {
	f.t.Helper()
	var err error
	for _, part := range []int{64 << 10, 1 << 10} {
		filler := strings.Repeat("x", part)
		for i := 0; err == nil && i < 2*maxBytes/part; i++ {
			err = f.site.redis.Set(f.t.Context(), fmt.Sprint("filler:", part, i), filler, 0).Err()
		}
		require.ErrorContains(f.t, err, "OOM")
		err = nil
	}
	// At first only Redis refuses, as long as it has no byte left. The gateway reads the used memory
	// every second.
	refusedSince := time.Now()
	require.Eventually(f.t, func() bool {
		status, _ := f.users["admin"].do("POST", "/api/v1/customer/devices", `{"name":"Pump"}`)
		if status != http.StatusServiceUnavailable {
			refusedSince = time.Now()
		}
		return time.Since(refusedSince) > 3*time.Second
	}, 20*time.Second, 20*time.Millisecond, "a device was created in a full store")
}

// send sends an operation for each device.
func (f *fullTenant) send(o fullOperation) counts {
	got := counts{}
	for _, d := range f.devices {
		by, isUser := f.users[o.by]
		if !isUser {
			by = d.principal
		}
		fill := strings.NewReplacer("{device}", d.id, "{session}", d.session, "{secret}", d.secret, "{claimed}", d.claimed.ID,
			"{token}", d.claimed.ClaimToken, "{last}", d.last.ID, "{queued}", d.queued, "{pending}", d.pending)
		status, _ := by.do(o.method, fill.Replace(o.path), fill.Replace(o.body))
		got[status]++
	}
	return got
}

// sweep finishes a command of each device, ends its retention, and returns the number of commands
// that a sweeper has removed. The retention of the gateway is at least one hour, so the sweeper
// is one of this process.
func (f *fullTenant) sweep() (removed int) {
	f.t.Helper()
	s := storetest.Connect(f.t, store.Config{URL: f.site.redis.url, Logger: slog.New(slog.DiscardHandler)})
	q := queue.New(queue.Config{Store: s, Retention: time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
	for _, d := range f.devices {
		owner := store.Device{Tenant: gatewaytest.TenantOf(f.id), ID: d.id}
		_, err := q.SubmitResult(f.t.Context(), queue.ClaimRef{Device: owner, CommandID: d.last.ID, Token: d.last.ClaimToken, RequestID: "r"},
			queue.Succeeded, queue.Result{Output: "done"})
		require.NoError(f.t, err)
	}
	require.Eventually(f.t, func() bool {
		f.makeDue()
		_, _ = s.SweepOnce(f.t.Context(), map[string]store.Settle{"command": q.Settle}) // the other kinds belong to the gateway
		removed = f.send(fullOperation{by: "admin", method: "GET", path: "/api/v1/customer/sessions/{session}/commands/{last}"})[http.StatusNotFound]
		return removed == len(f.devices)
	}, 20*time.Second, 50*time.Millisecond, "finished commands were not removed")
	return removed
}

// dueScript makes the commands in a due index due. Like the scripts of the gateway, it runs in a
// full store.
const dueScript = "#!lua flags=allow-oom\n" + `
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if string.find(member, '^command ') then redis.call('ZADD', KEYS[1], 'XX', 1, member) end
end`

// makeDue makes the commands of the tenant due. The sweeper of the gateway, whose
// retention is longer, may set a later time again.
func (f *fullTenant) makeDue() {
	f.t.Helper()
	err := f.site.redis.Eval(f.t.Context(), dueScript, []string{gatewaytest.PartitionOf(f.id).DueKey()}).Err()
	if !errors.Is(err, redis.Nil) {
		require.NoError(f.t, err)
	}
}

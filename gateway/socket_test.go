package gateway_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/realtime"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// Helpers of the socket tests in socket_*_test.go.

// withSockets changes the socket settings of a gateway.
func withSockets(change func(*realtime.Config)) func(*gateway.Config) {
	return func(cfg *gateway.Config) { change(&cfg.Sockets) }
}

// deviceSocket opens a socket of the fleet's device at an instance, with a new login.
func (f *fleet) deviceSocket(t testing.TB, at *gatewaytest.Gateway) *gatewaytest.Socket {
	t.Helper()
	return at.OpenDevice(t, f.Login(t, f.device))
}

// customerSocket opens a socket of alice at an instance and subscribes to the rooms.
func (f *fleet) customerSocket(t testing.TB, at *gatewaytest.Gateway, rooms ...string) *gatewaytest.Socket {
	t.Helper()
	t.Helper()
	s := at.OpenCustomer(t, f.Token(f.tenantID, "alice", "viewer"))
	for _, room := range rooms {
		s.Subscribe(room, "")
	}
	return s
}

func (f *fleet) deviceRoom() string  { return "device:" + f.device.ID }
func (f *fleet) sessionRoom() string { return "session:" + f.session }

// presence returns the presence of the device as alice sees it.
func (f *fleet) presence(t testing.TB) client.DevicePresence {
	t.Helper()
	d, err := f.alice.Device(t.Context(), f.device.ID)
	require.NoError(t, err)
	return d.Presence
}

// connections returns a tenant's connections by id, as an instance lists them.
func connections(t testing.TB, at *gatewaytest.Gateway, tenantID string) map[string]client.Connection {
	t.Helper()
	response := at.Do(t, gatewaytest.Request{
		Method: http.MethodGet, Path: "/api/v1/customer/connections?limit=200", Token: at.Token(tenantID, "alice", "viewer"),
	})
	require.Equal(t, http.StatusOK, response.Status, response.Body)
	var page client.ConnectionList
	unmarshal(t, response.Body, &page)
	all := map[string]client.Connection{}
	for _, one := range page.Items {
		all[one.ID] = one
	}
	return all
}

func unmarshal(t testing.TB, text string, into any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), into), text)
}

// wakeUpTimeout is the time limit for the close of a socket after a wake-up. Without a
// wake-up, the instance closes the socket only at the next renewal of the lease, which is
// due every 15 s.
const wakeUpTimeout = 5 * time.Second

// closeCodeWithin waits for the close of a socket and returns the close code. If the
// socket is still open after d, the test fails.
func closeCodeWithin(t testing.TB, s *gatewaytest.Socket, d time.Duration) int {
	t.Helper()
	select {
	case <-s.Done():
	case <-time.After(d):
		require.Fail(t, "the socket is still open", "after %s", d)
	}
	return s.CloseCode()
}

var (
	idPattern    = regexp.MustCompile(`^(dev|ses|cmd)_[0-9a-z]{28}$`)
	tokenPattern = regexp.MustCompile(`^[A-Z2-7]{26}$`)
	timePattern  = regexp.MustCompile(`^\d{4}-\d\d-\d\dT.*Z$`)
)

// normalized decodes a JSON text and replaces the values that differ each time: ids,
// tokens and times.
func normalized(t testing.TB, text []byte) any {
	t.Helper()
	var value any
	require.NoError(t, json.Unmarshal(text, &value), "%s", text)
	return normalize("", value)
}

func normalize(name string, value any) any {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			value[name] = normalize(name, member)
		}
	case []any:
		for i, item := range value {
			value[i] = normalize(name, item)
		}
	case float64:
		if name == "leaseRemainingMs" || name == "nextHeartbeatMs" {
			return "about " + name
		}
	case string:
		switch name {
		case "requestId":
			return "a request"
		case "tenant":
			return "a tenant"
		case "statement":
			return normalizedStatement(value)
		}
		for replacement, pattern := range map[string]*regexp.Regexp{"an id": idPattern, "a token": tokenPattern, "a time": timePattern} {
			if pattern.MatchString(value) {
				return replacement
			}
		}
	}
	return value
}

// normalizedStatement is like normalized for an encoded statement. It returns one that cannot be
// decoded as it is.
func normalizedStatement(encoded string) any {
	text, _ := base64.RawURLEncoding.DecodeString(encoded)
	var value any
	if json.Unmarshal(text, &value) != nil {
		return encoded
	}
	return normalize("", value)
}

// publisher causes events by proposing and cancelling commands, without the gateway's
// HTTP API.
type publisher struct {
	t       testing.TB
	queue   *queue.Queue
	redis   *redis.Client
	tenant  string
	session string
}

func (f *fleet) publisher(t testing.TB, url string) *publisher {
	t.Helper()
	options, err := redis.ParseURL(url)
	require.NoError(t, err)
	p := &publisher{
		t: t, tenant: gatewaytest.TenantOf(f.tenantID), session: f.session, redis: redis.NewClient(options),
		queue: queue.New(queue.Config{Store: storetest.Connect(t, store.Config{URL: url})}),
	}
	t.Cleanup(func() { _ = p.redis.Close() })
	return p
}

// publish causes n events concurrently. The number must be even, because each command is
// proposed and then cancelled.
func (p *publisher) publish(n int) {
	p.t.Helper()
	const workers = 4
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for i := worker; i < n/2; i += workers {
				p.proposeAndCancel()
			}
		})
	}
	all.Wait()
}

func (p *publisher) proposeAndCancel() {
	ctx := p.t.Context()
	c, err := p.queue.Propose(ctx, queue.Proposal{Tenant: p.tenant, SessionID: p.session, UserID: "alice", RequestID: "r-load", Type: auto})
	if err == nil {
		_, err = p.queue.Cancel(ctx, queue.Cancel{Tenant: p.tenant, SessionID: p.session, CommandID: c.ID, UserID: "alice", RequestID: "r-load"})
	}
	if err != nil {
		p.t.Errorf("publishing: %v", err)
	}
}

// stream returns the offsets of the tenant's stream, oldest first.
func (p *publisher) stream() (offsets []string) {
	p.t.Helper()
	entries, err := p.redis.XRange(p.t.Context(), p.key(), "-", "+").Result()
	require.NoError(p.t, err)
	for _, entry := range entries {
		offsets = append(offsets, entry.ID)
	}
	return offsets
}

func (p *publisher) key() string { return store.Tenant(p.tenant).StreamKey() }

// offsets receives n events of one room and returns their offsets.
func offsets(t testing.TB, s *gatewaytest.Socket, room string, n int) (taken []string) {
	t.Helper()
	for range n {
		e := s.Event()
		require.Equal(t, room, e.Room)
		taken = append(taken, e.Offset)
	}
	return taken
}

// byRoom receives n events and returns their offsets by room.
func byRoom(s *gatewaytest.Socket, n int) map[string][]string {
	got := map[string][]string{}
	for range n {
		e := s.Event()
		got[e.Room] = append(got[e.Room], e.Offset)
	}
	return got
}

package gateway_test

import (
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

// What the tests of sockets, in socket_*_test.go, have in common.

// withSockets changes how the sockets of a gateway live.
func withSockets(change func(*realtime.Config)) func(*gateway.Config) {
	return func(cfg *gateway.Config) { change(&cfg.Sockets) }
}

// socket opens one of the fleet's device at an instance, with a login of its own.
func (f *fleet) socket(t testing.TB, at *gatewaytest.Gateway) *gatewaytest.Socket {
	t.Helper()
	return at.OpenDevice(t, f.Login(t, f.device))
}

// watch opens a socket of alice at an instance.
func (f *fleet) watch(t testing.TB, at *gatewaytest.Gateway, rooms ...string) *gatewaytest.Socket {
	t.Helper()
	s := at.OpenCustomer(t, f.Token(f.customer, "alice", "viewer"))
	for _, room := range rooms {
		s.Subscribe(room, "")
	}
	return s
}

func (f *fleet) deviceRoom() string  { return "device:" + f.device.ID }
func (f *fleet) sessionRoom() string { return "session:" + f.session }

// presence is the device's, as alice sees it.
func (f *fleet) presence(t testing.TB) client.DevicePresence {
	t.Helper()
	d, err := f.alice.Device(t.Context(), f.device.ID)
	require.NoError(t, err)
	return d.Presence
}

// connections are those that a person of a customer sees at an instance, by id.
func connections(t testing.TB, at *gatewaytest.Gateway, customer string) map[string]client.Connection {
	t.Helper()
	answer := at.Do(t, gatewaytest.Request{
		Method: http.MethodGet, Path: "/api/v1/customer/connections?limit=200", Token: at.Token(customer, "alice", "viewer"),
	})
	require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	var page client.ConnectionList
	unmarshal(t, answer.Body, &page)
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

// endsWithin waits for the end of a socket and gives its close code.
func endsWithin(t testing.TB, s *gatewaytest.Socket, d time.Duration) int {
	t.Helper()
	select {
	case <-s.Done():
	case <-time.After(d):
		require.Fail(t, "the socket is open still", "after %s", d)
	}
	return s.CloseCode()
}

var (
	idPattern    = regexp.MustCompile(`^(dev|ses|cmd)_[0-9a-z]{28}$`)
	tokenPattern = regexp.MustCompile(`^[A-Z2-7]{26}$`)
	timePattern  = regexp.MustCompile(`^\d{4}-\d\d-\d\dT.*Z$`)
)

// masked gives a JSON text without what is different each time.
func masked(t testing.TB, text []byte) any {
	t.Helper()
	var value any
	require.NoError(t, json.Unmarshal(text, &value), "%s", text)
	return mask("", value)
}

func mask(name string, value any) any {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			value[name] = mask(name, member)
		}
	case []any:
		for i, item := range value {
			value[i] = mask(name, item)
		}
	case float64:
		if name == "leaseRemainingMs" || name == "nextHeartbeatMs" {
			return "about " + name
		}
	case string:
		if name == "requestId" {
			return "a request"
		}
		for mask, pattern := range map[string]*regexp.Regexp{"an id": idPattern, "a token": tokenPattern, "a time": timePattern} {
			if pattern.MatchString(value) {
				return mask
			}
		}
	}
	return value
}

// publisher makes events past the gateway's HTTP interface, by the transitions
// themselves.
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
		t: t, tenant: "c." + f.customer, session: f.session, redis: redis.NewClient(options),
		queue: queue.New(queue.Config{Store: storetest.Connect(t, store.Config{URL: url})}),
	}
	t.Cleanup(func() { _ = p.redis.Close() })
	return p
}

// publish makes n events, an even number, from several places at once.
func (p *publisher) publish(n int) {
	p.t.Helper()
	const places = 4
	var all sync.WaitGroup
	for place := range places {
		all.Go(func() {
			for i := place; i < n/2; i += places {
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

// stream is what was published to the tenant, oldest first, by its offsets.
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

// offsets takes n events of a room and gives their offsets.
func offsets(t testing.TB, s *gatewaytest.Socket, room string, n int) (taken []string) {
	t.Helper()
	for range n {
		e := s.Event()
		require.Equal(t, room, e.Room)
		taken = append(taken, e.Offset)
	}
	return taken
}

// byRoom takes n events and gives their offsets by room.
func byRoom(s *gatewaytest.Socket, n int) map[string][]string {
	got := map[string][]string{}
	for range n {
		e := s.Event()
		got[e.Room] = append(got[e.Room], e.Offset)
	}
	return got
}

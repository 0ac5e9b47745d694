package faults_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store"
)

// site is an installation: gateways behind a balancer, a Redis, and the devices and
// people of a few customers.
type site struct {
	*plan
	t         testing.TB
	people    *customertest.Issuer
	balancer  *balancer
	gate      *client.Gateway
	store     redis.UniversalClient // past the gateways, for the accounts
	history   *history
	customers []*customer

	resting context.CancelFunc // has everybody stop to begin things
	actors  sync.WaitGroup
}

// plan says how a site is made. The zero values stand for two gateways in this
// process and a small fleet.
type plan struct {
	seed      uint64
	gateways  int                       // default: 2
	customers int                       // default: 2
	devices   int                       // of each customer; default: 2
	name      func(i int) string        // of a customer
	vanish    int                       // percent of claims after which the device vanishes, more than usual
	outside   bool                      // the gateways are processes of their own, which the scenario starts
	slowest   time.Duration             // after which an outage must have been answered; default: 4 s
	expected  []string                  // errors that a gateway may log
	change    func(cfg *gateway.Config) // of each gateway in this process
}

func (p *plan) defaults() {
	for field, value := range map[*int]int{&p.gateways: 2, &p.customers: 2, &p.devices: 2} {
		if *field == 0 {
			*field = value
		}
	}
	if p.slowest == 0 {
		p.slowest = 4 * time.Second // 1.8 s for the store, 0.6 s that a claim may wait before, and a busy machine
	}
	if p.name == nil {
		p.name = p.apart
	}
	if p.change == nil {
		p.change = func(*gateway.Config) {}
	}
}

// apart gives the customers partitions of their own.
func (p *plan) apart(i int) (name string) {
	for n := 0; ; n++ {
		name = fmt.Sprintf("customer-%d-%d-%d", p.seed, i, n)
		if int(gatewaytest.PartitionOf(name))%p.customers == i {
			return name
		}
	}
}

// newSite starts an installation whose gateways find the store at a URL. The
// accounts are made over another client, which no fault stands in the way of.
func newSite(t testing.TB, p plan, url string, direct redis.UniversalClient) *site {
	t.Helper()
	p.defaults()
	s := &site{plan: &p, t: t, people: customertest.NewIssuer(t), balancer: newBalancer(t), store: direct, history: newHistory()}
	gate, err := client.New("http://gateways", client.WithTransport(s.balancer), client.WithTimeout(5*time.Second))
	require.NoError(t, err)
	s.gate = gate
	if !p.outside {
		for range p.gateways {
			s.start(url)
		}
		s.settleIn()
	}
	return s
}

// start starts a gateway in this process.
func (s *site) start(url string) *gatewaytest.Gateway {
	s.t.Helper()
	g := gatewaytest.StartWithIssuer(s.t, s.people, gatewaytest.WithRedis(url), func(cfg *gateway.Config) {
		cfg.AutoPipeline = s.seed%2 == 1 // as `fieldgate serve` does, and for every other seed without
		s.change(cfg)
	})
	g.Log.AllowErrors(s.expected...)
	s.balancer.add(strings.TrimPrefix(g.URL, "http://"))
	return g
}

// settleIn has the customers and their devices join, before anything is broken.
func (s *site) settleIn() {
	s.t.Helper()
	for i := range s.plan.customers {
		c := &customer{site: s, id: s.name(i)}
		c.alice, c.bob = s.person(c.id, "alice", "admin"), s.person(c.id, "bob", "approver")
		for j := range s.plan.devices {
			c.devices = append(c.devices, c.join(fmt.Sprintf("%d/%d", i, j)))
		}
		s.customers = append(s.customers, c)
	}
}

func (s *site) person(customerID, user, role string) *client.CustomerClient {
	return s.gate.Customer(client.Bearer(s.people.Token(issuer.Claims{Subject: user, TenantID: customerID, Role: role})))
}

// customer is one of a site: Alice proposes, Bob decides.
type customer struct {
	*site
	id      string
	alice   *client.CustomerClient
	bob     *client.CustomerClient
	devices []*device
	spoiled atomic.Bool // nothing can be expected of it any more
}

// tenant is how the store knows the customer.
func (c *customer) tenant() string { return "c." + c.id }

// well gives the devices of which something can be expected.
func (c *customer) well() (devices []*device) {
	for _, d := range c.devices {
		if !d.spoiled.Load() && !c.spoiled.Load() {
			devices = append(devices, d)
		}
	}
	return devices
}

// device is one of a customer, with the session that is open on it.
type device struct {
	*customer
	*client.DeviceClient
	name string
	key  store.Device

	spoiled atomic.Bool  // nothing can be expected of it any more
	claimed atomic.Int64 // commands

	mu      sync.Mutex
	session string
	recent  []string // commands that were proposed lately
}

func (c *customer) join(name string) *device {
	c.t.Helper()
	ctx := c.t.Context()
	made, err := c.alice.Provision(ctx, client.ProvisionDeviceRequest{Name: "Pump " + name})
	require.NoError(c.t, err)
	registered, err := c.gate.Register(ctx, client.RegisterDeviceRequest{ActivationCode: made.ActivationCode})
	require.NoError(c.t, err)
	d := &device{
		customer: c, name: name, key: store.Device{Tenant: c.tenant(), ID: registered.DeviceID},
		DeviceClient: c.gate.Device(registered.DeviceID, registered.DeviceSecret),
	}
	_, err = d.Heartbeat(ctx, client.HeartbeatRequest{Status: client.HeartbeatStatusOk})
	require.NoError(c.t, err)
	d.open(ctx)
	return d
}

// under runs the workload, breaks something meanwhile, and lets everybody go on for
// a moment after it was mended. Then it brings everything to its end.
func (s *site) under(fault func()) {
	s.t.Helper()
	s.begin()
	pause(s.t.Context(), 300*time.Millisecond)
	fault()
	pause(s.t.Context(), 500*time.Millisecond)
	s.end()
}

// begin has everybody begin to act.
func (s *site) begin() {
	ctx, rest := context.WithCancel(s.t.Context())
	s.resting = rest
	who := 0
	act := func(step func(dice)) {
		d := newDice(s.seed, who)
		who++
		s.actors.Go(func() {
			for pause(ctx, d.between(5*time.Millisecond, 60*time.Millisecond)) {
				step(d)
			}
		})
	}
	for _, c := range s.customers {
		act(c.decideSome)
		for _, d := range c.devices {
			act(d.propose)
			act(d.work)
			act(d.work)
		}
	}
}

// end waits until everybody has come to the end of what they do, and then works
// off what is left, for everything to come to its final state.
func (s *site) end() {
	s.t.Helper()
	s.resting()
	s.actors.Wait()
	d := newDice(s.seed, 1000)
	over := time.Now().Add(30 * time.Second)
	for left := s.left(); left > 0; left = s.left() {
		if time.Now().After(over) {
			s.fail([]finding{{wrong, "", fmt.Sprintf("%d commands do not come to an end", left)}})
			return
		}
		for _, c := range s.customers {
			c.decideSome(d)
			for _, device := range c.well() {
				device.finishAll(d)
			}
		}
		pause(s.t.Context(), 50*time.Millisecond)
	}
}

// left counts what is not final yet, as the store has it.
func (s *site) left() (left int64) {
	s.t.Helper()
	for _, c := range s.customers {
		for _, d := range c.well() {
			for _, at := range []int{readyKey, pendingKey, leasesKey} {
				n, _ := s.store.ZCard(s.t.Context(), d.key.Keys()[at]).Result()
				left += n
			}
		}
	}
	return left
}

// Places in store.Device.Keys.
const (
	recordKey = iota
	commandsKey
	indexKey
	readyKey
	pendingKey
	leasesKey
	cancelsKey
	timelineKey
	streamKey
	inboxKey
	dueKey
	quarantineKey
)

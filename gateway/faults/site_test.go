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

// site is an installation: gateways behind a balancer, a Redis, and the devices and users
// of a few tenants.
type site struct {
	*plan
	t        testing.TB
	iss      *customertest.Issuer
	balancer *balancer
	gate     *client.Gateway
	store    redis.UniversalClient // client that no fault affects, for the verification
	history  *history
	tenants  []*tenant

	stopActors context.CancelFunc // stops all actors
	actors     sync.WaitGroup
}

// plan configures a site. The zero value means two gateways in this process, and few devices.
type plan struct {
	seed              uint64
	gateways          int                       // default: 2
	tenants           int                       // default: 2
	devices           int                       // number of devices per tenant; default: 2
	name              func(i int) string        // returns the id of tenant i
	abandon           int                       // additional percentage of claims that a device abandons
	ownProcesses      bool                      // true if the scenario itself starts the gateways, as separate processes
	maxOutageResponse time.Duration             // time limit for a store_unavailable response; default: 4 s
	allowedErrors     []string                  // errors that a gateway may log
	change            func(cfg *gateway.Config) // changes the configuration of each gateway in this process
}

func (p *plan) defaults() {
	for field, value := range map[*int]int{&p.gateways: 2, &p.tenants: 2, &p.devices: 2} {
		if *field == 0 {
			*field = value
		}
	}
	if p.maxOutageResponse == 0 {
		p.maxOutageResponse = 4 * time.Second // 1.8 s for the store, 0.6 s for a waiting claim, the rest for a busy machine
	}
	if p.name == nil {
		p.name = p.separatePartitions
	}
	if p.change == nil {
		p.change = func(*gateway.Config) {}
	}
}

// separatePartitions returns the id of tenant i. The ids of all tenants are in different
// partitions.
func (p *plan) separatePartitions(i int) (name string) {
	for n := 0; ; n++ {
		name = fmt.Sprintf("tenant-%d-%d-%d", p.seed, i, n)
		if int(gatewaytest.PartitionOf(name))%p.tenants == i {
			return name
		}
	}
}

// newSite starts a site whose gateways use the store at url. The verification uses the client
// direct, which no fault affects.
func newSite(t testing.TB, p plan, url string, direct redis.UniversalClient) *site {
	t.Helper()
	p.defaults()
	s := &site{plan: &p, t: t, iss: customertest.NewIssuer(t), balancer: newBalancer(t), store: direct, history: newHistory()}
	gate, err := client.New("http://gateways", client.WithTransport(s.balancer), client.WithTimeout(5*time.Second))
	require.NoError(t, err)
	s.gate = gate
	if !p.ownProcesses {
		for range p.gateways {
			s.startGateway(url)
		}
		s.registerAll()
	}
	return s
}

// startGateway starts a gateway in this process and adds it to the balancer.
func (s *site) startGateway(url string) *gatewaytest.Gateway {
	s.t.Helper()
	g := gatewaytest.StartWithIssuer(s.t, s.iss, gatewaytest.WithRedis(url), func(cfg *gateway.Config) {
		cfg.AutoPipeline = s.seed%2 == 1 // `fieldgate serve` enables it; here, every other seed disables it
		s.change(cfg)
	})
	g.Log.AllowErrors(s.allowedErrors...)
	s.balancer.add(strings.TrimPrefix(g.URL, "http://"))
	return g
}

// registerAll creates the tenants and registers their devices, before any fault.
func (s *site) registerAll() {
	s.t.Helper()
	for i := range s.plan.tenants {
		c := &tenant{site: s, tenantID: s.name(i)}
		c.alice, c.bob = s.user(c.tenantID, "alice", "admin"), s.user(c.tenantID, "bob", "approver")
		for j := range s.plan.devices {
			c.devices = append(c.devices, c.newDevice(fmt.Sprintf("%d/%d", i, j)))
		}
		s.tenants = append(s.tenants, c)
	}
}

func (s *site) user(tenantID, user, role string) *client.CustomerClient {
	return s.gate.Customer(client.Bearer(s.iss.Token(issuer.Claims{Subject: user, TenantID: tenantID, Role: role})))
}

// tenant is a tenant of a site. Alice proposes commands, Bob decides on them.
type tenant struct {
	*site
	tenantID string
	alice    *client.CustomerClient
	bob      *client.CustomerClient
	devices  []*device
	damaged  atomic.Bool // excluded from verification
}

// storeID returns the tenant's name in the store.
func (c *tenant) storeID() string { return gatewaytest.TenantOf(c.tenantID) }

// intact returns the devices that are not damaged.
func (c *tenant) intact() (devices []*device) {
	for _, d := range c.devices {
		if !d.damaged.Load() && !c.damaged.Load() {
			devices = append(devices, d)
		}
	}
	return devices
}

// device is a device of a tenant, with its open session.
type device struct {
	*tenant
	*client.DeviceClient
	name string
	key  store.Device

	damaged atomic.Bool  // excluded from verification
	claimed atomic.Int64 // number of claimed commands

	mu      sync.Mutex
	session string
	recent  []string // commands that were proposed last
}

func (c *tenant) newDevice(name string) *device {
	c.t.Helper()
	ctx := c.t.Context()
	made, err := c.alice.Provision(ctx, client.ProvisionDeviceRequest{Name: "Pump " + name})
	require.NoError(c.t, err)
	registered, err := c.gate.Register(ctx, client.RegisterDeviceRequest{ActivationCode: made.ActivationCode})
	require.NoError(c.t, err)
	d := &device{
		tenant: c, name: name, key: store.Device{Tenant: c.storeID(), ID: registered.DeviceID},
		DeviceClient: c.gate.Device(registered.DeviceID, registered.DeviceSecret),
	}
	_, err = d.Heartbeat(ctx, client.HeartbeatRequest{Status: client.HeartbeatStatusOk})
	require.NoError(c.t, err)
	d.openSession(ctx)
	return d
}

// runWithFault runs the workload and injects a fault. The workload continues for half a
// second after the fault, and is then finished.
func (s *site) runWithFault(fault func()) {
	s.t.Helper()
	s.startActors()
	sleep(s.t.Context(), 300*time.Millisecond)
	fault()
	sleep(s.t.Context(), 500*time.Millisecond)
	s.finish()
}

// startActors starts the clients. Each client has its own random source.
func (s *site) startActors() {
	ctx, cancel := context.WithCancel(s.t.Context())
	s.stopActors = cancel
	number := 0
	act := func(step func(random)) {
		d := newRandom(s.seed, number)
		number++
		s.actors.Go(func() {
			for sleep(ctx, d.between(5*time.Millisecond, 60*time.Millisecond)) {
				step(d)
			}
		})
	}
	for _, c := range s.tenants {
		act(c.actAsBob)
		for _, d := range c.devices {
			act(d.actAsAlice)
			act(d.actAsDevice)
			act(d.actAsDevice)
		}
	}
}

// patience is the time that finish and readState may take. Nothing is measured then, and a busy machine needs
// more than half a minute to read hundreds of commands.
const patience = 3 * time.Minute

// finish stops the actors and waits for them. Then it processes the remaining commands until
// all commands are final.
func (s *site) finish() {
	s.t.Helper()
	s.stopActors()
	s.actors.Wait()
	d := newRandom(s.seed, 1000)
	deadline := time.Now().Add(patience)
	for left := s.unfinished(); left > 0; left = s.unfinished() {
		if time.Now().After(deadline) {
			s.reportFindings([]finding{{inconsistent, "", fmt.Sprintf("%d commands do not reach a final status", left)}})
			return
		}
		for _, c := range s.tenants {
			c.actAsBob(d)
			for _, device := range c.intact() {
				device.finishReady(d)
			}
		}
		sleep(s.t.Context(), 50*time.Millisecond)
	}
}

// unfinished returns the number of commands in the store that are not final. It reads the leases
// first: a lease that ends meanwhile moves its command to one of the others.
func (s *site) unfinished() (left int64) {
	s.t.Helper()
	for _, c := range s.tenants {
		for _, d := range c.intact() {
			for _, at := range []int{leasesKey, pendingKey, readyKey} {
				n, _ := s.store.ZCard(s.t.Context(), d.key.Keys()[at]).Result()
				left += n
			}
		}
	}
	return left
}

// Indexes into store.Device.Keys.
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

// Package fleet plays the devices and the users of a fleet in one process. It uses the gateway as they
// do, through the Go client.
package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-load/report"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-load/scenario"
)

// Part is the part of a fleet that one process plays.
type Part struct {
	Scenario scenario.Scenario `json:"scenario"`
	Index    int               `json:"index"` // of this process
	Of       int               `json:"of"`    // number of processes
	Run      string            `json:"run"`   // prefix of the tenants, so that a second run has others
	URL      string            `json:"url"`   // base URL of the gateway
	Targets  []string          `json:"targets"`
	Issuer   Issuer            `json:"issuer"`
}

// Request is a line to a process that plays a part. Exactly one field is set.
type Request struct {
	Part    *Part    `json:"part,omitempty"`    // the first request
	Targets []string `json:"targets,omitempty"` // addresses of the instances from now on
	Phase   *int     `json:"phase,omitempty"`   // runs a phase; the response follows when it has ended
	Settle  bool     `json:"settle,omitempty"`  // waits for all commands; the response has the ledger
}

// Response is a line from a process that plays a part. Exactly one field is set.
type Response struct {
	Phase  *report.Phase  `json:"phase,omitempty"`
	Ledger *report.Ledger `json:"ledger,omitempty"`
}

// Play plays a part as in directs, and writes its responses to out. It returns when in ends.
func Play(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	requests, responses := json.NewDecoder(in), json.NewEncoder(out)
	var first Request
	if err := requests.Decode(&first); err != nil || first.Part == nil {
		return fmt.Errorf("reading the part to play: %w", errors.Join(err, io.ErrUnexpectedEOF))
	}
	p, err := newPlayer(ctx, *first.Part)
	if err != nil {
		return err
	}
	defer p.close(cancel)
	for {
		var r Request
		if err := requests.Decode(&r); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("reading a request: %w", err)
		}
		p.act(r, responses)
	}
}

// player plays a part of a fleet.
type player struct {
	ctx      context.Context // ends with the part
	part     Part
	network  *network
	gateways []*client.Gateway // one for each source address
	tenants  []*tenant
	devices  []*device
	rnd      *rand.Rand // used by the goroutine that starts visits

	tally   report.Tally
	ledger  *ledger
	sockets sockets

	visits     sync.WaitGroup // sessions of users
	background sync.WaitGroup // all other goroutines
}

func newPlayer(ctx context.Context, part Part) (*player, error) {
	p := &player{
		ctx: ctx, part: part, network: newNetwork(part.Scenario.Sources),
		rnd: rand.New(rand.NewPCG(part.Scenario.Seed, uint64(part.Index))),
	}
	p.ledger = newLedger(&p.tally)
	p.network.setTargets(part.Targets)
	for i := range max(len(p.network.sources), 1) {
		// A device that polls has a connection all the time, which goes back to the pool in between.
		transport := &http.Transport{DialContext: p.network.dial(i), MaxIdleConnsPerHost: part.Scenario.Devices}
		g, err := client.New(part.URL, client.WithTransport(transport), client.WithUserAgent("fieldgate-load"))
		if err != nil {
			return nil, fmt.Errorf("creating a client: %w", err)
		}
		p.gateways = append(p.gateways, g)
	}
	p.createFleet()
	return p, nil
}

// createFleet creates the tenants of this part with their devices. Each tenant has a share of the
// devices, and a share of each tenant's devices polls.
func (p *player) createFleet() {
	s := p.part.Scenario
	for t := p.part.Index; t < s.Tenants; t += p.part.Of {
		tenant := newTenant(p, fmt.Sprintf("%s-%d", p.part.Run, t))
		p.tenants = append(p.tenants, tenant)
		count := s.Devices*(t+1)/s.Tenants - s.Devices*t/s.Tenants
		for i := range count {
			d := &device{player: p, tenant: tenant, number: len(p.devices), polls: float64(i) >= s.Sockets*float64(count)}
			tenant.devices = append(tenant.devices, d)
			p.devices = append(p.devices, d)
		}
	}
}

// gateway returns the client that connects from the source address of a device.
func (p *player) gateway(number int) *client.Gateway { return p.gateways[number%len(p.gateways)] }

// share returns the part of a rate of the whole fleet that this part plays.
func (p *player) share(rate float64) float64 {
	return rate * float64(len(p.devices)) / float64(p.part.Scenario.Devices)
}

// act carries out a request. Phases and the end run in the background, because the instances may
// change meanwhile. Requests for them do not overlap.
func (p *player) act(r Request, responses *json.Encoder) {
	switch {
	case r.Targets != nil:
		p.network.setTargets(r.Targets)
	case r.Phase != nil:
		p.background.Go(func() {
			played := p.runPhase(p.part.Scenario.Phases[*r.Phase])
			_ = responses.Encode(Response{Phase: &played}) // the reader is gone if this fails
		})
	case r.Settle:
		p.background.Go(func() {
			settled := p.settle()
			_ = responses.Encode(Response{Ledger: &settled})
		})
	}
}

// close ends all devices and waits for them.
func (p *player) close(cancel context.CancelFunc) {
	cancel()
	for _, d := range p.devices {
		if socket := d.socket.Load(); socket != nil {
			<-socket.Done()
		}
	}
	p.background.Wait()
	p.visits.Wait()
}

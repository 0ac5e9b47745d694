package fleet

import (
	"context"
	"fmt"
	"sync"
	"time"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-load/report"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-load/scenario"
)

const (
	registeredAtOnce = 64                    // devices that register at the same time in one process
	auditedAtOnce    = 16                    // commands that are read at the same time
	polledEvery      = 50 * time.Millisecond // time between two looks at a condition
)

// runPhase plays a phase and returns what happened.
func (p *player) runPhase(phase scenario.Phase) report.Phase {
	began := time.Now()
	p.sockets.begin()
	ctx, cancel := context.WithTimeout(p.ctx, phase.Duration)
	defer cancel()
	var failure string
	if phase.Register > 0 {
		failure = p.registerAll(ctx, phase)
	} else {
		p.disturb(ctx, phase)
	}
	var disturbed time.Time
	if at, ok := phase.Disturbed(); ok {
		disturbed = began.Add(at)
	}
	return report.Phase{
		Name: phase.Name, Seconds: time.Since(began).Seconds(), Failure: failure,
		Acts: p.tally.Take(), Sockets: p.sockets.end(disturbed), Network: p.network.take(),
	}
}

// registerAll registers all devices at the rate of the phase, waits until each one with a socket is
// connected, and starts the heartbeats. It returns why it did not succeed.
func (p *player) registerAll(ctx context.Context, phase scenario.Phase) (failure string) {
	var all sync.WaitGroup
	turns := make(chan struct{}, registeredAtOnce)
	paced(ctx, p.share(phase.Register), len(p.devices), func(i int) {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			_ = p.devices[i].start(ctx) // counted by code, and missing below
		})
	})
	all.Wait()
	keeping := 0
	for _, d := range p.devices {
		switch {
		case d.client.Load() == nil:
			return fmt.Sprintf("not all devices are registered after %s", phase.Duration)
		case !d.polls:
			keeping++
		}
	}
	for !p.sockets.allOpen(keeping) {
		if !pause(ctx, polledEvery) {
			return fmt.Sprintf("not all devices are connected after %s", phase.Duration)
		}
	}
	p.background.Go(p.sendHeartbeats)
	return ""
}

// sendHeartbeats sends the heartbeats of all devices in turn, until the part ends.
func (p *player) sendHeartbeats() {
	every := p.part.Scenario.Device.HeartbeatEvery
	if every == 0 {
		return
	}
	paced(p.ctx, float64(len(p.devices))/every.Seconds(), -1, func(i int) {
		p.background.Go(func() { p.devices[i%len(p.devices)].heartbeat(p.ctx) })
	})
}

// disturb opens sessions and breaks connections as the phase says, until it ends.
func (p *player) disturb(ctx context.Context, phase scenario.Phase) {
	var all sync.WaitGroup
	if phase.Visits > 0 {
		all.Go(func() {
			paced(ctx, p.share(phase.Visits), -1, func(int) { p.visit(phase) })
		})
	}
	if phase.Storm != nil && pause(ctx, phase.Storm.At) {
		p.breakConnections(phase.Storm.Share)
	}
	<-ctx.Done()
	all.Wait()
}

// visit starts a visit of a user to a random device. It goes on after the phase.
func (p *player) visit(phase scenario.Phase) {
	t := p.tenants[p.rnd.IntN(len(p.tenants))]
	d := t.choose(p.rnd)
	reviewed := make([]bool, phase.Commands)
	for i := range reviewed {
		reviewed[i] = p.rnd.Float64() < phase.Approvals
	}
	if d == nil {
		p.tally.Fail("visit", "all_devices_visited")
		return
	}
	p.visits.Go(func() { t.visit(p.ctx, d, reviewed) })
}

// breakConnections closes a share of the connections of sockets, without a close frame.
func (p *player) breakConnections(share float64) {
	for i, d := range p.devices {
		if conn := d.conn.Load(); conn != nil && float64(i) < share*float64(len(p.devices)) {
			_ = conn.Close()
		}
	}
}

// settle waits until all visits have ended, compares each command with its record, and returns the
// ledger. It takes at most about twice the time that the scenario allows.
func (p *player) settle() report.Ledger {
	ctx, cancel := context.WithTimeout(p.ctx, p.part.Scenario.Settle)
	defer cancel()
	visited := make(chan struct{})
	p.background.Go(func() {
		p.visits.Wait()
		close(visited)
	})
	select {
	case <-visited:
	case <-ctx.Done():
	}
	var all sync.WaitGroup
	turns := make(chan struct{}, auditedAtOnce)
	for _, id := range p.ledger.all() {
		by, sessionID, known := p.ledger.proposal(id)
		if !known {
			continue
		}
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			recorded, err := p.read(ctx, by, sessionID, id)
			p.ledger.audit(id, recorded, err)
		})
	}
	all.Wait()
	return p.ledger.close()
}

// read reads a command until it has ended, or ctx ends. It reads it at least once.
func (p *player) read(ctx context.Context, by *tenant, sessionID, commandID string) (recorded client.Command, err error) {
	for {
		err = p.until(p.ctx, "read command", func(ctx context.Context) (err error) {
			recorded, err = by.operator.Command(ctx, sessionID, commandID)
			return err
		})
		if err != nil || isFinal(recorded.Status) || !pause(ctx, 10*polledEvery) {
			return recorded, err
		}
	}
}

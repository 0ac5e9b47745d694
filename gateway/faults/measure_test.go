package faults_test

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// measureSetting is the environment variable that enables the measurements. Its value is
// the number of rounds.
const measureSetting = "FIELDGATE_MEASURE_FAULTS"

// rounds returns the number of rounds of a measurement.
func rounds(t testing.TB) int {
	t.Helper()
	if os.Getenv(measureSetting) == "" {
		t.Skip("run by make measure-faults")
	}
	return int(number(t, measureSetting, 0))
}

// printFigure prints a figure in a line that `make measure-faults` extracts.
func printFigure(t testing.TB, name string, value any) {
	t.Helper()
	fmt.Printf("FIGURE %-58s %v\n", name, value)
}

// printDurations prints percentiles of durations.
func printDurations(t testing.TB, name string, all []time.Duration) {
	t.Helper()
	require.NotEmpty(t, all, name)
	slices.Sort(all)
	at := func(percent int) time.Duration {
		return all[min(len(all)*percent/100, len(all)-1)].Round(100 * time.Microsecond)
	}
	printFigure(t, name, fmt.Sprintf("n=%d p50=%s p99=%s max=%s", len(all), at(50), at(99), at(100)))
}

// redeliveredWithin is the time limit from the expiry of a lease to the redelivery of its
// command to a waiting device. It also applies when a gateway is killed.
const redeliveredWithin = time.Second

func TestMeasure_GatewayKilledUnderLoad(t *testing.T) {
	n := rounds(t)
	redis := newFaultyRedis(t, 1)
	s, gateways := newProcessSite(t, plan{seed: 1, devices: 4}, redis, redis.URL(), redis.URL())
	idle := s.idleDevices(20)
	s.startActors()
	var redelivered, started []time.Duration
	for range n {
		redelivered = append(redelivered, idle.redeliveryAfterKill(gateways[0])...)
		began := time.Now()
		gateways[0] = s.startProcess(redis.URL())
		started = append(started, time.Since(began))
	}
	s.finish()
	found := s.findings()
	commands, doubled := len(s.history.nonces), 0
	for _, f := range found {
		if f.kind == duplicated {
			doubled++
		}
	}
	printFigure(t, "gateway killed: kills", n)
	printFigure(t, "gateway killed: commands accepted under load", commands)
	printFigure(t, "gateway killed: commands lost or claimed too often", len(found))
	printFigure(t, "gateway killed: duplicates per million commands", doubled*1_000_000/commands)
	printDurations(t, "gateway killed: from the end of a lease to redelivery", redelivered)
	printDurations(t, "gateway killed: until another one serves", started)
	printDurations(t, "gateway killed: a claim that returns a command", s.history.claims)
	printDurations(t, "gateway killed: a call until its outcome is known", s.history.calls)
	s.reportFindings(found)
	require.LessOrEqual(t, slices.Max(redelivered), redeliveredWithin)
}

// idleDevices are devices that claim a command and abandon it.
type idleDevices struct {
	*site
	devices []*device
}

func (s *site) idleDevices(n int) idleDevices {
	s.t.Helper()
	c := &tenant{site: s, tenantID: "idle"}
	c.alice = s.user(c.tenantID, "alice", "admin")
	i := idleDevices{site: s}
	for j := range n {
		i.devices = append(i.devices, c.newDevice(fmt.Sprint("idle/", j)))
	}
	return i
}

// redeliveryAfterKill kills a gateway after each device has claimed a command. For each
// command, it returns the time from the expiry of the lease to the redelivery.
func (i idleDevices) redeliveryAfterKill(p *process) []time.Duration {
	i.t.Helper()
	var all sync.WaitGroup
	took := make([]time.Duration, len(i.devices))
	claimed := make(chan struct{}, len(i.devices))
	for at, d := range i.devices {
		all.Go(func() { took[at] = d.measureRedelivery(newRandom(1, 5000+at), claimed) })
	}
	for range i.devices {
		<-claimed
	}
	p.kill()
	all.Wait()
	return took
}

func (d *device) measureRedelivery(rnd random, claimed chan<- struct{}) time.Duration {
	d.proposeOne(rnd, auto, 3)
	first := d.claimOne(client.ClaimRequest{VisibilityTimeoutMs: 1500 + rnd.IntN(1500), WaitMs: 5000})
	claimed <- struct{}{}
	second := d.claimOne(client.ClaimRequest{VisibilityTimeoutMs: 60_000, WaitMs: 10_000})
	if second.ID != first.ID {
		d.history.recordViolation(first.ID, "the command was not redelivered, but %q was claimed", second.ID)
	}
	d.submitResult(rnd, second)
	late := second.ClaimedAt.Sub(first.VisibleUntil)
	if late > redeliveredWithin {
		d.history.recordViolation(first.ID, "the command was redelivered %s after the expiry of its lease at %s", late, first.VisibleUntil)
		d.recordTimeline(first.ID)
	}
	return late
}

// recordTimeline records the timeline of a command.
func (d *device) recordTimeline(id string) {
	session, _ := d.currentSession()
	for e, err := range d.alice.AllEvents(d.t.Context(), session, client.ListSessionEventsParams{}) {
		if err == nil && e.CommandID == id {
			d.history.record("timeline", fmt.Sprint(id, " ", e.Type, " ", e.Time), nil)
		}
	}
}

// claimOne claims one command. It repeats the call until a gateway responds.
func (d *device) claimOne(request client.ClaimRequest) client.ClaimedCommand {
	for key := nonce(); ; {
		got, err := d.DeviceClient.Claim(d.t.Context(), request, client.WithIdempotencyKey(key))
		if err == nil && len(got) == 1 {
			return got[0]
		}
		if !sleep(d.t.Context(), 10*time.Millisecond) {
			return client.ClaimedCommand{}
		}
	}
}

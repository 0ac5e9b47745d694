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

// measureSetting has the measurements run, and says how often each is repeated.
const measureSetting = "FIELDGATE_MEASURE_FAULTS"

// rounds is how often a measurement is repeated.
func rounds(t testing.TB) int {
	t.Helper()
	if os.Getenv(measureSetting) == "" {
		t.Skip("run by make measure-faults")
	}
	return int(number(t, measureSetting, 0))
}

// figure tells a figure, in a form that programs find.
func figure(t testing.TB, name string, value any) {
	t.Helper()
	fmt.Printf("FIGURE %-58s %v\n", name, value)
}

// durations tells how long something took.
func durations(t testing.TB, name string, all []time.Duration) {
	t.Helper()
	require.NotEmpty(t, all, name)
	slices.Sort(all)
	at := func(percent int) time.Duration {
		return all[min(len(all)*percent/100, len(all)-1)].Round(100 * time.Microsecond)
	}
	figure(t, name, fmt.Sprintf("n=%d p50=%s p99=%s max=%s", len(all), at(50), at(99), at(100)))
}

// redeliveredWithin is how long after the end of its lease a command may take to
// reach a device that waits for it, whatever happened to the gateway.
const redeliveredWithin = time.Second

func TestMeasure_GatewayKilledUnderLoad(t *testing.T) {
	n := rounds(t)
	redis := newPatient(t, 1)
	s, gateways := newOutside(t, plan{seed: 1, devices: 4}, redis, redis.URL(), redis.URL())
	idle := s.idlers(20)
	s.begin()
	var redelivered, started []time.Duration
	for range n {
		redelivered = append(redelivered, idle.afterTheKillOf(gateways[0])...)
		began := time.Now()
		gateways[0] = s.run(redis.URL())
		started = append(started, time.Since(began))
	}
	s.end()
	found := s.findings()
	commands, doubled := len(s.history.nonces), 0
	for _, f := range found {
		if f.kind == twice {
			doubled++
		}
	}
	figure(t, "gateway killed: kills", n)
	figure(t, "gateway killed: commands accepted under load", commands)
	figure(t, "gateway killed: commands lost or handed out too often", len(found))
	figure(t, "gateway killed: duplicates per million commands", doubled*1_000_000/commands)
	durations(t, "gateway killed: from the end of a lease to redelivery", redelivered)
	durations(t, "gateway killed: until another one serves", started)
	durations(t, "gateway killed: a claim that hands out, all the while", s.history.claims)
	durations(t, "gateway killed: a call until its outcome is known", s.history.calls)
	s.fail(found)
	require.LessOrEqual(t, slices.Max(redelivered), redeliveredWithin)
}

// idlers are devices that claim a command and do nothing with it.
type idlers struct {
	*site
	devices []*device
}

func (s *site) idlers(n int) idlers {
	s.t.Helper()
	c := &customer{site: s, id: "idlers"}
	c.alice = s.person(c.id, "alice", "admin")
	i := idlers{site: s}
	for j := range n {
		i.devices = append(i.devices, c.join(fmt.Sprint("idle/", j)))
	}
	return i
}

// afterTheKillOf has each device claim a command, kills a gateway, and tells how long
// after the end of its lease each command was handed out again.
func (i idlers) afterTheKillOf(p *process) []time.Duration {
	i.t.Helper()
	var all sync.WaitGroup
	took := make([]time.Duration, len(i.devices))
	claimed := make(chan struct{}, len(i.devices))
	for at, d := range i.devices {
		all.Go(func() { took[at] = d.claimTwice(newDice(1, 5000+at), claimed) })
	}
	for range i.devices {
		<-claimed
	}
	p.kill()
	all.Wait()
	return took
}

func (d *device) claimTwice(roll dice, claimed chan<- struct{}) time.Duration {
	d.proposeOne(roll, auto, 3)
	first := d.claimOne(client.ClaimRequest{VisibilityTimeoutMs: 1500 + roll.IntN(1500), WaitMs: 5000})
	claimed <- struct{}{}
	second := d.claimOne(client.ClaimRequest{VisibilityTimeoutMs: 60_000, WaitMs: 10_000})
	if second.ID != first.ID {
		d.history.bad(first.ID, "it was not handed out again, but %q", second.ID)
	}
	d.report(roll, second)
	late := second.ClaimedAt.Sub(first.VisibleUntil)
	if late > redeliveredWithin {
		d.history.bad(first.ID, "it was handed out again %s after the end of its lease at %s", late, first.VisibleUntil)
		d.explain(first.ID)
	}
	return late
}

// explain notes what happened to a command.
func (d *device) explain(id string) {
	session, _ := d.current()
	for e, err := range d.alice.AllEvents(d.t.Context(), session, client.ListSessionEventsParams{}) {
		if err == nil && e.CommandID == id {
			d.history.note("timeline", fmt.Sprint(id, " ", e.Type, " ", e.Time), nil)
		}
	}
}

// claimOne waits for a command, whatever becomes of the gateways.
func (d *device) claimOne(request client.ClaimRequest) client.ClaimedCommand {
	for key := nonce(); ; {
		got, err := d.DeviceClient.Claim(d.t.Context(), request, client.WithIdempotencyKey(key))
		if err == nil && len(got) == 1 {
			return got[0]
		}
		if !pause(d.t.Context(), 10*time.Millisecond) {
			return client.ClaimedCommand{}
		}
	}
}

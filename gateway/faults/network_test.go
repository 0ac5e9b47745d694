package faults_test

import (
	"testing"
	"time"

	"github.com/fieldgate/fieldgate/store/storetest"
)

// ills are what a network can do, to seven of ten connections.
var ills = map[string]toxic{
	"slow":                  {Type: "latency", Attributes: map[string]int{"latency": 60, "jitter": 40}},
	"narrow":                {Type: "bandwidth", Attributes: map[string]int{"rate": 20}}, // KB/s
	"cut in the middle":     {Type: "limit_data", Attributes: map[string]int{"bytes": 700}},
	"reset":                 {Type: "reset_peer", Attributes: map[string]int{"timeout": 20}},
	"silent, and then gone": {Type: "timeout", Attributes: map[string]int{"timeout": 700}},
	"in many small pieces":  {Type: "slicer", Attributes: map[string]int{"average_size": 40, "size_variation": 20, "delay": 100}},
	"slow to say good-bye":  {Type: "slow_close", Attributes: map[string]int{"delay": 500}},
	"gone without a trace":  {Type: "timeout", Attributes: map[string]int{"timeout": 0}},
}

func TestNetwork_FaultsBetweenGatewayAndStoreLoseNothing(t *testing.T) {
	t.Parallel()
	for name, ill := range ills {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, seed uint64) {
				server, proxy := storetest.Start(t), startToxiproxy(t)
				addr := proxy.to("redis", server.Addr())
				s := newSite(t, plan{seed: seed}, "redis://"+addr, server.Client(t))
				s.under(func() { s.sicken(proxy, "redis", ill) })
				s.account()
			})
		})
	}
}

func TestNetwork_FaultsBetweenClientAndGatewayLoseNothing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"cut in the middle", "reset", "slow", "gone without a trace"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, seed uint64) {
				server, proxy := storetest.Start(t), startToxiproxy(t)
				s := newSite(t, plan{seed: seed, gateways: 1}, server.URL(), server.Client(t))
				s.behind(proxy)
				s.under(func() { s.sicken(proxy, "gateway", ills[name]) })
				s.account()
			})
		})
	}
}

// behind has everybody reach the only gateway over a proxy.
func (s *site) behind(proxy *toxiproxy) {
	s.t.Helper()
	host, _ := s.balancer.next()
	s.balancer.remove(host)
	s.balancer.add(proxy.to("gateway", host))
}

// sicken has the network fall ill three times, in either direction.
func (s *site) sicken(proxy *toxiproxy, name string, ill toxic) {
	s.t.Helper()
	roll := newDice(s.seed, 2000)
	ill.Toxicity = 0.7
	for range 3 {
		ill.Stream = "downstream"
		if roll.percent(30) {
			ill.Stream = "upstream"
		}
		cure := proxy.poison(name, ill)
		pause(s.t.Context(), roll.between(400*time.Millisecond, 800*time.Millisecond))
		cure()
		pause(s.t.Context(), roll.between(100*time.Millisecond, 300*time.Millisecond))
	}
	proxy.enable(name, false) // connections that were silenced stay so: they end
	proxy.enable(name, true)
}

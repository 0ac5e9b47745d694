package faults_test

import (
	"testing"
	"time"

	"github.com/fieldgate/fieldgate/store/storetest"
)

// networkFaults are faults of a network. Each affects seven of ten connections.
var networkFaults = map[string]toxic{
	"slow":                   {Type: "latency", Attributes: map[string]int{"latency": 60, "jitter": 40}},
	"narrow":                 {Type: "bandwidth", Attributes: map[string]int{"rate": 20}}, // KB/s
	"cut after 700 bytes":    {Type: "limit_data", Attributes: map[string]int{"bytes": 700}},
	"reset":                  {Type: "reset_peer", Attributes: map[string]int{"timeout": 20}},
	"silent and then closed": {Type: "timeout", Attributes: map[string]int{"timeout": 700}},
	"in small pieces":        {Type: "slicer", Attributes: map[string]int{"average_size": 40, "size_variation": 20, "delay": 100}},
	"slow close":             {Type: "slow_close", Attributes: map[string]int{"delay": 500}},
	"silent":                 {Type: "timeout", Attributes: map[string]int{"timeout": 0}},
}

func TestNetwork_FaultsBetweenGatewayAndStoreLoseNothing(t *testing.T) {
	t.Parallel()
	for name, fault := range networkFaults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forEachSeed(t, func(t *testing.T, seed uint64) {
				server, proxy := storetest.Start(t), startToxiproxy(t)
				addr := proxy.add("redis", server.Addr())
				s := newSite(t, plan{seed: seed}, "redis://"+addr, server.Client(t))
				s.runWithFault(func() { s.injectNetworkFault(proxy, "redis", fault) })
				s.verify()
			})
		})
	}
}

func TestNetwork_FaultsBetweenClientAndGatewayLoseNothing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"cut after 700 bytes", "reset", "slow", "silent"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forEachSeed(t, func(t *testing.T, seed uint64) {
				server, proxy := storetest.Start(t), startToxiproxy(t)
				s := newSite(t, plan{seed: seed, gateways: 1}, server.URL(), server.Client(t))
				s.routeThrough(proxy)
				s.runWithFault(func() { s.injectNetworkFault(proxy, "gateway", networkFaults[name]) })
				s.verify()
			})
		})
	}
}

// routeThrough routes all clients through a proxy to the only gateway.
func (s *site) routeThrough(proxy *toxiproxy) {
	s.t.Helper()
	host, _ := s.balancer.next()
	s.balancer.remove(host)
	s.balancer.add(proxy.add("gateway", host))
}

// injectNetworkFault injects a fault three times, each time in a random direction.
func (s *site) injectNetworkFault(proxy *toxiproxy, name string, fault toxic) {
	s.t.Helper()
	rnd := newRandom(s.seed, 2000)
	fault.Toxicity = 0.7
	for range 3 {
		fault.Stream = "downstream"
		if rnd.chance(30) {
			fault.Stream = "upstream"
		}
		remove := proxy.addToxic(name, fault)
		sleep(s.t.Context(), rnd.between(400*time.Millisecond, 800*time.Millisecond))
		remove()
		sleep(s.t.Context(), rnd.between(100*time.Millisecond, 300*time.Millisecond))
	}
	proxy.setEnabled(name, false) // closes connections that are still silent
	proxy.setEnabled(name, true)
}

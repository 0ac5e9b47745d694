package faults_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store/storetest"
)

func newFaultyRedis(t testing.TB, seed uint64, args ...string) faultyRedis {
	t.Helper()
	server := storetest.Start(t, args...)
	return faultyRedis{server, server.Client(t), t, newRandom(seed, 2000)}
}

// TestGateway_KilledDuringScriptLosesNothing kills a gateway before it has sent a script to
// Redis, and in another case before it has received the reply. Clients get no response, and
// repeat the call at the other gateway.
func TestGateway_KilledDuringScriptLosesNothing(t *testing.T) {
	t.Parallel()
	points := map[string]storetest.Fault{
		"before its script is sent":                 storetest.HoldRequest,
		"after its script ran and before the reply": storetest.HoldReply,
	}
	for _, name := range []string{"claim", "result", "propose"} {
		for point, fault := range points {
			t.Run(name+"/"+point, func(t *testing.T) {
				t.Parallel()
				forEachSeed(t, func(t *testing.T, seed uint64) {
					redis := newFaultyRedis(t, seed)
					proxy := storetest.NewProxy(t).ForwardTo(redis.Addr())
					s, gateways := newProcessSite(t, plan{seed: seed}, redis, redis.URL(), "redis://"+proxy.Addr())
					s.runWithFault(func() { s.killDuringScript(gateways[1], "redis://"+proxy.Addr(), proxy, fault, callsOf(name)...) })
					s.verify()
				})
			})
		}
	}
}

// TestGateway_KilledBeforeResponseArrivesLosesNothing kills a gateway after it has sent a
// response, but before the client receives that response.
func TestGateway_KilledBeforeResponseArrivesLosesNothing(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"claim": "/commands/claim", "result": "/result", "propose": "/commands HTTP"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forEachSeed(t, func(t *testing.T, seed uint64) {
				redis := newFaultyRedis(t, seed)
				s, gateways := newProcessSite(t, plan{seed: seed}, redis, redis.URL(), redis.URL())
				proxy := storetest.NewProxy(t).ForwardTo(gateways[1].host)
				s.balancer.remove(gateways[1].host)
				s.balancer.add(proxy.Addr())
				s.runWithFault(func() {
					proxy.Inject(storetest.HoldReply, path)
					<-proxy.Faulted
					gateways[1].kill()
					s.balancer.remove(proxy.Addr())
				})
				s.verify()
			})
		})
	}
}

// killDuringScript kills and restarts a gateway three times. The fault determines at which
// point of the script the gateway is killed.
func (s *site) killDuringScript(p *process, storeURL string, proxy *storetest.Proxy, fault storetest.Fault, calls ...string) {
	s.t.Helper()
	for range 3 {
		proxy.Drain()
		proxy.Inject(fault, calls...)
		select {
		case <-proxy.Faulted:
		case <-time.After(20 * time.Second):
			s.t.Error("the gateway did not run the script, so nothing was tested")
		}
		p.kill()
		proxy.Inject(storetest.NoFault)
		p = s.startProcess(storeURL)
	}
}

// TestSweeper_ConcurrentGatewaysExpireEachLeaseOnce runs four gateways, which all sweep
// without a leader. Each expired lease must be settled once.
func TestSweeper_ConcurrentGatewaysExpireEachLeaseOnce(t *testing.T) {
	t.Parallel()
	forEachSeed(t, func(t *testing.T, seed uint64) {
		redis := newFaultyRedis(t, seed)
		s := newSite(t, plan{seed: seed, gateways: 4, abandon: 60}, redis.URL(), redis.Client)
		s.runWithFault(func() { redis.wait(3 * time.Second) })
		s.verify()
	})
}

// TestGateway_PausedPastItsLeasesDoesNoHarm pauses a gateway for longer than its leases. Its
// state in memory is then outdated, so it must rely on the store only.
func TestGateway_PausedPastItsLeasesDoesNoHarm(t *testing.T) {
	t.Parallel()
	forEachSeed(t, func(t *testing.T, seed uint64) {
		redis := newFaultyRedis(t, seed)
		s, gateways := newProcessSite(t, plan{seed: seed, maxOutageResponse: 6 * time.Second}, redis, redis.URL(), redis.URL())
		s.runWithFault(func() {
			for range 2 {
				gateways[1].signal(syscall.SIGSTOP)
				redis.wait(redis.rnd.between(2200*time.Millisecond, 2700*time.Millisecond))
				gateways[1].signal(syscall.SIGCONT)
				redis.wait(300 * time.Millisecond)
			}
		})
		s.verify()
	})
}

// TestClaim_DelayedPastItsLeaseDoesNoHarm delays the reply to a claim until the lease has
// expired. The claim is then worthless, and must do no harm.
func TestClaim_DelayedPastItsLeaseDoesNoHarm(t *testing.T) {
	t.Parallel()
	forEachSeed(t, func(t *testing.T, seed uint64) {
		redis := newFaultyRedis(t, seed)
		proxy := storetest.NewProxy(t).ForwardTo(redis.Addr())
		s := newSite(t, plan{seed: seed}, "redis://"+proxy.Addr(), redis.Client)
		s.runWithFault(func() {
			for range 4 {
				proxy.Drain()
				proxy.Inject(storetest.HoldReply, callsOf("claim")...)
				<-proxy.Faulted
				proxy.Inject(storetest.NoFault)
				redis.wait(1600 * time.Millisecond)
				proxy.ReleaseAll()
			}
		})
		s.verify()
	})
}

// TestShutdown_UnderLoadRefusesNoCaller performs a rolling deployment. A client must never
// be refused if it sends requests only to ready gateways.
func TestShutdown_UnderLoadRefusesNoCaller(t *testing.T) {
	t.Parallel()
	forEachSeed(t, func(t *testing.T, seed uint64) {
		redis := newFaultyRedis(t, seed)
		s, gateways := newProcessSite(t, plan{seed: seed}, redis, redis.URL(), redis.URL())
		s.runWithFault(func() {
			for _, old := range gateways {
				s.startProcess(redis.URL())
				old.drain()
			}
		})
		s.verify()
		require.Empty(t, s.history.retries, "a call had no response")
	})
}

package faults_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store/storetest"
)

func newPatient(t testing.TB, seed uint64, args ...string) patient {
	t.Helper()
	server := storetest.Start(t, args...)
	return patient{server, server.Client(t), t, newDice(seed, 2000)}
}

// A gateway that dies has sent its script, or not; it has heard the reply, or not.
// Whoever asked it learns nothing, and asks the other one.
func TestGateway_KilledDuringScriptLosesNothing(t *testing.T) {
	t.Parallel()
	moments := map[string]storetest.Fault{
		"before its script is sent":                 storetest.Keep,
		"after its script ran and before the reply": storetest.Hold,
	}
	for _, name := range []string{"claim", "result", "propose"} {
		for moment, fault := range moments {
			t.Run(name+"/"+moment, func(t *testing.T) {
				t.Parallel()
				each(t, func(t *testing.T, seed uint64) {
					redis := newPatient(t, seed)
					wire := storetest.NewWire(t).To(redis.Addr())
					s, gateways := newOutside(t, plan{seed: seed}, redis, redis.URL(), "redis://"+wire.Addr())
					s.under(func() { s.killAt(gateways[1], "redis://"+wire.Addr(), wire, fault, script(name)) })
					s.account()
				})
			})
		}
	}
}

// The answer has left the gateway, which dies before anybody has it.
func TestGateway_KilledBeforeResponseArrivesLosesNothing(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"claim": "/commands/claim", "result": "/result", "propose": "/commands HTTP"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, seed uint64) {
				redis := newPatient(t, seed)
				s, gateways := newOutside(t, plan{seed: seed}, redis, redis.URL(), redis.URL())
				wire := storetest.NewWire(t).To(gateways[1].host)
				s.balancer.remove(gateways[1].host)
				s.balancer.add(wire.Addr())
				s.under(func() {
					wire.Set(storetest.Hold, path)
					<-wire.Asked
					gateways[1].kill()
					s.balancer.remove(wire.Addr())
				})
				s.account()
			})
		})
	}
}

// killAt kills a gateway three times at a moment of a script, and starts it again.
func (s *site) killAt(p *process, storeURL string, wire *storetest.Wire, fault storetest.Fault, script string) {
	s.t.Helper()
	for range 3 {
		wire.Drain()
		wire.Set(fault, script)
		select {
		case <-wire.Asked:
		case <-time.After(5 * time.Second):
			s.t.Error("nothing was asked of the gateway, so nothing was tried")
		}
		p.kill()
		wire.Set(storetest.None)
		p = s.run(storeURL)
	}
}

// Every instance sweeps and none leads: each lease that ran out is ended once.
func TestSweeper_ConcurrentGatewaysExpireEachLeaseOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, seed uint64) {
		redis := newPatient(t, seed)
		s := newSite(t, plan{seed: seed, gateways: 4, vanish: 60}, redis.URL(), redis.Client)
		s.under(func() { redis.wait(3 * time.Second) })
		s.account()
	})
}

// A gateway that stood still for longer than its leases lasted knows nothing that
// still counts; the store does.
func TestGateway_PausedPastItsLeasesDoesNoHarm(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, seed uint64) {
		redis := newPatient(t, seed)
		s, gateways := newOutside(t, plan{seed: seed, slowest: 6 * time.Second}, redis, redis.URL(), redis.URL())
		s.under(func() {
			for range 2 {
				gateways[1].signal(syscall.SIGSTOP)
				redis.wait(redis.roll.between(2200*time.Millisecond, 2700*time.Millisecond))
				gateways[1].signal(syscall.SIGCONT)
				redis.wait(300 * time.Millisecond)
			}
		})
		s.account()
	})
}

// The script of a claim waits in a gateway that stands still until its leases are
// long over; what is answered then is worth nothing, and does no harm.
func TestClaim_DelayedPastItsLeaseDoesNoHarm(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, seed uint64) {
		redis := newPatient(t, seed)
		wire := storetest.NewWire(t).To(redis.Addr())
		s := newSite(t, plan{seed: seed}, "redis://"+wire.Addr(), redis.Client)
		s.under(func() {
			for range 4 {
				wire.Drain()
				wire.Set(storetest.Hold, script("claim"))
				<-wire.Asked
				wire.Set(storetest.None)
				redis.wait(1600 * time.Millisecond)
				wire.LetGo()
			}
		})
		s.account()
	})
}

// A rolling deploy: whoever follows readiness is never refused.
func TestShutdown_UnderLoadRefusesNoCaller(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, seed uint64) {
		redis := newPatient(t, seed)
		s, gateways := newOutside(t, plan{seed: seed}, redis, redis.URL(), redis.URL())
		s.under(func() {
			for i, old := range gateways {
				s.run(redis.URL())
				old.signal(syscall.SIGTERM)
				eventually(t, 5*time.Second, "it does not say that it drains", func() bool { return !old.ready() })
				s.balancer.remove(old.host)
				<-old.ended
				require.Zero(t, old.ProcessState.ExitCode(), "gateway %d: %s", i, old.log.String())
			}
		})
		s.account()
		require.Empty(t, s.history.unknown, "somebody was not answered")
	})
}

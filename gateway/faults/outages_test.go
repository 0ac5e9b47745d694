package faults_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store/storetest"
)

// patient is a server that falls ill under load.
type patient struct {
	*storetest.Server
	*redis.Client
	t    testing.TB
	roll dice
}

func (p patient) set(name, value string) {
	p.t.Helper()
	require.NoError(p.t, p.ConfigSet(p.t.Context(), name, value).Err())
}

func (p patient) wait(d time.Duration) { pause(p.t.Context(), d) }

// outages are what may happen to a Redis that loses nothing by it.
var outages = map[string]struct {
	args   []string // of redis-server
	strike func(p patient)
}{
	"frozen for five seconds": {nil, func(p patient) {
		p.Signal(p.t, syscall.SIGSTOP)
		p.wait(5 * time.Second)
		p.Signal(p.t, syscall.SIGCONT)
	}},
	"its scripts forgotten": {nil, func(p patient) {
		for range 20 {
			require.NoError(p.t, p.ScriptFlush(p.t.Context()).Err())
			p.wait(p.roll.between(20*time.Millisecond, 100*time.Millisecond))
		}
	}},
	"its clients thrown out": {nil, func(p patient) {
		for range 10 {
			require.NoError(p.t, p.Do(p.t.Context(), "client", "kill", "type", "normal", "skipme", "yes").Err())
			require.NoError(p.t, p.Do(p.t.Context(), "client", "kill", "type", "pubsub").Err())
			p.wait(p.roll.between(50*time.Millisecond, 200*time.Millisecond))
		}
	}},
	"killed, with appendfsync always": {[]string{"--appendfsync", "always"}, killAndRestart},
	"killed, with appendfsync no":     {[]string{"--appendfsync", "no"}, killAndRestart},
	"killed while it rewrites its file": {[]string{"--appendfsync", "always"}, func(p patient) {
		require.NoError(p.t, p.Do(p.t.Context(), "bgrewriteaof").Err())
		killAndRestart(p)
	}},
	"out of memory": {nil, func(p patient) {
		p.set("maxmemory", "1")
		p.wait(2 * time.Second)
		p.set("maxmemory", "0")
	}},
	"without its replicas": {nil, func(p patient) {
		p.set("min-replicas-to-write", "1")
		p.wait(time.Second)
		p.set("min-replicas-to-write", "0")
	}},
	"full of clients": {nil, func(p patient) {
		p.set("maxclients", "1")
		require.NoError(p.t, p.Do(p.t.Context(), "client", "kill", "type", "normal", "skipme", "yes").Err())
		p.wait(time.Second)
		p.set("maxclients", "1000")
	}},
}

func killAndRestart(p patient) {
	for range 2 {
		p.Kill()
		p.wait(p.roll.between(50*time.Millisecond, 400*time.Millisecond))
		p.Restart(p.t)
		p.wait(p.roll.between(300*time.Millisecond, 600*time.Millisecond))
	}
}

func TestOutage_LosesNothing(t *testing.T) {
	t.Parallel()
	for name, outage := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, seed uint64) {
				server := storetest.Start(t, outage.args...)
				direct := server.Client(t)
				s := newSite(t, plan{seed: seed}, server.URL(), direct)
				s.under(func() { outage.strike(patient{server, direct, t, newDice(seed, 2000)}) })
				s.account()
				require.Zero(t, s.balancer.unauthorized.Load(), "an outage was taken for a wrong credential")
			})
		})
	}
}

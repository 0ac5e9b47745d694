package faults_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store/storetest"
)

// faultyRedis is a Redis that a scenario breaks under load.
type faultyRedis struct {
	*storetest.Server
	*redis.Client
	t   testing.TB
	rnd random
}

func (r faultyRedis) setConfig(name, value string) {
	r.t.Helper()
	require.NoError(r.t, r.ConfigSet(r.t.Context(), name, value).Err())
}

func (r faultyRedis) wait(d time.Duration) { sleep(r.t.Context(), d) }

// outages are faults of Redis. None of them may lose data.
var outages = map[string]struct {
	args   []string // arguments of redis-server
	inject func(r faultyRedis)
}{
	"paused for five seconds": {nil, func(r faultyRedis) {
		r.Signal(r.t, syscall.SIGSTOP)
		r.wait(5 * time.Second)
		r.Signal(r.t, syscall.SIGCONT)
	}},
	"scripts flushed": {nil, func(r faultyRedis) {
		for range 20 {
			require.NoError(r.t, r.ScriptFlush(r.t.Context()).Err())
			r.wait(r.rnd.between(20*time.Millisecond, 100*time.Millisecond))
		}
	}},
	"clients killed": {nil, func(r faultyRedis) {
		for range 10 {
			require.NoError(r.t, r.Do(r.t.Context(), "client", "kill", "type", "normal", "skipme", "yes").Err())
			require.NoError(r.t, r.Do(r.t.Context(), "client", "kill", "type", "pubsub").Err())
			r.wait(r.rnd.between(50*time.Millisecond, 200*time.Millisecond))
		}
	}},
	"killed, with appendfsync always": {[]string{"--appendfsync", "always"}, killAndRestart},
	"killed, with appendfsync no":     {[]string{"--appendfsync", "no"}, killAndRestart},
	"killed during a rewrite of its file": {[]string{"--appendfsync", "always"}, func(r faultyRedis) {
		require.NoError(r.t, r.Do(r.t.Context(), "bgrewriteaof").Err())
		killAndRestart(r)
	}},
	"out of memory": {nil, func(r faultyRedis) {
		r.setConfig("maxmemory", "1")
		r.wait(2 * time.Second)
		r.setConfig("maxmemory", "0")
	}},
	"too few replicas": {nil, func(r faultyRedis) {
		r.setConfig("min-replicas-to-write", "1")
		r.wait(time.Second)
		r.setConfig("min-replicas-to-write", "0")
	}},
	"too many clients": {nil, func(r faultyRedis) {
		r.setConfig("maxclients", "1")
		require.NoError(r.t, r.Do(r.t.Context(), "client", "kill", "type", "normal", "skipme", "yes").Err())
		r.wait(time.Second)
		r.setConfig("maxclients", "1000")
	}},
}

func killAndRestart(r faultyRedis) {
	for range 2 {
		r.Kill()
		r.wait(r.rnd.between(50*time.Millisecond, 400*time.Millisecond))
		r.Restart(r.t)
		r.wait(r.rnd.between(300*time.Millisecond, 600*time.Millisecond))
	}
}

func TestOutage_LosesNothing(t *testing.T) {
	t.Parallel()
	for name, outage := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forEachSeed(t, func(t *testing.T, seed uint64) {
				server := storetest.Start(t, outage.args...)
				direct := server.Client(t)
				s := newSite(t, plan{seed: seed, allowedErrors: []string{"found the store full"}}, server.URL(), direct)
				s.runWithFault(func() { outage.inject(faultyRedis{server, direct, t, newRandom(seed, 2000)}) })
				s.verify()
				require.Zero(t, s.balancer.unauthorized.Load(), "the outage caused responses with 401")
			})
		})
	}
}

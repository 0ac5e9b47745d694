package store

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// embedded is a Redis inside the process, for development: it needs nothing
// installed, and its data ends with the process. It listens on loopback, behind
// a password that nobody else knows.
type embedded struct {
	server   *miniredis.Miniredis
	password string
	stop     chan struct{}
	stopped  sync.WaitGroup
}

// tick is how often keys with a time to live are aged; the embedded server does
// not do that by itself.
const tick = 250 * time.Millisecond

func startEmbedded() (*embedded, error) {
	e := &embedded{server: miniredis.NewMiniRedis(), password: rand.Text(), stop: make(chan struct{})}
	e.server.RequireAuth(e.password)
	if err := e.server.StartAddr("127.0.0.1:0"); err != nil {
		return nil, err
	}
	e.stopped.Go(e.age)
	return e, nil
}

func (e *embedded) url() string { return "redis://:" + e.password + "@" + e.server.Addr() }

func (e *embedded) age() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-e.stop:
			return
		case now := <-ticker.C:
			e.server.FastForward(now.Sub(last))
			last = now
		}
	}
}

func (e *embedded) close() {
	close(e.stop)
	e.stopped.Wait()
	e.server.Close()
}

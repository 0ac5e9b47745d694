package store

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// embedded is a Redis server inside the process, for development. It needs no
// installation, and its data is lost when the process ends. It listens on the loopback
// interface and requires a random password that only this process knows.
type embedded struct {
	server   *miniredis.Miniredis
	password string
	stop     chan struct{}
	stopped  sync.WaitGroup
}

// expireEvery is the interval at which expireKeys advances the embedded server's time.
// The embedded server expires no keys by itself.
const expireEvery = 250 * time.Millisecond

func startEmbedded() (*embedded, error) {
	e := &embedded{server: miniredis.NewMiniRedis(), password: rand.Text(), stop: make(chan struct{})}
	e.server.RequireAuth(e.password)
	if err := e.server.StartAddr("127.0.0.1:0"); err != nil {
		return nil, err
	}
	e.stopped.Go(e.expireKeys)
	return e, nil
}

func (e *embedded) url() string { return "redis://:" + e.password + "@" + e.server.Addr() }

// expireKeys expires keys, by advancing the server's time every expireEvery until the
// server is closed.
func (e *embedded) expireKeys() {
	ticker := time.NewTicker(expireEvery)
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

package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/fieldgate/fieldgate/store"
)

// Run serves until the context ends, then drains: readiness turns red at once,
// everything is served for the drain delay, then no new connection is taken and
// requests in flight finish. It returns nil after a graceful end.
func (g *Gateway) Run(ctx context.Context) error {
	g.health.Start()
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	g.startWorkers(background)
	failed := make(chan error, 2)
	g.serve(g.server, g.listener, failed)
	side := g.metricsServer()
	if g.metrics != nil {
		g.serve(side, g.metrics, failed)
	}
	g.log.Info("serving", "addr", g.Addr(), "metrics", g.MetricsAddr(), "version", g.cfg.Version)

	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		err = g.drain()
	}
	stop()
	err = errors.Join(err, g.server.Close(), side.Close())
	g.workers.Wait()
	return errors.Join(err, g.store.Close())
}

// startWorkers starts what goes on beside the requests.
func (g *Gateway) startWorkers(ctx context.Context) {
	g.workers.Go(func() { g.store.Listen(ctx, g.queue.Hear) })
	g.workers.Go(func() {
		g.store.Sweep(ctx, map[string]store.Settle{"command": g.queue.Settle, "session": g.sessions.Settle})
	})
	g.workers.Go(func() { _ = g.verifier.Run(ctx) })
	g.workers.Go(func() { g.probe.run(ctx) })
}

func (g *Gateway) serve(server *http.Server, listener net.Listener, failed chan<- error) {
	g.workers.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serving on %s: %w", listener.Addr(), err)
		}
	})
}

// drain ends the service as a balancer likes it: first say so, then go.
func (g *Gateway) drain() error {
	g.log.Info("draining", "delay", g.cfg.DrainDelay.String())
	g.health.Drain()
	<-time.After(g.cfg.DrainDelay)
	g.queue.Drain()
	ctx, cancel := context.WithTimeout(context.Background(), g.cfg.ShutdownTimeout)
	defer cancel()
	if err := g.server.Shutdown(ctx); err != nil {
		return fmt.Errorf("waiting for requests in flight: %w", errors.Join(err, g.server.Close()))
	}
	g.log.Info("drained")
	return nil
}

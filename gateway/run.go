package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
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
	g.workers.Go(func() { g.store.Listen(ctx, g.hear) })
	g.workers.Go(func() {
		g.store.Sweep(ctx, map[string]store.Settle{
			"command": g.queue.Settle, "session": g.sessions.Settle, "presence": g.devices.SettlePresence,
		})
	})
	if g.cfg.ReconcileInterval > 0 {
		g.workers.Go(func() { g.store.Reconcile(ctx, g.reconcileConfig()) })
	}
	g.workers.Go(func() { g.hub.Run(ctx) })
	g.workers.Go(func() { _ = g.verifier.Run(ctx) })
	g.workers.Go(func() { g.probe.run(ctx) })
}

// commandsLikeADevice is how many commands take as long to look at as a device
// without any.
const commandsLikeADevice = 20

// reconcileConfig looks for what is not as it must be in the store, and mends it.
func (g *Gateway) reconcileConfig() store.ReconcileConfig {
	return store.ReconcileConfig{
		Every: g.cfg.ReconcileInterval, Devices: g.cfg.ReconcileDevices,
		Tenant: g.queue.ReconcileInbox,
		Device: func(ctx context.Context, d store.Device) (more int, err error) {
			err = g.sessions.Reconcile(ctx, d)
			commands, failed := g.queue.Reconcile(ctx, d)
			return commands / commandsLikeADevice, errors.Join(err, failed)
		},
	}
}

// hear passes a wake-up on to whoever may wait for it.
func (g *Gateway) hear(w store.Wake) {
	g.queue.HandleWake(w)
	g.hub.HandleWake(w)
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
	var sockets sync.WaitGroup
	sockets.Go(g.drainSockets)
	defer sockets.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), g.cfg.ShutdownTimeout)
	defer cancel()
	if err := g.server.Shutdown(ctx); err != nil {
		return fmt.Errorf("waiting for requests in flight: %w", errors.Join(err, g.server.Close()))
	}
	g.log.Info("drained")
	return nil
}

// drainSockets sends the sockets away over the drain window, and waits a little
// for those that do not go. The claims that wait are sent home after that: a device
// whose socket is open yet would come back with the next claim at once.
func (g *Gateway) drainSockets() {
	ctx, cancel := context.WithTimeout(context.Background(), g.cfg.DrainWindow+5*time.Second)
	defer cancel()
	g.hub.Drain(ctx, g.cfg.DrainWindow)
	g.queue.Drain()
}

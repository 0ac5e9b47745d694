package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fieldgate/fieldgate/store"
)

// Run serves until ctx ends, and then drains. The readiness becomes 503 at once, but all
// requests are still served for the drain delay. Then the gateway accepts no new connections,
// and running requests finish. After a graceful shutdown, Run returns nil.
//
// While the store cannot be reached at the start, Run serves the checks of health and readiness
// and refuses all other requests.
func (g *Gateway) Run(ctx context.Context) error {
	g.health.Start()
	failed := make(chan error, 3)
	g.serveAPI(failed)
	side, operators := g.metricsServer(), g.serveAdmin(failed)
	if g.metrics != nil {
		g.serve(side, g.metrics, nil, failed)
	}
	err := g.runParts(ctx, failed)
	err = errors.Join(err, g.server.Close(), side.Close(), operators.Close())
	g.workers.Wait()
	if g.store != nil {
		err = errors.Join(err, g.store.Close())
	}
	return err
}

// runParts runs the background workers until ctx ends or a server fails, and then drains.
func (g *Gateway) runParts(ctx context.Context, failed <-chan error) error {
	if err := g.awaitStore(ctx, failed); err != nil || g.store == nil {
		return err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g.startWorkers(background)
	g.log.Info("serving", "addr", g.Addr(), "metrics", g.MetricsAddr(), "admin", g.AdminAddr(), "tls", g.certificate != nil, "version", g.cfg.Version)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return g.drain()
	}
}

// startWorkers starts the background workers.
func (g *Gateway) startWorkers(ctx context.Context) {
	g.workers.Go(func() { g.store.Listen(ctx, g.handleWake) })
	g.workers.Go(func() { g.store.WatchMemory(ctx) })
	g.workers.Go(func() { g.store.Watch(ctx) })
	g.workers.Go(func() {
		g.store.Sweep(ctx, map[string]store.Settle{
			"command": g.queue.Settle, "session": g.sessions.Settle, "presence": g.devices.SettlePresence,
			"device": g.devices.SettleRemoval,
		})
	})
	if g.cfg.ReconcileInterval > 0 {
		g.workers.Go(func() { g.store.Reconcile(ctx, g.reconcileConfig()) })
		g.workers.Go(func() { g.surveyor.run(ctx) })
	}
	g.workers.Go(func() { g.hub.Run(ctx) })
	if g.certificate != nil {
		g.workers.Go(func() { g.certificate.Run(ctx) })
	}
	g.workers.Go(func() { g.cutOffs.Run(ctx) })
	g.workers.Go(func() { _ = g.verifier.Run(ctx) })
	g.workers.Go(func() { g.probe.run(ctx) })
}

// commandsPerDevice is a number of commands. Reconciling that many commands takes as long as
// reconciling a device without commands.
const commandsPerDevice = 20

// reconcileConfig returns the configuration of the reconciler, which finds and repairs violated
// invariants in the store.
func (g *Gateway) reconcileConfig() store.ReconcileConfig {
	return store.ReconcileConfig{
		Every: g.cfg.ReconcileInterval, BatchSize: g.cfg.ReconcileDevices, Retention: g.cfg.Retention,
		Begin: g.adoptRecords,
		Tenant: func(ctx context.Context, tenant string) error {
			return errors.Join(g.queue.ReconcileInbox(ctx, tenant), g.queue.ReconcileListed(ctx, tenant), g.quotas.ReconcileTenant(ctx, tenant))
		},
		Device: g.reconcileDevice,
		Batch:  measureRounds(g.registry),
	}
}

// reconcileDevice reconciles the records of a device, and what the device counts with them.
func (g *Gateway) reconcileDevice(ctx context.Context, d store.Device) (more int, err error) {
	err = g.devices.Reconcile(ctx, d)
	failed := g.quotas.ReconcileDevice(ctx, d, func(ctx context.Context) (int64, error) {
		sessions, err := g.sessions.Reconcile(ctx, d)
		commands, failed := g.queue.Reconcile(ctx, d)
		more = commands.Count / commandsPerDevice
		return sessions + commands.Bytes, errors.Join(err, failed)
	})
	return more, errors.Join(err, failed)
}

// handleWake passes a wake-up to all parts that may be waiting for it.
func (g *Gateway) handleWake(w store.Wake) {
	g.queue.HandleWake(w)
	g.hub.HandleWake(w)
	g.cutOffs.HandleWake(w)
	g.policies.HandleWake(w)
}

// drain shuts the server down in the order that a load balancer expects: the readiness
// check fails first, and the connections are closed later.
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

// drainSockets closes the sockets over the drain window, and waits up to five more seconds
// until all are closed. It ends the waiting claims last, because a device with an open socket
// would send its next claim at once.
func (g *Gateway) drainSockets() {
	ctx, cancel := context.WithTimeout(context.Background(), g.cfg.DrainWindow+5*time.Second)
	defer cancel()
	g.hub.Drain(ctx, g.cfg.DrainWindow)
	g.queue.Drain()
}

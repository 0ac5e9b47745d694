package gateway

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/fieldgate/fieldgate/api"
	"github.com/fieldgate/fieldgate/store"
)

// startEvery is the interval between two attempts to reach the store at the start.
const startEvery = time.Second

// startUnlessUnreachable is start, but logs an error that later attempts may not meet.
func (g *Gateway) startUnlessUnreachable(ctx context.Context) error {
	err := g.start(ctx)
	if !store.IsUnreachable(err) {
		return err
	}
	g.handler.set(api.NewStarting(2*startEvery, g.cfg.HSTS))
	g.log.ErrorContext(ctx, "reaching the store failed; not ready until it succeeds", "error", err)
	return nil
}

// awaitStore tries to start the parts until it succeeds. It returns an error that another
// attempt would meet again, and nil if ctx ends.
func (g *Gateway) awaitStore(ctx context.Context, failed <-chan error) error {
	for g.store == nil {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-time.After(startEvery):
		}
		if err := g.start(ctx); err != nil && !store.IsUnreachable(err) {
			return err
		}
	}
	return nil
}

// A switchedHandler is a handler that can be replaced while it serves.
type switchedHandler struct{ current atomic.Pointer[http.Handler] }

func (h *switchedHandler) set(handler http.Handler) { h.current.Store(&handler) }

// ServeHTTP serves the request with the current handler.
func (h *switchedHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*h.current.Load()).ServeHTTP(w, r)
}

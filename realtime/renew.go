package realtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fieldgate/fieldgate/refusal"
	"github.com/fieldgate/fieldgate/store"
)

const (
	// maxRenewals is the maximum number of renewal scripts that run at the same time.
	maxRenewals = 16
	// maxBatch is the maximum number of leases that one script renews. It bounds the
	// time for which the script blocks the store.
	maxBatch = 50
)

// renewDue renews the leases of the sockets that are due, and closes those that must
// not stay open.
func (h *Hub) renewDue(ctx context.Context) {
	var failed atomic.Int64
	running := make(chan struct{}, maxRenewals)
	var renewing sync.WaitGroup
	for batch := range renewalBatches(h.due(h.renewals, time.Now())) {
		running <- struct{}{}
		renewing.Go(func() {
			defer func() { <-running }()
			failed.Add(int64(h.renewBatch(ctx, batch)))
		})
	}
	renewing.Wait()
	if n := failed.Load(); n > 0 && ctx.Err() == nil {
		h.log.Warn("renewing the leases of connections failed", "connections", n)
	}
}

// renewalBatches returns the sockets in batches of one tenant, one for each renewal script.
func renewalBatches(sockets []*Socket) func(yield func([]*Socket) bool) {
	byTenant := map[string][]*Socket{}
	for _, s := range sockets {
		byTenant[s.Tenant] = append(byTenant[s.Tenant], s)
	}
	var batches [][]*Socket
	for _, ofTenant := range byTenant {
		batches = slices.AppendSeq(batches, slices.Chunk(ofTenant, maxBatch))
	}
	return slices.Values(batches)
}

// renewBatch renews the leases of sockets of one tenant with one script. The script leaves out the
// sockets that may have to be closed or registered again. Each of these is renewed on its own.
// renewBatch returns the number of sockets that it could not renew because the store failed.
func (h *Hub) renewBatch(ctx context.Context, batch []*Socket) (failed int) {
	batch = slices.DeleteFunc(batch, func(s *Socket) bool { return !s.beginRenewal() })
	left, err := h.runRenewals(ctx, batch)
	for _, s := range batch {
		s.renewals.Done()
	}
	if err != nil {
		return len(batch)
	}
	for _, s := range batch {
		switch {
		case !left[s.ID()]:
			s.verifyRenewed()
		case h.renew(ctx, s) != nil:
			failed++
		}
	}
	return failed
}

// runRenewals runs the script that renews a batch of sockets. It returns the ids of the connections
// that the script has left out.
func (h *Hub) runRenewals(ctx context.Context, batch []*Socket) (left map[string]bool, err error) {
	if len(batch) == 0 {
		return nil, nil
	}
	tenant := batch[0].Tenant
	t := store.Tenant(tenant)
	keys := []string{t.ConnectionsKey(), t.SocketLeasesKey(), store.PartitionOf(tenant).DueKey()}
	args := []any{h.cfg.Lease.Milliseconds(), tenant}
	for _, s := range batch {
		keys, args = append(keys, t.ConnectionKey(s.ID())), append(args, s.ID(), s.Device)
		if s.Device != "" {
			keys = append(keys, store.DeviceKey(s.Device))
		}
	}
	reply, err := h.store.Run(ctx, renewManyScript, keys, args...)
	if err != nil {
		return nil, fmt.Errorf("renewing the leases of connections: %w", err)
	}
	left = map[string]bool{}
	ids := reply.List(2)
	for i := range ids {
		left[ids.String(i)] = true
	}
	return left, nil
}

// verifyRenewed re-verifies the principal of a socket that was renewed: a user always, because that
// does not call the store, and a device if the last check is older than verifyEvery.
func (s *Socket) verifyRenewed() {
	if s.Device != "" {
		s.verifyAgain()
	} else {
		s.verify()
	}
}

// renew renews the lease of one socket. It closes the socket if the socket must not stay
// open. If the store fails, the socket stays open. If the store has lost the socket's
// registration, the script writes it again.
func (h *Hub) renew(ctx context.Context, s *Socket) error {
	reply, err := h.runRenewal(ctx, s)
	if err != nil {
		return fmt.Errorf("renewing the lease of a connection: %w", err)
	}
	if reply == nil {
		return nil
	}
	switch err := refusal.Of(reply); {
	case err == nil:
		s.verifyRenewed()
	case errors.Is(err, refusal.Superseded):
		s.conn.Close(CloseSuperseded, superseded)
	case errors.Is(err, refusal.Kicked):
		s.conn.Close(CloseWithdrawn, kicked)
	default:
		s.verify()
	}
	return nil
}

// runRenewal runs the script that renews one socket. The reply is empty if the socket
// is closed.
func (h *Hub) runRenewal(ctx context.Context, s *Socket) (store.Reply, error) {
	if !s.beginRenewal() {
		return nil, nil
	}
	defer s.renewals.Done()
	return h.store.Run(ctx, renewScript, s.keys(), s.args(s.scope())...)
}

// beginRenewal must be called before each renewal script. It returns false if the socket
// is closed. Otherwise the caller must call s.renewals.Done after the script has run.
func (s *Socket) beginRenewal() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unregistered {
		return false
	}
	s.renewals.Add(1)
	return true
}

// endRenewals waits until all running renewal scripts have ended, and prevents new ones:
// from then on, beginRenewal returns false. Otherwise a renewal script could run after
// the disconnect script and register a closed socket again.
func (s *Socket) endRenewals() {
	s.mu.Lock()
	s.unregistered = true
	s.mu.Unlock()
	s.renewals.Wait()
}

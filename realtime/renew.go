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
			if h.renewBatch(ctx, batch) != nil {
				failed.Add(int64(len(batch)))
			}
		})
	}
	renewing.Wait()
	if n := failed.Load(); n > 0 && ctx.Err() == nil {
		h.log.Warn("renewing the leases of connections failed", "connections", n)
	}
}

// renewalBatches returns the sockets in batches, one for each renewal script. A batch is
// either one device's socket or sockets of users of the same tenant.
func renewalBatches(sockets []*Socket) func(yield func([]*Socket) bool) {
	users := map[string][]*Socket{}
	var batches [][]*Socket
	for _, s := range sockets {
		if s.Device != "" {
			batches = append(batches, []*Socket{s})
		} else {
			users[s.Tenant] = append(users[s.Tenant], s)
		}
	}
	for _, ofTenant := range users {
		batches = slices.AppendSeq(batches, slices.Chunk(ofTenant, maxBatch))
	}
	return slices.Values(batches)
}

func (h *Hub) renewBatch(ctx context.Context, batch []*Socket) error {
	if first := batch[0]; first.Device != "" {
		return h.renew(ctx, first)
	}
	return h.renewUsers(ctx, batch)
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
		s.verifyAgain()
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

// renewUsers is like renew, for a batch of sockets of users of one tenant.
func (h *Hub) renewUsers(ctx context.Context, batch []*Socket) error {
	t := store.Tenant(batch[0].Tenant)
	keys, args := []string{t.ConnectionsKey(), t.SocketLeasesKey()}, []any{h.cfg.Lease.Milliseconds()}
	renewing := map[string]*Socket{} // sockets whose leases this script renews, by connection id
	for _, s := range batch {
		if s.beginRenewal() {
			keys, args = append(keys, t.ConnectionKey(s.ID())), append(args, s.ID(), s.encodeRecord())
			renewing[s.ID()] = s
		}
	}
	reply, err := h.store.Run(ctx, renewManyScript, keys, args...)
	for _, s := range renewing {
		s.renewals.Done()
	}
	if err != nil {
		return fmt.Errorf("renewing the leases of connections: %w", err)
	}
	ended := reply.List(2)
	for i := range ended {
		renewing[ended.String(i)].conn.Close(CloseWithdrawn, kicked)
	}
	for _, s := range renewing {
		s.verify()
	}
	return nil
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

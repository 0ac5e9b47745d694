package realtime

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fieldgate/fieldgate/store"
)

const (
	// renewers is how many scripts that renew leases are under way at a time.
	renewers = 16
	// maxTogether is how many leases one of them renews: the store serves nobody else
	// meanwhile.
	maxTogether = 50
)

// renewSome gives a sign of life for the sockets whose turn it is, and finds out about
// those that somebody else has ended.
func (h *Hub) renewSome(ctx context.Context) {
	var failed atomic.Int64
	places := make(chan struct{}, renewers)
	var renewing sync.WaitGroup
	for party := range parties(h.due(h.renewals, time.Now())) {
		places <- struct{}{}
		renewing.Go(func() {
			defer func() { <-places }()
			if h.renewParty(ctx, party) != nil {
				failed.Add(int64(len(party)))
			}
		})
	}
	renewing.Wait()
	if n := failed.Load(); n > 0 && ctx.Err() == nil {
		h.log.Warn("the leases of connections could not be renewed", "connections", n)
	}
}

// parties are the sockets that one script can renew: a device alone, and people of
// one tenant together.
func parties(all []*Socket) func(yield func([]*Socket) bool) {
	people := map[string][]*Socket{}
	var some [][]*Socket
	for _, s := range all {
		if s.Device != "" {
			some = append(some, []*Socket{s})
		} else {
			people[s.Tenant] = append(people[s.Tenant], s)
		}
	}
	for _, tenants := range people {
		some = slices.AppendSeq(some, slices.Chunk(tenants, maxTogether))
	}
	return slices.Values(some)
}

func (h *Hub) renewParty(ctx context.Context, party []*Socket) error {
	if first := party[0]; first.Device != "" {
		return h.renew(ctx, first)
	}
	return h.renewPeople(ctx, party)
}

// renew says that a socket is still there, and looks whether it may be. In an
// outage of the store it stays: what was lost of its registration is written anew.
func (h *Hub) renew(ctx context.Context, s *Socket) error {
	reply, err := h.renewOnce(ctx, s)
	if err != nil {
		return fmt.Errorf("renewing the lease of a connection: %w", err)
	}
	switch reply.Code() {
	case "":
	case "ok":
		s.verifyAgain()
	case "superseded":
		s.conn.Close(CloseSuperseded, tookOver)
	case "kicked":
		s.conn.Close(CloseWithdrawn, kicked)
	default:
		s.verify()
	}
	return nil
}

// renewOnce writes the lease of a socket that has not ended: what was taken back
// must stay so. The reply is empty for one that has.
func (h *Hub) renewOnce(ctx context.Context, s *Socket) (store.Reply, error) {
	s.registration.Lock()
	defer s.registration.Unlock()
	if s.withdrawn {
		return nil, nil
	}
	return h.store.Run(ctx, renewScript, s.keys(), s.args(s.scope())...)
}

// renewPeople does for sockets of people of one tenant what renew does for one.
func (h *Hub) renewPeople(ctx context.Context, party []*Socket) error {
	t := store.Tenant(party[0].Tenant)
	keys, args := []string{t.ConnectionsKey()}, []any{h.cfg.Lease.Milliseconds()}
	byID := map[string]*Socket{}
	for _, s := range party {
		s.registration.Lock()
		defer s.registration.Unlock()
		if !s.withdrawn {
			keys, args = append(keys, t.ConnectionKey(s.ID())), append(args, s.ID(), s.record())
			byID[s.ID()] = s
		}
	}
	reply, err := h.store.Run(ctx, renewManyScript, keys, args...)
	if err != nil {
		return fmt.Errorf("renewing the leases of connections: %w", err)
	}
	ended := reply.List(1)
	for i := range ended {
		byID[ended.String(i)].conn.Close(CloseWithdrawn, kicked)
	}
	return nil
}

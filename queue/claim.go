package queue

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/fieldgate/fieldgate/store"
)

// ClaimRequest asks for commands on behalf of a device.
type ClaimRequest struct {
	Device         store.Device
	Epoch          string // of the login that asks: nothing is handed out once it is another
	RequestID      string
	Limit          int           // commands at most, 1 to 10
	Visibility     time.Duration // how long the lease of each lasts
	Wait           time.Duration // how long to wait for a command; zero: not at all
	IdempotencyKey string        // repeats the answer while its leases live; empty: no memory
}

// Lease is a command in the hands of its device.
type Lease struct {
	Command
	Token     string        // proves that the device holds the newest claim
	Remaining time.Duration // until VisibleUntil, by the store's clock
}

// Claim hands out the first commands of the device's line, each under a lease.
// With Wait it stays until there is one, the time is over, the context ends or
// the queue drains; then it answers none. Refusal: idempotency_key_reused,
// unauthorized for a device that was suspended, or whose login was ended, meanwhile.
func (q *Queue) Claim(ctx context.Context, r ClaimRequest) ([]Lease, error) {
	if r.Wait <= 0 {
		leases, _, err := q.claim(ctx, r)
		return leases, err
	}
	q.metrics.waiting.Inc()
	defer q.metrics.waiting.Dec()
	turn := q.waiters.join(r.Device.ID)
	defer q.waiters.leave(turn)
	until := time.Now().Add(r.Wait)
	for {
		leases, left, err := q.claim(ctx, r)
		if left > 0 || err != nil {
			q.waiters.wake(r.Device.ID) // somebody else may make use of what is there
		}
		if len(leases) > 0 || err != nil || !turn.wait(ctx, until, q.cfg.PollEvery) {
			return leases, err
		}
	}
}

// claim tries once. It tells how many commands are left in the line. The store
// does not give a script up with its caller, so that what is handed out comes
// back here, and is given back where nobody is left to take it.
func (q *Queue) claim(ctx context.Context, r ClaimRequest) (leases []Lease, left int64, err error) {
	keys, args, err := q.claimArgs(r)
	if err != nil {
		return nil, 0, err
	}
	reply, err := q.store.Run(ctx, claimScript, keys, args...)
	if err != nil {
		return nil, 0, err
	}
	if !reply.OK() {
		return nil, 0, refusal(reply, "")
	}
	q.setAside(ctx, reply.String(4))
	leases = q.leases(ctx, r.Device, reply)
	if ctx.Err() != nil && r.IdempotencyKey == "" {
		q.giveBack(ctx, r, leases)
		return nil, 0, ctx.Err()
	}
	return leases, reply.Int(3), nil
}

func (q *Queue) claimArgs(r ClaimRequest) (keys []string, args []any, err error) {
	mark, err := fingerprint("claim", r.Limit, r.Visibility)
	if err != nil {
		return nil, nil, err
	}
	keys = r.Device.Keys()
	if r.IdempotencyKey != "" {
		keys = append(keys, r.Device.ClaimKey(store.DigestOf(r.IdempotencyKey)))
	}
	args = q.scope(r.Device, store.ActorDevice(r.Device.ID), r.RequestID).
		Args(r.Limit, r.Visibility.Milliseconds(), mark, settleAtOnce, r.Epoch)
	for range r.Limit {
		token := rand.Text()
		args = append(args, token, hashToken(token))
	}
	return keys, args, nil
}

// leases reads what claim.lua handed out. A command of which the scripts could
// read their part and we cannot read ours is left to its lease, so that it does
// not keep the others from the device.
func (q *Queue) leases(ctx context.Context, d store.Device, reply store.Reply) []Lease {
	var leases []Lease
	for i := 5; i < len(reply); i++ {
		lease, err := q.lease(d, reply.List(i), reply.Int(2))
		if err != nil {
			q.metrics.quarantined.Inc()
			q.log.ErrorContext(ctx, "a claimed command cannot be read", "command", reply.List(i).String(0), "error", err)
			continue
		}
		leases = append(leases, lease)
	}
	return leases
}

func (q *Queue) lease(d store.Device, given store.Reply, now int64) (Lease, error) {
	s, err := decodeState(given.String(1))
	if err != nil {
		return Lease{}, err
	}
	c, err := record{d.Tenant, d.ID, given.String(0), given.String(1), given.String(2), ""}.with(s)
	if err != nil {
		return Lease{}, err
	}
	q.metrics.age.Observe(float64(s.Claimed-s.Queued) / 1000)
	return Lease{Command: c, Token: given.String(3), Remaining: time.Duration(s.Visible-now) * time.Millisecond}, nil
}

// giveBack releases what was claimed for a device that has gone away meanwhile:
// no attempt counts, and the next claim finds the commands at once.
func (q *Queue) giveBack(ctx context.Context, r ClaimRequest, leases []Lease) {
	ctx = context.WithoutCancel(ctx)
	for _, lease := range leases {
		_, err := q.Release(ctx, ClaimRef{Device: r.Device, CommandID: lease.ID, Token: lease.Token, RequestID: r.RequestID}, "connection lost")
		if err != nil {
			q.log.WarnContext(ctx, "giving a command back to the queue", "command", lease.ID, "error", err)
		}
	}
}

// hashToken is how claim tokens are kept: they are random, so a plain hash will do.
func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:16])
}

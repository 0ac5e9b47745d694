package store

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// wakeChannel carries the wake-ups of every partition. A plain channel is heard
// on every node of a Cluster, whichever node published.
const wakeChannel = "fg:wake"

// aliveEvery is how long a connection may be silent before it is asked for a
// sign of life. A server that vanished without a word is noticed after twice
// that time.
const aliveEvery = 2 * time.Second

// listenAgain is how long to wait before a broken connection is made again.
const listenAgain = 250 * time.Millisecond

// Wake says that something happened. It carries no truth: whoever misses it
// finds the same in the event stream.
type Wake struct {
	Ready    bool // the device has a command to claim
	DeviceID string
	Tenant   string
	EventID  string // of the tenant's stream

	// Connection is a socket that the device has opened newly or, with Kick, one
	// that somebody wants closed. Such a wake-up has no event.
	Connection string
	Kick       bool
}

// Listen gives every wake-up to hear until the context ends, over one
// connection that is made again when it breaks. Hear must not block. It is told
// of a new connection by a zero Wake, because what was said in between is lost;
// and by the same of a wake-up that cannot be read. That nothing is heard is
// logged once, until there is a connection again.
func (s *Store) Listen(ctx context.Context, hear func(Wake)) {
	for logged := false; ctx.Err() == nil; Sleep(ctx, listenAgain) {
		heard, err := s.listen(ctx, hear)
		if (heard || !logged) && ctx.Err() == nil {
			s.log.WarnContext(ctx, "hearing nothing from the store, so everybody learns of news late; trying again", "error", err)
			logged = true
		}
	}
}

// listen hears one connection until it breaks, and tells whether it ever stood.
func (s *Store) listen(ctx context.Context, hear func(Wake)) (heard bool, err error) {
	// As a pattern, although it is none: the client of a Cluster ties a channel to
	// the master of its slot, and while that one is dead it would hear of nothing.
	sub := s.client.PSubscribe(ctx, wakeChannel)
	defer sub.Close()
	// A read in progress does not notice the end of its context.
	stop := context.AfterFunc(ctx, func() { _ = sub.Close() })
	defer stop()
	for asked := false; ; {
		message, err := sub.ReceiveTimeout(ctx, s.alive)
		if silent(err) && !asked {
			asked = true
			err = sub.Ping(ctx)
		} else {
			asked = false
		}
		if err != nil {
			return heard, err
		}
		switch m := message.(type) {
		case *redis.Subscription:
			heard = true
			hear(Wake{})
		case *redis.Message:
			hear(parseWake(m.Payload))
		}
	}
}

// silent tells whether nothing came in time.
func silent(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// parseWake reads what lua/event.lua publishes. It is not an error not to be
// able to: the zero Wake sends everybody to look.
func parseWake(payload string) Wake {
	f := strings.Split(payload, " ")
	if len(f) != 4 {
		return Wake{}
	}
	switch kind := f[0]; kind {
	case "socket", "kick":
		return Wake{DeviceID: f[1], Tenant: f[2], Connection: f[3], Kick: kind == "kick"}
	default:
		return Wake{Ready: kind == "ready", DeviceID: f[1], Tenant: f[2], EventID: f[3]}
	}
}

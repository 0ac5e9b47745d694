package store

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// wakeChannel is the Redis channel for the wake-ups of all partitions. A Cluster forwards
// a message on a plain channel to every node, so one subscription receives all of them.
const wakeChannel = "fg:wake"

// silenceTimeout is the time without a message after which Listen publishes a probe. If the
// probe does not arrive within the same time, the connection is useless: its server vanished,
// or a failover demoted the server and the scripts publish on another one.
const silenceTimeout = 2 * time.Second

// probe is the message that Listen publishes to itself. Earlier versions take it for a wake-up
// of a device that does not exist.
const probe = "probe - - -"

// errUnheard is returned when a probe does not arrive.
var errUnheard = errors.New("the connection does not receive what this instance publishes")

// reconnectDelay is the time that Listen waits after losing a connection before it opens
// a new one.
const reconnectDelay = 250 * time.Millisecond

// Wake is a wake-up: it announces that the state of a device has changed. It is only
// a hint. A listener that misses it finds the change in the event stream.
//
// The zero Wake means that wake-ups may have been lost, so that every listener must
// check for changes.
type Wake struct {
	Ready    bool // the device has a command to claim
	DeviceID string
	Tenant   string
	EventID  string // the id of the event in the tenant's stream

	// RoomsOnly reports that the event concerns only the subscribers of rooms, and not the
	// device's socket. Instances of earlier releases never say so.
	RoomsOnly bool

	// CommandID is the id of a command of which the device has reported progress. Such a wake-up has
	// no event.
	CommandID string

	// Connection is the id of a socket. If Kick is true, the socket must be closed.
	// Otherwise the device has just opened it. A wake-up with a Connection has no event.
	Connection string
	Kick       bool

	// CutOff reports that a user of the tenant was cut off. Such a wake-up has no event.
	CutOff bool

	// PolicyChanged reports that the policy of the tenant has changed. Such a wake-up has no event.
	PolicyChanged bool

	// LoginEnded reports that one of the device's logins was ended, by a logout or
	// because the device has too many logins. Such a wake-up has no event.
	LoginEnded bool
}

// Listen calls handle with every wake-up until the context ends. It uses one connection
// and opens a new one when the old one breaks. The function handle must not block.
//
// Listen passes the zero Wake to handle for every new connection, because wake-ups
// are lost while there is no connection. It also does so for a message that cannot be parsed. Of
// several failures in a row, only the first is logged.
//
// Listen also lets the sweeper know of the partitions in which something may be due earlier.
func (s *Store) Listen(ctx context.Context, handle func(Wake)) {
	for logged := false; ctx.Err() == nil; Sleep(ctx, reconnectDelay) {
		connected, err := s.listen(ctx, func(w Wake) {
			s.due.note(w)
			handle(w)
		})
		if (connected || !logged) && ctx.Err() == nil {
			s.log.WarnContext(ctx, "listening for wake-ups failed, so that events arrive late; retrying", "error", err)
			logged = true
		}
	}
}

// listen receives wake-ups over one connection until it breaks. It reports whether
// the subscription ever succeeded.
func (s *Store) listen(ctx context.Context, handle func(Wake)) (connected bool, err error) {
	// This calls PSubscribe instead of Subscribe, although the channel is not a pattern.
	// With Subscribe, the client of a Cluster binds the channel to the master of its
	// slot, and would receive nothing while that master is down.
	sub := s.client.PSubscribe(ctx, wakeChannel)
	defer sub.Close()
	// A read in progress does not return when its context ends. It returns when the
	// subscription is closed.
	stop := context.AfterFunc(ctx, func() { _ = sub.Close() })
	defer stop()
	for probed := false; ; {
		message, err := sub.ReceiveTimeout(ctx, s.silenceTimeout)
		silent := isTimeout(err)
		switch {
		case silent && probed:
			return connected, errUnheard
		case silent:
			err = s.client.Publish(ctx, wakeChannel, probe).Err()
		}
		if probed = silent; err != nil {
			return connected, err
		}
		switch m := message.(type) {
		case *redis.Subscription:
			connected = true
			handle(Wake{})
		case *redis.Message:
			if m.Payload != probe {
				handle(parseWake(m.Payload))
			}
		}
	}
}

// isTimeout reports whether err is a timeout of the network.
func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// parseWake parses the payload of a message that wake.lua published. It returns the zero
// Wake for any other payload, so that every listener checks for changes.
func parseWake(payload string) Wake {
	f := strings.Split(payload, " ")
	if len(f) != 4 {
		return Wake{}
	}
	switch kind := f[0]; kind {
	case "logout":
		return Wake{DeviceID: f[1], LoginEnded: true}
	case "socket", "kick":
		return Wake{DeviceID: f[1], Tenant: f[2], Connection: f[3], Kick: kind == "kick"}
	case "progress":
		return Wake{DeviceID: f[1], Tenant: f[2], CommandID: f[3]}
	case "cut-off":
		return Wake{Tenant: f[2], CutOff: true}
	case "policy":
		return Wake{Tenant: f[2], PolicyChanged: true}
	default:
		return Wake{Ready: kind == "ready", RoomsOnly: kind == "room", DeviceID: f[1], Tenant: f[2], EventID: f[3]}
	}
}

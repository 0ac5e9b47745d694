package store

import (
	"strings"
	"time"
)

// Scope says on whose behalf a transition of a device is made.
type Scope struct {
	Device
	Actor     string        // who does it: "user:<id>", "device:<id>" or "system"
	RequestID string        // the X-Request-ID under which it was asked for
	Retention time.Duration // how long what is finished is kept
}

// NewScope returns the scope of a transition of a device. The retention is the
// one that the calling package is configured with.
func NewScope(d Device, actor, requestID string, retention time.Duration) Scope {
	return Scope{Device: d, Actor: actor, RequestID: requestID, Retention: retention}
}

// Args are the first arguments of every script on a device, in the order of
// lua/device.lua.
func (s Scope) Args(more ...any) []any {
	args := make([]any, 0, 5+len(more))
	args = append(args, s.Tenant, s.ID, s.Actor, s.RequestID, s.Retention.Milliseconds())
	return append(args, more...)
}

// ActorSystem is the actor of what time does, in events.
const ActorSystem = "system"

// ActorUser names a person in events.
func ActorUser(id string) string { return "user:" + id }

// ActorDevice names a device in events.
func ActorDevice(id string) string { return "device:" + id }

// ParseActor splits an actor into its kind, "user", "device" or "system", and its
// id. The system is its own id. An empty actor has neither.
func ParseActor(actor string) (kind, id string) {
	kind, id, _ = strings.Cut(actor, ":")
	if id == "" {
		id = kind
	}
	return kind, id
}

// ActorID returns the id of an actor, such as a user's.
func ActorID(actor string) string {
	_, id := ParseActor(actor)
	return id
}

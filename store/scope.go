package store

import (
	"strings"
	"time"

	"github.com/fieldgate/fieldgate"
)

// Scope names the device of a transition and the request that caused the transition. The
// script records both in the events.
type Scope struct {
	Device
	Actor     string          // "user:<id>", "device:<id>" or "system"
	Names     fieldgate.Names // names of the user; empty for any other actor
	RequestID string          // the X-Request-ID of the request; empty for the system
	Retention time.Duration   // time for which finished records and the timeline are kept
}

// NewScope returns the scope of a transition of the device d. The retention is the one
// that the calling package is configured with.
func NewScope(d Device, actor, requestID string, retention time.Duration) Scope {
	return Scope{Device: d, Actor: actor, RequestID: requestID, Retention: retention}
}

// WithNames returns a copy of the scope with the names of the user who acts. The script records
// them beside the user's id.
func (s Scope) WithNames(names fieldgate.Names) Scope {
	s.Names = names
	return s
}

// Args returns the arguments of a script on a device: the scope, in the order that
// lua/device.lua expects, followed by scriptArgs.
func (s Scope) Args(scriptArgs ...any) []any {
	args := make([]any, 0, 5+len(scriptArgs))
	args = append(args, s.Tenant, s.ID, s.encodeActor(), s.RequestID, s.Retention.Milliseconds())
	return append(args, scriptArgs...)
}

// encodeActor returns the argument from which lua/device.lua reads the actor and the names: three
// lines, or only the first. No name can change the id, which comes first.
func (s Scope) encodeActor() string {
	if s.Names == (fieldgate.Names{}) {
		return oneLine(s.Actor)
	}
	return oneLine(s.Actor) + "\n" + oneLine(s.Names.Name) + "\n" + oneLine(s.Names.Email)
}

// oneLine returns a text in which line breaks are spaces, so that no part of it becomes another line.
func oneLine(text string) string { return strings.ReplaceAll(text, "\n", " ") }

// ActorSystem is the actor of transitions that no user or device requested. An example is
// the expiry of a lease.
const ActorSystem = "system"

// ActorUser returns the actor for transitions that the user with this id requested.
func ActorUser(id string) string { return "user:" + id }

// ActorDevice returns the actor for transitions that the device with this id requested.
func ActorDevice(id string) string { return "device:" + id }

// ParseActor splits an actor into its kind, which is "user", "device" or "system",
// and its id. The id of the system is "system". Both are empty for an empty actor.
func ParseActor(actor string) (kind, id string) {
	kind, id, _ = strings.Cut(actor, ":")
	if id == "" {
		id = kind
	}
	return kind, id
}

// ActorID returns the id in an actor, such as "alice" for "user:alice".
func ActorID(actor string) string {
	_, id := ParseActor(actor)
	return id
}

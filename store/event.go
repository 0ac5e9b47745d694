package store

import (
	"strings"

	"github.com/redis/go-redis/v9"
)

// Event is an event in the stream of a tenant or the timeline of a device, as it is stored. A value
// that the event lacks is empty.
type Event struct {
	ID      string // of the entry
	Device  string // empty in a timeline, whose events are all of one device
	Type    string // such as "command.claimed"
	Time    string // in Unix milliseconds
	Actor   string // "user:<id>", "device:<id>" or "system"
	Name    string // of the user who is the actor
	Email   string // of the user who is the actor
	Request string // X-Request-ID
	Session string
	Command string
	Data    string // a JSON object
	Trace   string // traceparent of the command
}

// eventLines are the names of the lines of a packed event, in the order of pack_event in
// lua/event.lua. A later release may append lines.
var eventLines = []string{"type", "time", "actor", "name", "email", "request", "session", "command", "data", "trace"}

// ParseEvent parses an entry of a stream of events, in either form: a field for each value, or the
// field "event" with all values but the device. It ignores what it does not know.
func ParseEvent(entry redis.XMessage) Event {
	e := Event{ID: entry.ID}
	for name, value := range entry.Values {
		e.set(name, value)
	}
	if text, ok := entry.Values["event"].(string); ok {
		e.unpack(text)
	}
	return e
}

// unpack sets the values of the lines of a packed event.
func (e *Event) unpack(text string) {
	for _, name := range eventLines {
		line, rest, more := strings.Cut(text, "\n")
		if e.set(name, line); !more {
			return
		}
		text = rest
	}
}

// set sets the value with a name.
func (e *Event) set(name string, value any) {
	if to := e.field(name); to != nil {
		*to, _ = value.(string)
	}
}

// field returns where a value is kept. It returns nil for an unknown name.
func (e *Event) field(name string) *string {
	switch name {
	case "device":
		return &e.Device
	case "type":
		return &e.Type
	case "time":
		return &e.Time
	case "actor":
		return &e.Actor
	case "name":
		return &e.Name
	case "email":
		return &e.Email
	case "request":
		return &e.Request
	case "session":
		return &e.Session
	case "command":
		return &e.Command
	case "data":
		return &e.Data
	case "trace":
		return &e.Trace
	}
	return nil
}

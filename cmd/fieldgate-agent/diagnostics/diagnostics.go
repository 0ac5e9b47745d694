// Package diagnostics looks at the machine and its network, and changes nothing. Each file
// has one type of command, with the parameters that it takes and the codes with which it
// fails; those of names and connections are in failures.go.
package diagnostics

import (
	"time"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// longest is how long a diagnostic may take, and patience how long one may wait for a
// single answer.
const (
	longest  = 2 * time.Minute
	patience = 15 * time.Second
)

// handlers are the diagnostics by their types.
var handlers = map[string]agent.Handler{
	"diagnostic.dns":        lookUp,
	"diagnostic.tcp":        dial,
	"diagnostic.tls":        inspectTLS,
	"diagnostic.http":       get,
	"diagnostic.ping":       ping,
	"diagnostic.traceroute": traceRoute,
	"diagnostic.system":     describe,
	"diagnostic.interfaces": interfaces,
	"diagnostic.disk":       disk,
	"diagnostic.log":        readLog,
}

// Register makes the diagnostics something that the device can do. All may be repeated,
// for they only look.
func Register(device *agent.Agent) {
	for commandType, handler := range handlers {
		device.Handle(commandType, handler, agent.Repeatable(), agent.Timeout(longest))
	}
}

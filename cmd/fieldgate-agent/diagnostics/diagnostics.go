// Package diagnostics inspects the machine and its network, and changes nothing. Each file has
// the handler of one command type, with its parameters and failure codes. The failure codes
// that all lookups and connections share are in failures.go.
package diagnostics

import (
	"time"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// maxDuration limits a whole diagnostic, and networkTimeout limits one network operation.
const (
	maxDuration    = 2 * time.Minute
	networkTimeout = 15 * time.Second
)

// handlers maps command types to diagnostics.
var handlers = map[string]agent.Handler{
	"diagnostic.dns":        lookUpHost,
	"diagnostic.tcp":        dialTCP,
	"diagnostic.tls":        inspectTLS,
	"diagnostic.http":       getURL,
	"diagnostic.ping":       ping,
	"diagnostic.traceroute": traceroute,
	"diagnostic.system":     describeSystem,
	"diagnostic.interfaces": listInterfaces,
	"diagnostic.disk":       listFileSystems,
	"diagnostic.log":        readLog,
}

// Register registers the handlers of the diagnostics. All are repeatable, because they only
// read.
func Register(device *agent.Agent) {
	for commandType, handler := range handlers {
		device.Handle(commandType, handler, agent.Repeatable(), agent.Timeout(maxDuration))
	}
}

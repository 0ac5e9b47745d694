// Package diagnostics looks at the machine and its network, and changes nothing. Each file
// has one type of command, with the parameters that it takes and the codes with which it
// fails.
package diagnostics

import (
	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// Register makes the diagnostics something that the device can do. All may be repeated,
// for they only look.
func Register(device *agent.Agent) {
	for commandType, handler := range map[string]agent.Handler{
		"diagnostic.dns": lookUp,
	} {
		device.Handle(commandType, handler, agent.Repeatable(), agent.Timeout(longest))
	}
}

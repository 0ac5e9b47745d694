// Package diagnostics inspects the machine and its network, and changes nothing. Each file has
// the handler of one command type, with its parameters and failure codes. The failure codes
// that all lookups and connections share are in failures.go.
package diagnostics

import (
	"context"
	"reflect"
	"time"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// maxDuration limits a whole diagnostic, and networkTimeout limits one network operation.
const (
	maxDuration    = 2 * time.Minute
	networkTimeout = 15 * time.Second
)

// A handler runs the commands of one type. parameters is the type of their parameters.
type handler struct {
	run        agent.Handler
	parameters reflect.Type
}

// handle returns the handler that checks the parameters of a command and then runs it.
func handle[T interface{ check() error }](run func(context.Context, T) (agent.Result, error)) handler {
	checked := func(ctx context.Context, command agent.Command) (agent.Result, error) {
		params, err := parseParameters[T](command)
		if err != nil {
			return agent.Result{}, err
		}
		return run(ctx, params)
	}
	return handler{run: checked, parameters: reflect.TypeFor[T]()}
}

// handlers maps command types to diagnostics.
var handlers = map[string]handler{
	"diagnostic.dns":        handle(lookUpHost),
	"diagnostic.tcp":        handle(dialTCP),
	"diagnostic.tls":        handle(inspectTLS),
	"diagnostic.http":       handle(getURL),
	"diagnostic.ping":       handle(ping),
	"diagnostic.traceroute": handle(traceroute),
	"diagnostic.system":     handle(describeSystem),
	"diagnostic.interfaces": handle(listInterfaces),
	"diagnostic.disk":       handle(listFileSystems),
	"diagnostic.log":        handle(readLog),
}

// Register registers the handlers of the diagnostics. All are repeatable, because they only
// read.
func Register(device *agent.Agent) {
	for commandType, h := range handlers {
		device.Handle(commandType, h.run, agent.Repeatable(), agent.Timeout(maxDuration))
	}
}

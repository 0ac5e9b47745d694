package diagnostics

import (
	"context"
	"errors"

	"github.com/fieldgate/fieldgate/clients/go/agent"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/process"
)

// traceRoute is diagnostic.traceroute {host}: the way to a host, as traceroute or tracepath
// of the system finds it. It fails with not_permitted where there is neither, or it may not
// be used, and with traceroute_failed where it fails.
func traceRoute(ctx context.Context, command agent.Command) (agent.Result, error) {
	wanted, err := parameters[host](command)
	if err != nil {
		return agent.Result{}, err
	}
	target, err := resolve(ctx, wanted.Host)
	if err != nil {
		return agent.Result{}, err
	}
	address := target.String()
	for _, program := range []process.Program{
		{Path: "traceroute", Args: []string{"-n", "-w", "2", "-q", "1", "-m", "20", address}},
		{Path: "tracepath", Args: []string{"-n", "-m", "20", address}},
	} {
		ended, err := process.Run(ctx, program)
		if failure, ok := errors.AsType[*agent.Failure](err); ok && failure.Code == "not_available" {
			continue
		}
		return byProgram(ended, err, "traceroute_failed", "the program of the system failed")
	}
	return agent.Result{}, agent.Fail("not_permitted", "there is neither traceroute nor tracepath on this device")
}

package diagnostics

import (
	"context"
	"errors"

	"github.com/fieldgate/fieldgate/clients/go/agent"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/process"
)

// traceroute handles diagnostic.traceroute {host}. It runs the system's traceroute or tracepath
// program and returns the route to the host. It fails with not_permitted if neither program is
// installed or permitted, and with traceroute_failed if the program fails.
func traceroute(ctx context.Context, params host) (agent.Result, error) {
	target, err := resolve(ctx, params.Host)
	if err != nil {
		return agent.Result{}, err
	}
	address := target.String()
	for _, program := range []process.Program{
		{Path: "traceroute", Args: []string{"-n", "-w", "2", "-q", "1", "-m", "20", address}},
		{Path: "tracepath", Args: []string{"-n", "-m", "20", address}},
	} {
		result, err := process.Run(ctx, program)
		if failure, ok := errors.AsType[*agent.Failure](err); ok && failure.Code == "not_available" {
			continue
		}
		return programResult(result, err, "traceroute_failed", "the program of the system failed")
	}
	return agent.Result{}, agent.Fail("not_permitted", "neither traceroute nor tracepath is installed on this device")
}

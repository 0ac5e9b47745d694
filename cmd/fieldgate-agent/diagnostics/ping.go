package diagnostics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/fieldgate/fieldgate/clients/go/agent"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/process"
)

// pings is the number of echo requests that diagnostic.ping sends.
const pings = 4

// errNoSocket is the error of pingBySocket if the agent may not open ICMP sockets.
var errNoSocket = errors.New("the agent may not open ICMP sockets")

// ping handles diagnostic.ping {host}. It measures whether and how fast a host replies. It uses
// an ICMP socket if Linux permits one (net.ipv4.ping_group_range), and otherwise runs the ping
// program. It fails with no_reply, or with not_permitted if neither way is possible.
func ping(ctx context.Context, params host) (agent.Result, error) {
	target, err := resolve(ctx, params.Host)
	if err != nil {
		return agent.Result{}, err
	}
	result, err := pingBySocket(ctx, target)
	if errors.Is(err, errNoSocket) {
		return pingByProgram(ctx, target)
	}
	return result, err
}

// resolve returns the first address of a host.
func resolve(ctx context.Context, host string) (net.IP, error) {
	bounded, cancel := context.WithTimeout(ctx, networkTimeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupIP(bounded, "ip", host)
	if err != nil {
		return nil, networkFailure(ctx, "looking up the host", err)
	}
	return addresses[0], nil
}

// pingByProgram runs the ping program, which may have rights that the agent lacks.
func pingByProgram(ctx context.Context, target net.IP) (agent.Result, error) {
	result, err := process.Run(ctx, process.Program{
		Path: "ping", Args: []string{"-n", "-c", strconv.Itoa(pings), "-W", "2", target.String()},
	})
	return programResult(result, err, "no_reply", "the host does not reply")
}

// programResult returns the result of a system program that has run. It fails with
// not_permitted if the program could not be run or lacked permission. If the program failed for
// another reason, programResult fails with the given code and reason.
func programResult(program process.Result, err error, code, reason string) (agent.Result, error) {
	result := agent.Result{Output: program.Output}
	switch failure, _ := errors.AsType[*agent.Failure](err); {
	case failure != nil:
		return result, agent.Fail("not_permitted", "the agent may not open ICMP sockets, and cannot run the program of the system: %w", err)
	case err != nil:
		return result, err
	case program.Code != 0 && strings.Contains(program.Output, "ermitted"):
		return result, agent.Fail("not_permitted", "the machine does not permit this to the agent")
	case program.Code != 0:
		return result, agent.Fail(code, "%s", reason)
	}
	return result, nil
}

// summary returns the result of a ping. times holds the round-trip times of the echo requests
// that were answered, in milliseconds.
func summary(target net.IP, times []float64) agent.Result {
	text := fmt.Sprintf("%s answered %d of %d", target, len(times), pings)
	least, most, sum := 0.0, 0.0, 0.0
	for i, one := range times {
		if i == 0 || one < least {
			least = one
		}
		most, sum = max(most, one), sum+one
	}
	data := map[string]any{"address": target.String(), "sent": pings, "received": len(times)}
	if n := len(times); n > 0 {
		text += fmt.Sprintf(", after %.2f ms at least, %.2f on average, %.2f at most", least, sum/float64(n), most)
		data["minMs"], data["avgMs"], data["maxMs"] = least, sum/float64(n), most
	}
	return agent.Result{Output: text, Data: data}
}

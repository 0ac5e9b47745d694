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

const pings = 4

// errNoSocket is where the machine has no ICMP sockets for this agent.
var errNoSocket = errors.New("ICMP sockets are not permitted")

// ping is diagnostic.ping {host}: whether a host answers, and how fast. It uses the sockets
// that Linux has for this where the agent's group is in net.ipv4.ping_group_range, and the
// program of the system where it is not. It fails with no_reply, or with not_permitted
// where neither is possible.
func ping(ctx context.Context, command agent.Command) (agent.Result, error) {
	wanted, err := parameters[host](command)
	if err != nil {
		return agent.Result{}, err
	}
	target, err := resolve(ctx, wanted.Host)
	if err != nil {
		return agent.Result{}, err
	}
	result, err := pingBySocket(ctx, target)
	if errors.Is(err, errNoSocket) {
		return pingByProgram(ctx, target)
	}
	return result, err
}

// resolve gives the address that is looked at.
func resolve(ctx context.Context, host string) (net.IP, error) {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupIP(waiting, "ip", host)
	if err != nil {
		return nil, networkFailure(ctx, "looking up the host", err)
	}
	return addresses[0], nil
}

// pingByProgram asks the program of the system, which may have rights that the agent lacks.
func pingByProgram(ctx context.Context, target net.IP) (agent.Result, error) {
	ended, err := process.Run(ctx, process.Program{
		Path: "ping", Args: []string{"-n", "-c", strconv.Itoa(pings), "-W", "2", target.String()},
	})
	return byProgram(ended, err, "no_reply", "the host does not answer")
}

// byProgram makes a result of what a program of the system has said.
func byProgram(ended process.Ended, err error, code, reason string) (agent.Result, error) {
	result := agent.Result{Output: ended.Output}
	switch failure, _ := errors.AsType[*agent.Failure](err); {
	case failure != nil:
		return result, agent.Fail("not_permitted", "the agent may not open the sockets for this, and cannot use the program of the system either: %w", err)
	case err != nil:
		return result, err
	case ended.Code != 0 && strings.Contains(ended.Output, "ermitted"):
		return result, agent.Fail("not_permitted", "the machine does not let the agent do this")
	case ended.Code != 0:
		return result, agent.Fail(code, "%s", reason)
	}
	return result, nil
}

// summary is what was measured.
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

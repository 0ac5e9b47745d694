package diagnostics

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

type host struct {
	Host string `json:"host"`
}

func (h host) check() error { return checkHost(h.Host) }

// lookUp is diagnostic.dns {host}: the addresses of a host, as the resolver of the machine
// has them.
func lookUp(ctx context.Context, command agent.Command) (agent.Result, error) {
	wanted, err := parameters[host](command)
	if err != nil {
		return agent.Result{}, err
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	start := time.Now()
	addresses, err := net.DefaultResolver.LookupHost(waiting, wanted.Host)
	if err != nil {
		return agent.Result{}, networkFailure(ctx, "looking up the host", err)
	}
	took := since(start)
	return agent.Result{
		Output: fmt.Sprintf("%s is %s (%s)", wanted.Host, strings.Join(addresses, ", "), took),
		Data:   map[string]any{"addresses": addresses, "durationMs": milliseconds(took)},
	}, nil
}

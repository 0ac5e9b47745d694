package diagnostics

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// host holds the parameters of a diagnostic whose only parameter is a host.
type host struct {
	Host string `json:"host"`
}

func (h host) check() error { return checkHost(h.Host) }

// lookUpHost handles diagnostic.dns {host}. It returns the host's addresses according to the
// machine's resolver.
func lookUpHost(ctx context.Context, params host) (agent.Result, error) {
	bounded, cancel := context.WithTimeout(ctx, networkTimeout)
	defer cancel()
	start := time.Now()
	addresses, err := net.DefaultResolver.LookupHost(bounded, params.Host)
	if err != nil {
		return agent.Result{}, networkFailure(ctx, "looking up the host", err)
	}
	took := since(start)
	return agent.Result{
		Output: fmt.Sprintf("%s is %s (%s)", params.Host, strings.Join(addresses, ", "), took),
		Data:   map[string]any{"addresses": addresses, "durationMs": milliseconds(took)},
	}, nil
}

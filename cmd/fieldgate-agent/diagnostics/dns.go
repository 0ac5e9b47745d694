package diagnostics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// lookUp is diagnostic.dns: the addresses of a host, as the resolver of the machine has
// them. It fails with host_not_found, dns_timeout or dns_failed.
func lookUp(ctx context.Context, command agent.Command) (agent.Result, error) {
	wanted, err := agent.Parameters[struct {
		Host string `json:"host"`
	}](command)
	if err != nil {
		return agent.Result{}, err
	}
	if err := checkHost(wanted.Host); err != nil {
		return agent.Result{}, err
	}
	start := time.Now()
	addresses, err := net.DefaultResolver.LookupHost(ctx, wanted.Host)
	if err != nil {
		return agent.Result{}, resolving(ctx, err)
	}
	return agent.Result{
		Output: fmt.Sprintf("%s is %s (%s)", wanted.Host, strings.Join(addresses, ", "), since(start)),
		Data:   map[string]any{"addresses": addresses, "milliseconds": milliseconds(since(start))},
	}, nil
}

// resolving gives the failure of a look-up its code.
func resolving(ctx context.Context, err error) error {
	failed, ok := errors.AsType[*net.DNSError](err)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case ok && failed.IsNotFound:
		return agent.Fail("host_not_found", "the host has no address: %w", err)
	case ok && failed.IsTimeout:
		return agent.Fail("dns_timeout", "the resolver does not answer: %w", err)
	}
	return agent.Fail("dns_failed", "looking up the host: %w", err)
}

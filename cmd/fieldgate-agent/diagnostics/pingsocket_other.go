//go:build !linux

package diagnostics

import (
	"context"
	"net"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// pingBySocket leaves it to the program of the system.
func pingBySocket(context.Context, net.IP) (agent.Result, error) {
	return agent.Result{}, errNoSocket
}

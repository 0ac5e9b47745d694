//go:build !linux

package diagnostics

import (
	"context"
	"net"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// pingBySocket returns errNoSocket. The caller then runs the ping program.
func pingBySocket(context.Context, net.IP) (agent.Result, error) {
	return agent.Result{}, errNoSocket
}

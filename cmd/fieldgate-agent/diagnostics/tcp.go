package diagnostics

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// endpoint holds the parameters of a diagnostic whose parameters are a host and a port.
type endpoint struct {
	Host string `json:"host"`
	Port int    `json:"port"`
}

func (e endpoint) check() error {
	if err := checkHost(e.Host); err != nil {
		return err
	}
	return checkPort(e.Port)
}

func (e endpoint) address() string { return net.JoinHostPort(e.Host, strconv.Itoa(e.Port)) }

// dialTCP handles diagnostic.tcp {host, port}. It opens a connection and closes it again.
func dialTCP(ctx context.Context, params endpoint) (agent.Result, error) {
	dialer := net.Dialer{Timeout: networkTimeout}
	start := time.Now()
	connection, err := dialer.DialContext(ctx, "tcp", params.address())
	if err != nil {
		return agent.Result{}, networkFailure(ctx, "connecting", err)
	}
	took := since(start)
	defer connection.Close()
	remote, local := connection.RemoteAddr().String(), connection.LocalAddr().String()
	return agent.Result{
		Output: fmt.Sprintf("connected to %s from %s (%s)", remote, local, took),
		Data:   map[string]any{"remote": remote, "local": local, "durationMs": milliseconds(took)},
	}, nil
}

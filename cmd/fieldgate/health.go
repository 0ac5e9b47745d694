package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// healthTimeout limits the check of a gateway on the same machine.
const healthTimeout = 3 * time.Second

// healthCommand checks the gateway on this machine, for an image that has no other program.
type healthCommand struct {
	Addr  string `env:"FIELDGATE_ADDR" default:"${addr}" help:"Address of the API."`
	Ready bool   `help:"Check also whether the gateway is ready: not draining, and Redis and the token issuer can be reached."`
}

// Run returns an error if the gateway does not respond, or is not ready.
func (c *healthCommand) Run(ctx context.Context) error {
	url, err := c.url()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("checking %s: %w", c.Addr, err)
	}
	transport := &http.Transport{DisableKeepAlives: true} // without the proxy of the environment
	response, err := transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("checking the gateway: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s returned status %d", url, response.StatusCode)
	}
	return nil
}

// url returns the URL of the check. A gateway that listens on all addresses is checked on
// 127.0.0.1, because an image without /etc/hosts cannot resolve localhost.
func (c *healthCommand) url() (string, error) {
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return "", fmt.Errorf("FIELDGATE_ADDR: %w", err)
	}
	if address := net.ParseIP(host); host == "" || address != nil && address.IsUnspecified() {
		host = "127.0.0.1"
	}
	path := "/healthz"
	if c.Ready {
		path = "/readyz"
	}
	return "http://" + net.JoinHostPort(host, port) + path, nil
}

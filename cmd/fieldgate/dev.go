package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/gateway"
)

// devCommand runs a gateway that needs nothing: its store is inside the process,
// and it issues its own tokens. Both end with it.
type devCommand struct {
	settings

	RedisURL   string `env:"FIELDGATE_REDIS_URL" help:"Keep the data in this Redis instead of the process."`
	IssuerAddr string `env:"FIELDGATE_DEV_ISSUER_ADDR" default:"127.0.0.1:8081" help:"Where the token issuer listens. Whoever reaches it can be anybody."`
}

// Run serves until a signal, and says what to try.
func (c *devCommand) Run(ctx context.Context) error {
	c.forDevelopment()
	people, err := startIssuer(c.IssuerAddr)
	if err != nil {
		return err
	}
	defer people.close()
	cfg, err := c.config()
	if err != nil {
		return err
	}
	cfg.RedisURL, cfg.Embedded, cfg.SupabaseURL = c.RedisURL, c.RedisURL == "", people.URL()
	cfg.Development = true
	g, err := gateway.New(ctx, cfg)
	if err != nil {
		return err
	}
	url := "http://" + reachable(g.Addr())
	welcome(os.Stdout, url, people, cfg.Embedded)
	if cfg.Embedded {
		go offerAgent(ctx, os.Stdout, url, people) // which is answered once the gateway runs
	}
	return g.Run(ctx)
}

// forDevelopment turns defaults around where a developer would.
func (c *devCommand) forDevelopment() {
	if c.LogFormat == "" {
		c.LogFormat = "text"
	}
	if c.Environment == "" {
		c.Environment = "development"
	}
	if _, set := os.LookupEnv("FIELDGATE_DRAIN_DELAY"); !set {
		c.DrainDelay = 0
	}
}

// devIssuer is the token issuer of a gateway in development, being served.
type devIssuer struct {
	*issuer.Issuer
	server *http.Server
}

func startIssuer(addr string) (*devIssuer, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("opening FIELDGATE_DEV_ISSUER_ADDR: %w", err)
	}
	people, err := issuer.New("http://" + listener.Addr().String())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the token issuer: %w", err), listener.Close())
	}
	mux := http.NewServeMux()
	mux.Handle("/", people.Handler())
	d := &devIssuer{Issuer: people, server: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}}
	mux.HandleFunc("POST "+tokenPath, d.serveToken)
	go func() { _ = d.server.Serve(listener) }()
	return d, nil
}

func (d *devIssuer) close() { _ = d.server.Close() }

// reachable makes of a listening address one that can be called.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// welcome says what to try first.
func welcome(w io.Writer, url string, people *devIssuer, embedded bool) {
	kept := "the data is in your Redis"
	if embedded {
		kept = "nothing is kept: the data ends with the process"
	}
	fmt.Fprintf(w, strings.TrimLeft(`
Fieldgate is up at %[1]s (%[2]s)

  Docs      %[1]s/docs
  Guides    %[1]s/docs/guides
  Contract  %[1]s/openapi.yaml
  Demo      %[5]s demo --url %[1]s

The console, as alice, an admin, and in another tab as bob, who may approve what she proposes:

%[1]s/console#token=%[3]s

%[1]s/console#token=%[4]s

Alice's token for a shell. All tokens here are good for one hour; more: %[5]s token --help

export TOKEN=%[3]s

Provision a first device:

curl -s %[1]s/api/v1/customer/devices -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"name": "Pump 7"}'

`, "\n"), url, kept, people.issue(person{"alice", "acme", "admin", time.Hour}),
		people.issue(person{"bob", "acme", "approver", time.Hour}), os.Args[0])
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/fieldgate/fieldgate/cmd/program"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/listen"
)

// devCommand runs a gateway that needs no other services, because its store is in the process
// and it issues its own tokens. The data and the token keys are lost when the process ends.
type devCommand struct {
	settings `kong:"set='addr=127.0.0.1:8080',set='drain_delay=0s',set='personal_tenants=on',set='environment=development',set='log_format=text'"`

	RedisURL   string `env:"FIELDGATE_DEV_REDIS_URL" help:"Keep the data in this Redis instead of the process. A store that serve has written is refused."`
	IssuerAddr string `env:"FIELDGATE_DEV_ISSUER_ADDR" default:"127.0.0.1:8081" help:"Address of the token issuer. Anyone who can reach it can get a token of any user."`
}

// Run serves until a signal arrives. It first prints commands to try.
func (c *devCommand) Run(ctx context.Context, parsed *kong.Context) error {
	if _, ok := listen.UnixPath(c.Addr); ok {
		return errors.New("FIELDGATE_ADDR is a Unix socket: dev prints URLs, which need a port")
	}
	tokens, err := startIssuer(c.IssuerAddr)
	if err != nil {
		return err
	}
	defer tokens.close()
	cfg, err := c.config(tokens.URL())
	if err != nil {
		return err
	}
	defer program.FlushLog(cfg.Logger)
	stopTraces, err := startTraces(ctx, &cfg)
	if err != nil {
		return err
	}
	defer stopTraces()
	g, err := gateway.New(ctx, cfg)
	if err != nil {
		return err // one sentence, which no line of the log may hide
	}
	logSettings(cfg.Logger, slog.LevelDebug, parsed)
	url := "http://" + callableAddr(g.Addr())
	printWelcome(os.Stdout, url, tokens, cfg.Embedded)
	if cfg.Embedded {
		go printAgentCommand(ctx, os.Stdout, url, tokens) // its requests wait until the gateway serves
	}
	return g.Run(ctx)
}

// config returns the gateway configuration, with tokens from the issuer at issuerURL.
func (c *devCommand) config(issuerURL string) (gateway.Config, error) {
	cfg, err := c.settings.config()
	cfg.RedisURL, cfg.Embedded, cfg.SupabaseURL = c.RedisURL, c.RedisURL == "", issuerURL
	cfg.Development = true
	return cfg, err
}

// devIssuer is a running token issuer for a gateway in development mode.
type devIssuer struct {
	*issuer.Issuer
	server *http.Server
}

func startIssuer(addr string) (*devIssuer, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("opening FIELDGATE_DEV_ISSUER_ADDR: %w", err)
	}
	tokens, err := issuer.New("http://" + listener.Addr().String())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the token issuer: %w", err), listener.Close())
	}
	mux := http.NewServeMux()
	mux.Handle("/", tokens.Handler())
	d := &devIssuer{Issuer: tokens, server: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}}
	mux.HandleFunc("POST "+tokenPath, d.serveToken)
	go func() { _ = d.server.Serve(listener) }()
	return d, nil
}

func (d *devIssuer) close() { _ = d.server.Close() }

// callableAddr converts the address of a listener to an address that a client can call.
func callableAddr(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// printWelcome prints the addresses of the gateway and commands to try.
func printWelcome(w io.Writer, url string, tokens *devIssuer, embedded bool) {
	storage := "the data is in your Redis"
	if embedded {
		storage = "the data ends with the process"
	}
	fmt.Fprintf(w, strings.TrimLeft(`
Fieldgate is up at %[1]s (%[2]s)

  Docs      %[1]s/docs
  Guides    %[1]s/docs/guides
  Contract  %[1]s/openapi.yaml
  Demo      %[5]s demo --url %[1]s

The console, as alice, an admin, and in another tab as bob, who may approve what she proposes:

%[6]s/console#token=%[3]s

%[6]s/console#token=%[4]s

Alice's token for a shell. All tokens here are valid for one hour; for more, see %[5]s token --help

export TOKEN=%[3]s

Provision a first device:

curl -s %[1]s/api/v1/customer/devices -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"name": "Pump 7"}'

`, "\n"), url, storage, tokens.issue(tokenRequest{"alice", "acme", "admin", time.Hour}),
		tokens.issue(tokenRequest{"bob", "acme", "approver", time.Hour}), os.Args[0], pageURL(url))
}

// pageURL returns the URL at which a browser should open a page of the gateway. Browsers give no passkeys to a
// page whose host is an address, not even one of the loopback interface.
func pageURL(url string) string { return strings.Replace(url, "//127.0.0.1:", "//localhost:", 1) }

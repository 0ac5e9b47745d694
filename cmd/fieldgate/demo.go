package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/cmd/program"
	"github.com/fieldgate/fieldgate/gateway"
)

// demoCommand shows the whole way of a command. What happens is real: the
// gateway, the device's work, the waiting for a person.
type demoCommand struct {
	URL    string `help:"A gateway that runs. Default: the demo starts one for itself."`
	Issuer string `env:"FIELDGATE_DEV_ISSUER" default:"http://127.0.0.1:8081" help:"The token issuer of that gateway, if it is a 'fieldgate dev'."`

	AdminToken    string `env:"FIELDGATE_ADMIN_TOKEN" help:"For another gateway: the token of an admin, who provisions and proposes."`
	ApproverToken string `env:"FIELDGATE_APPROVER_TOKEN" help:"For another gateway: the token of an approver of the same customer."`
}

// Run tells the story as it happens.
func (c *demoCommand) Run(ctx context.Context) error {
	if c.URL != "" {
		return c.tell(ctx, c.URL, os.Stdout)
	}
	return withOwnGateway(ctx, func(ctx context.Context, url, issuerURL string) error {
		c.Issuer = issuerURL
		return c.tell(ctx, url, os.Stdout)
	})
}

// withOwnGateway runs a gateway in this process for as long as f takes.
func withOwnGateway(ctx context.Context, f func(ctx context.Context, url, issuerURL string) error) error {
	people, err := startIssuer("127.0.0.1:0")
	if err != nil {
		return err
	}
	defer people.close()
	g, err := gateway.New(ctx, gateway.Config{
		Addr: "127.0.0.1:0", Embedded: true, SupabaseURL: people.URL(),
		Environment: "demo", Version: program.Version(), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- g.Run(serving) }()
	err = f(ctx, "http://"+g.Addr(), people.URL())
	stop()
	return errors.Join(err, <-ended)
}

func (c *demoCommand) tell(ctx context.Context, url string, w io.Writer) error {
	gate, err := client.New(url)
	if err != nil {
		return err
	}
	s := &story{ctx: ctx, w: w, url: url, gate: gate}
	if s.admin, err = c.person(ctx, gate, "carol", "admin", c.AdminToken); err != nil {
		return err
	}
	if s.approver, err = c.person(ctx, gate, "bob", "approver", c.ApproverToken); err != nil {
		return err
	}
	return s.tell()
}

// person signs somebody in: with the token that was given, or with one of the
// issuer of a gateway in development.
func (c *demoCommand) person(ctx context.Context, gate *client.Gateway, name, role, token string) (*client.CustomerClient, error) {
	if token == "" {
		var err error
		token, err = requestToken(ctx, c.Issuer, person{name, "acme", role, time.Hour})
		if err != nil {
			return nil, fmt.Errorf("signing %s in: %w", name, err)
		}
	}
	return gate.Customer(client.Bearer(strings.TrimSpace(token))), nil
}

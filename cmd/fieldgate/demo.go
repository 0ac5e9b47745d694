package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
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

// demoCommand demonstrates the life of a command. Nothing is simulated: a gateway runs, a
// device executes the commands, and a remediation waits for its approval.
type demoCommand struct {
	URL    string `help:"URL of a running gateway. Default: the demo starts its own."`
	Issuer string `env:"FIELDGATE_DEV_ISSUER" default:"http://127.0.0.1:8081" help:"Token issuer of that gateway, if it is a 'fieldgate dev'."`

	AdminToken    string `env:"FIELDGATE_ADMIN_TOKEN" help:"For any other gateway: the token of an admin, who provisions and proposes."`
	ApproverToken string `env:"FIELDGATE_APPROVER_TOKEN" help:"For any other gateway: the token of an approver of the same customer."`
}

// Run runs the demo and prints what happens.
func (c *demoCommand) Run(ctx context.Context) error {
	if c.URL != "" {
		return c.runOn(ctx, c.URL, os.Stdout)
	}
	return withOwnGateway(ctx, func(ctx context.Context, url, issuerURL string) error {
		c.Issuer = issuerURL
		return c.runOn(ctx, url, os.Stdout)
	})
}

// withOwnGateway runs a gateway in this process until f returns.
func withOwnGateway(ctx context.Context, f func(ctx context.Context, url, issuerURL string) error) error {
	tokens, err := startIssuer("127.0.0.1:0")
	if err != nil {
		return err
	}
	defer tokens.close()
	signingKey, err := newSigningKey()
	if err != nil {
		return err
	}
	g, err := gateway.New(ctx, gateway.Config{
		Addr: "127.0.0.1:0", Embedded: true, SupabaseURL: tokens.URL(), SigningKey: signingKey,
		Environment: "demo", Version: program.Version(), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- g.Run(serving) }()
	err = f(ctx, "http://"+g.Addr(), tokens.URL())
	stop()
	return errors.Join(err, <-ended)
}

// newSigningKey returns a key for the receipts of a gateway that ends with the demo.
func newSigningKey() (string, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", fmt.Errorf("creating a key for the receipts: %w", err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", fmt.Errorf("encoding the key for the receipts: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text})), nil
}

// runOn runs the demo on the gateway at url.
func (c *demoCommand) runOn(ctx context.Context, url string, w io.Writer) error {
	gate, err := client.New(url)
	if err != nil {
		return err
	}
	d := &demo{ctx: ctx, w: w, url: url, gate: gate}
	if d.admin, err = c.signIn(ctx, gate, "carol", "admin", c.AdminToken); err != nil {
		return err
	}
	if d.approver, err = c.signIn(ctx, gate, "bob", "approver", c.ApproverToken); err != nil {
		return err
	}
	return d.run()
}

// signIn returns a client that uses token. If token is empty, signIn requests a token from the
// issuer of a gateway in development mode.
func (c *demoCommand) signIn(ctx context.Context, gate *client.Gateway, name, role, token string) (*client.CustomerClient, error) {
	if token == "" {
		var err error
		token, err = requestToken(ctx, c.Issuer, tokenRequest{name, "acme", role, time.Hour})
		if err != nil {
			return nil, fmt.Errorf("signing %s in: %w", name, err)
		}
	}
	return gate.Customer(client.Bearer(strings.TrimSpace(token))), nil
}

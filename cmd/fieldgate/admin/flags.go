package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/fieldgate/fieldgate/cmd/fieldgate/connection"
	"github.com/fieldgate/fieldgate/store"
)

// storeTimeout bounds one round trip to the store. It is longer than that of the gateway: an
// operator rather waits for a slow store than sees nothing.
const storeTimeout = 10 * time.Second

// storeFlags are the flags that every command has.
type storeFlags struct {
	RedisURL string           `env:"FIELDGATE_REDIS_URL" required:"" help:"URL of the store."`
	Redis    connection.Files `embed:"" prefix:"redis-"`
	StoreID  string           `env:"FIELDGATE_STORE_ID" help:"Id of the only store that is accepted."`
	JSON     bool             `name:"json" help:"Print JSON instead of text: one object, or one object a line for a list."`

	stdout, stderr io.Writer
}

// AfterApply takes the writers of the command line. The parser calls it before Run.
func (c *storeFlags) AfterApply(parsed *kong.Context) error {
	c.stdout, c.stderr = parsed.Stdout, parsed.Stderr
	return nil
}

// read opens the store, calls f and closes the store. Opening writes nothing.
func (c *storeFlags) read(ctx context.Context, f func(s *store.Store) error) error {
	return c.with(ctx, store.Config{ReadOnly: true}, f)
}

// change is like read, for an f that writes.
func (c *storeFlags) change(ctx context.Context, f func(s *store.Store) error) error {
	return c.with(ctx, store.Config{NoFunctions: true}, f)
}

// with opens an existing store and never creates one.
func (c *storeFlags) with(ctx context.Context, cfg store.Config, f func(s *store.Store) error) error {
	cfg.URL, cfg.StoreID, cfg.Existing, cfg.Timeout, cfg.Logger = c.RedisURL, c.StoreID, true, storeTimeout, c.logger()
	c.Redis.Apply(&cfg)
	s, err := store.Connect(ctx, cfg)
	if err != nil {
		return fmt.Errorf("connecting to FIELDGATE_REDIS_URL: %w", err)
	}
	return errors.Join(f(s), s.Close())
}

// logger returns the logger for records that cannot be read. They are left out of the output.
func (c *storeFlags) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: slog.LevelError}))
}

// changeFlags are the flags of a command that changes the store.
type changeFlags struct {
	storeFlags

	DryRun bool `help:"Print what would change, and change nothing."`

	retentionFlag
}

// retentionFlag is the flag of a command for which the retention of the gateway matters. A
// transition with a shorter one would delete a part of the timeline of its device.
type retentionFlag struct {
	Retention time.Duration `env:"FIELDGATE_RETENTION" help:"Time that finished commands, ended sessions and timelines are kept. Default: that of the gateway that started last."`
}

// set sets the retention to that of the gateway, unless the command line has one.
func (c *retentionFlag) set(ctx context.Context, s *store.Store) (err error) {
	if c.Retention == 0 {
		c.Retention, err = s.Retention(ctx)
	}
	return err
}

// actorFlags are the flags of a command whose changes the timelines of devices contain.
type actorFlags struct {
	Reason string `help:"The reason, for the timelines of the devices."`
	By     string `default:"operator" help:"Who does this: timelines and events contain it as the user."`
}

// run opens the store, calls f and closes the store. For a dry run, opening writes nothing.
func (c *changeFlags) run(ctx context.Context, f func(s *store.Store) error) error {
	open := c.change
	if c.DryRun {
		open = c.read
	}
	return open(ctx, func(s *store.Store) error {
		if err := c.set(ctx, s); err != nil {
			return err
		}
		return f(s)
	})
}

// checkTenant returns an error for a text that is no name of a tenant.
func checkTenant(tenant string) error {
	if strings.HasPrefix(tenant, "c.") || strings.HasPrefix(tenant, "u.") {
		return nil
	}
	return fmt.Errorf("%q is not a tenant: write it as logs contain it, such as c.acme", tenant)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/fieldgate/fieldgate/cmd/fieldgate/connection"
	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/store"
)

// adminCommand has the commands of the operator. They change the store directly.
type adminCommand struct {
	Quota adminQuotaCommand `cmd:"" help:"Print the quotas of a tenant, after changing them."`
}

// adminQuotaCommand changes the quotas of one tenant and prints them. Without --set and --reset
// it only prints them.
type adminQuotaCommand struct {
	RedisURL string           `env:"FIELDGATE_REDIS_URL" required:"" help:"URL of the store."`
	Redis    connection.Files `embed:"" prefix:"redis-"`
	StoreID  string           `env:"FIELDGATE_STORE_ID" help:"Id of the only store that is accepted."`
	Tenant   string           `required:"" help:"The tenant as logs contain it, such as c.acme."`
	Set      map[string]int64 `placeholder:"QUOTA=LIMIT" help:"A limit for this tenant, such as devices=500; 0 for no limit."`
	Reset    []string         `placeholder:"QUOTA" help:"A quota for which the limit of the installation applies again."`

	out io.Writer // default: standard output
}

// Run changes and prints the quotas.
func (c *adminQuotaCommand) Run(ctx context.Context) error {
	if !strings.HasPrefix(c.Tenant, "c.") && !strings.HasPrefix(c.Tenant, "u.") {
		return fmt.Errorf("%q is not a tenant: write it as logs contain it, such as c.acme", c.Tenant)
	}
	limits, names, err := c.changes()
	if err != nil {
		return err
	}
	cfg := store.Config{URL: c.RedisURL, StoreID: c.StoreID, Existing: true, Logger: slog.New(slog.DiscardHandler)}
	c.Redis.Apply(&cfg)
	s, err := store.Connect(ctx, cfg)
	if err != nil {
		return fmt.Errorf("connecting to FIELDGATE_REDIS_URL: %w", err)
	}
	quotas := quota.New(quota.Config{Store: s})
	err = errors.Join(quotas.SetLimits(ctx, c.Tenant, limits), quotas.ResetLimits(ctx, c.Tenant, names...), c.print(ctx, quotas))
	return errors.Join(err, s.Close())
}

// changes returns the limits to set and the quotas to reset. It returns an error for a name
// that is not a quota, and for a negative limit.
func (c *adminQuotaCommand) changes() (limits map[quota.Name]int64, names []quota.Name, err error) {
	limits = map[quota.Name]int64{}
	for text, limit := range c.Set {
		name, err := quota.ParseName(text)
		if err != nil {
			return nil, nil, err
		}
		if limit < 0 {
			return nil, nil, fmt.Errorf("the limit of %s is negative: set 0 for no limit", name)
		}
		limits[name] = limit
	}
	for _, text := range c.Reset {
		name, err := quota.ParseName(text)
		if err != nil {
			return nil, nil, err
		}
		names = append(names, name)
	}
	return limits, names, nil
}

// print prints what the tenant uses of each quota, and its own limits. Waiting claims are
// counted on each instance, so their use is not known here.
func (c *adminQuotaCommand) print(ctx context.Context, quotas *quota.Service) error {
	own, err := quotas.OwnLimits(ctx, c.Tenant)
	if err != nil {
		return err
	}
	_, used, err := quotas.Usage(ctx, c.Tenant)
	if err != nil {
		return err
	}
	if c.out == nil {
		c.out = os.Stdout
	}
	table := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "QUOTA\tUSED\tLIMIT OF THE TENANT")
	for _, name := range quota.Names() {
		use := fmt.Sprint(*used.Field(name))
		if name == quota.WaitingClaims {
			use = "-"
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", name, use, describeLimit(own, name))
	}
	return table.Flush()
}

// describeLimit returns the limit of a tenant in words.
func describeLimit(own map[quota.Name]int64, name quota.Name) string {
	limit, found := own[name]
	switch {
	case !found:
		return "of the installation"
	case limit == 0:
		return "no limit"
	}
	return fmt.Sprint(limit)
}

package admin

import (
	"context"
	"fmt"
	"maps"

	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/store"
)

// quotaCommand changes the quotas of one tenant and prints them. Without --set and --reset it
// only prints them.
type quotaCommand struct {
	storeFlags

	Tenant string           `required:"" help:"The tenant as logs contain it, such as c.acme."`
	Set    map[string]int64 `placeholder:"QUOTA=LIMIT" help:"A limit for this tenant, such as devices=500; 0 for no limit."`
	Reset  []string         `placeholder:"QUOTA" help:"A quota for which the limit of the installation applies again."`
	DryRun bool             `help:"Print the limits that the tenant would have, and change nothing."`
}

// Run changes and prints the quotas.
func (c *quotaCommand) Run(ctx context.Context) error {
	if err := checkTenant(c.Tenant); err != nil {
		return err
	}
	limits, names, err := c.changes()
	if err != nil {
		return err
	}
	if c.DryRun || len(limits)+len(names) == 0 {
		return c.read(ctx, func(s *store.Store) error { return c.show(ctx, newQuotas(s), limits, names) })
	}
	return c.change(ctx, func(s *store.Store) error {
		quotas := newQuotas(s)
		if err := quotas.SetLimits(ctx, c.Tenant, limits); err != nil {
			return err
		}
		if err := quotas.ResetLimits(ctx, c.Tenant, names...); err != nil {
			return err
		}
		return c.show(ctx, quotas, nil, nil)
	})
}

func newQuotas(s *store.Store) *quota.Service { return quota.New(quota.Config{Store: s}) }

// changes returns the limits to set and the quotas to reset. It returns an error for a name
// that is not a quota, and for a negative limit.
func (c *quotaCommand) changes() (limits map[quota.Name]int64, names []quota.Name, err error) {
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

// show prints what the tenant uses of each quota, and its own limits as they would be after the
// changes.
func (c *quotaCommand) show(ctx context.Context, quotas *quota.Service, limits map[quota.Name]int64, names []quota.Name) error {
	u, err := readUsage(ctx, quotas, c.Tenant)
	if err != nil {
		return err
	}
	maps.Copy(u.OwnLimits, limits)
	for _, name := range names {
		delete(u.OwnLimits, name)
	}
	if c.JSON {
		return newEncoder(c.stdout).Encode(u)
	}
	heading := "LIMIT OF THE TENANT"
	if c.DryRun {
		heading = "LIMIT THAT THE TENANT WOULD HAVE"
	}
	list := c.list("QUOTA", "USED", heading)
	for _, name := range quota.Names() {
		_ = list.add(nil, name, u.use(name), u.limit(name))
	}
	return list.end()
}

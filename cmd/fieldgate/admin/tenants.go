package admin

import (
	"context"
	"iter"

	"github.com/fieldgate/fieldgate/quota"
)

// tenantsCommand lists the tenants.
type tenantsCommand struct {
	storeFlags
}

// Run lists the tenants that have devices, with what each uses.
func (c *tenantsCommand) Run(ctx context.Context) error {
	return c.reading(ctx, func(v services) error {
		list := c.list("TENANT", "DEVICES", "OPEN SESSIONS", "READY", "PENDING", "SOCKETS", "STORED BYTES")
		for tenant, err := range v.store.Tenants(ctx) {
			if err != nil {
				return err
			}
			u, err := readUsage(ctx, v.quotas, tenant)
			if err != nil {
				return err
			}
			if err := list.add(u, tenant, u.use(quota.Devices), u.use(quota.OpenSessions), u.use(quota.ReadyCommands),
				u.use(quota.PendingApprovals), u.use(quota.Sockets), u.use(quota.StoredBytes)); err != nil {
				return err
			}
		}
		return list.end()
	})
}

// usageCommand prints the use of quotas.
type usageCommand struct {
	storeFlags

	Tenant string `help:"Only this tenant, as logs contain it, such as c.acme. Default: every tenant that has devices."`
}

// Run prints a line for each tenant and quota. As JSON, it prints a line for each tenant.
func (c *usageCommand) Run(ctx context.Context) error {
	if c.Tenant != "" {
		if err := checkTenant(c.Tenant); err != nil {
			return err
		}
	}
	return c.reading(ctx, func(v services) error {
		list := c.list("TENANT", "QUOTA", "USED", "LIMIT OF THE TENANT")
		for tenant, err := range v.tenants(ctx, c.Tenant) {
			if err != nil {
				return err
			}
			u, err := readUsage(ctx, v.quotas, tenant)
			if err != nil {
				return err
			}
			if err := c.addUsage(list, u); err != nil {
				return err
			}
		}
		return list.end()
	})
}

func (c *usageCommand) addUsage(list *list, u usage) error {
	if c.JSON {
		return list.add(u)
	}
	for _, name := range quota.Names() {
		if err := list.add(nil, u.Tenant, name, u.use(name), u.limit(name)); err != nil {
			return err
		}
	}
	return nil
}

// tenants returns an iterator over one tenant, or over all if it is empty.
func (v services) tenants(ctx context.Context, only string) iter.Seq2[string, error] {
	if only == "" {
		return v.store.Tenants(ctx)
	}
	return func(yield func(string, error) bool) { yield(only, nil) }
}

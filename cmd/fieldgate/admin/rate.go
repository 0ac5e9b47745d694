package admin

import (
	"context"

	"github.com/fieldgate/fieldgate/ratelimit"
	"github.com/fieldgate/fieldgate/store"
)

// rateCommand has the commands on rate limits.
type rateCommand struct {
	Reset resetRateCommand `cmd:"" help:"Forget the requests of a tenant, so that it may use its whole burst at once."`
}

// resetRateCommand resets the rate limit of the users of a tenant.
type resetRateCommand struct {
	storeFlags

	Tenant string `required:"" help:"The tenant as logs contain it, such as c.acme."`
	DryRun bool   `help:"Print what would change, and change nothing."`
}

// rateRecord describes the reset of a rate limit.
type rateRecord struct {
	Tenant string `json:"tenant"`
	Result string `json:"result"`
}

// Run resets the limit.
func (c *resetRateCommand) Run(ctx context.Context) error {
	if err := checkTenant(c.Tenant); err != nil {
		return err
	}
	open, act, result := c.change, (*ratelimit.Limiter).Reset, "reset"
	if c.DryRun {
		open, act, result = c.read, (*ratelimit.Limiter).Counted, "would be reset"
	}
	return open(ctx, func(s *store.Store) error {
		counted, err := act(ratelimit.New(s, ratelimit.Limits{}), ctx, ratelimit.Tenant, c.Tenant)
		if err != nil {
			return err
		}
		if !counted {
			result = "nothing was counted"
		}
		return c.print(rateRecord{c.Tenant, result}, fields{{"tenant", c.Tenant}, {"rate limit", result}})
	})
}

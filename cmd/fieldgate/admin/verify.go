package admin

import (
	"context"
	"fmt"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/verify"
)

// verifyCommand checks the invariants over the whole store. It changes nothing.
type verifyCommand struct {
	storeFlags
	retentionFlag

	Tenant string `help:"Check only the records of this tenant, such as c.acme."`
}

// Run prints a report. It returns an error if the report has a violation, so that the program
// exits with 1.
func (c *verifyCommand) Run(ctx context.Context) error {
	if c.Tenant != "" {
		if err := checkTenant(c.Tenant); err != nil {
			return err
		}
	}
	return c.read(ctx, func(s *store.Store) error {
		if err := c.set(ctx, s); err != nil {
			return err
		}
		report, err := verify.Run(ctx, verify.Config{
			Store: s, Tenant: c.Tenant, Retention: c.Retention,
			Progress: func(seen, total int64) {
				_, _ = fmt.Fprintf(c.stderr, "visited %d of %d keys\n", seen, total)
			},
		})
		if err != nil {
			return fmt.Errorf("checking the store: %w", err)
		}
		if err := c.show(report); err != nil {
			return err
		}
		if n := report.Found(); n > 0 {
			return fmt.Errorf("the store violates invariants: %d violations", n)
		}
		return nil
	})
}

// show prints the report: as one JSON object, or as a table of the invariants and a table of the
// violations.
func (c *verifyCommand) show(r verify.Report) error {
	if c.JSON {
		return newEncoder(c.stdout).Encode(r)
	}
	_, _ = fmt.Fprintf(c.stdout, "Checked %d keys: %d tenants, %d devices, %d sessions, %d commands. %d quarantine entries.\n\n",
		r.Keys, r.Tenants, r.Devices, r.Sessions, r.Commands, r.Quarantine)
	counts := c.list("INVARIANT", "VIOLATIONS")
	for _, invariant := range verify.Invariants() {
		_ = counts.add(nil, invariant, r.Violations[invariant])
	}
	if err := counts.end(); err != nil || len(r.Listed) == 0 {
		return err
	}
	_, _ = fmt.Fprintln(c.stdout)
	listed := c.list("INVARIANT", "DAMAGE", "ID", "DEVICE")
	for _, v := range r.Listed {
		_ = listed.add(v, v.Invariant, v.Damage, v.ID, v.Device)
	}
	if err := listed.end(); err != nil {
		return err
	}
	if more := r.Found() - len(r.Listed); more > 0 {
		_, _ = fmt.Fprintf(c.stdout, "and %d more\n", more)
	}
	return nil
}

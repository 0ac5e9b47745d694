package admin

import (
	"context"
	"errors"

	"github.com/fieldgate/fieldgate/erase"
	"github.com/fieldgate/fieldgate/store"
)

// purgeCommand erases a tenant or a device.
type purgeCommand struct {
	changeFlags

	Tenant string `xor:"which" required:"" help:"Erase this tenant with all its devices, such as c.acme."`
	Device string `xor:"which" required:"" placeholder:"ID" help:"Erase this device. It is decommissioned first."`
	By     string `default:"operator" help:"Who does this, for those who read the events meanwhile."`
}

// purged is the result of the command.
type purged struct {
	Tenant string `json:"tenant"`
	Device string `json:"device,omitempty"`
	DryRun bool   `json:"dryRun"`
	erase.Report
}

// Run erases the records and prints how many. After an error it prints what it has erased until
// then: the command can be repeated.
func (c *purgeCommand) Run(ctx context.Context) error {
	if c.Tenant != "" {
		if err := checkTenant(c.Tenant); err != nil {
			return err
		}
	}
	return c.changing(ctx, func(v services) error {
		result := purged{Tenant: c.Tenant, Device: c.Device, DryRun: c.DryRun}
		eraser := erase.New(erase.Config{
			Store: v.store, Retention: c.Retention, DryRun: c.DryRun, By: c.By, RequestID: newRequestID(),
		})
		var failed error
		if c.Tenant != "" {
			failed = eraser.Tenant(ctx, c.Tenant)
			if failed == nil && eraser.Report().Tenants == 0 {
				return notFound("tenant", c.Tenant)
			}
		} else {
			var located store.Device
			if located, failed = v.locateDevice(ctx, c.Device); failed != nil {
				return failed
			}
			result.Tenant = located.Tenant
			failed = eraser.Device(ctx, located)
		}
		result.Report = eraser.Report()
		return errors.Join(c.show(result), failed)
	})
}

func (c *purgeCommand) show(p purged) error {
	verb := "erased"
	if p.DryRun {
		verb = "would be erased"
	}
	return c.print(p, fields{
		{"tenant", p.Tenant}, {"device", p.Device}, {"result", verb}, {"tenants", p.Tenants}, {"devices", p.Devices},
		{"sessions", p.Sessions}, {"commands", p.Commands}, {"results", p.Results}, {"logins", p.Logins},
		{"events", p.Events}, {"quarantine entries", p.Quarantine}, {"keys", p.Keys},
	})
}

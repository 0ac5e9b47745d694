package admin

import (
	"context"
	"errors"
	"fmt"

	"github.com/fieldgate/fieldgate/erase"
)

// purgeCommand erases a tenant, a device or the names of a user.
type purgeCommand struct {
	changeFlags

	// Tenant and User are not nil if their flags are there: with an empty value, which an empty variable
	// of a shell leads to, the command must not erase more than was meant.
	Tenant *string `xor:"which" help:"Erase this tenant with all its devices, such as c.acme. With --user: erase only names, and only in this tenant."`
	User   *string `xor:"who" placeholder:"ID" help:"Erase the name and the e-mail address of this user, the 'sub' of a token, from all records, and close the user's sockets. The records and the id stay."`
	Device string  `xor:"which,who" placeholder:"ID" help:"Erase this device. It is decommissioned first."`
	By     string  `default:"operator" help:"Who does this, for those who read the events meanwhile."`
}

// Validate returns an error for a command line that does not say what to erase.
func (c *purgeCommand) Validate() error {
	switch {
	case c.User != nil && *c.User == "":
		return errors.New("--user is empty")
	case c.User == nil && c.Tenant == nil && c.Device == "":
		return errors.New("--tenant, --device or --user is missing")
	case c.Tenant != nil:
		return checkTenant(*c.Tenant)
	}
	return nil
}

// tenant returns the tenant of the command line, or "" if it has none.
func (c *purgeCommand) tenant() string {
	if c.Tenant == nil {
		return ""
	}
	return *c.Tenant
}

// purged is the result of the command for a tenant or a device.
type purged struct {
	Tenant string `json:"tenant"`
	Device string `json:"device,omitempty"`
	DryRun bool   `json:"dryRun"`
	erase.Report
}

// Run erases the records and prints how many. After an error it prints what it has erased until
// then: the command can be repeated.
func (c *purgeCommand) Run(ctx context.Context) error {
	return c.changing(ctx, func(v services) error {
		eraser := erase.New(erase.Config{
			Store: v.store, Retention: c.Retention, DryRun: c.DryRun, By: c.By, RequestID: newRequestID(),
		})
		switch {
		case c.User != nil:
			return c.purgeUser(ctx, eraser)
		case c.Tenant != nil:
			return c.purgeTenant(ctx, eraser)
		}
		return c.purgeDevice(ctx, v, eraser)
	})
}

func (c *purgeCommand) purgeTenant(ctx context.Context, eraser *erase.Eraser) error {
	failed := eraser.Tenant(ctx, c.tenant())
	if failed == nil && eraser.Report().Tenants == 0 {
		return notFound("tenant", c.tenant())
	}
	return errors.Join(c.show(purged{Tenant: c.tenant(), DryRun: c.DryRun, Report: eraser.Report()}), failed)
}

func (c *purgeCommand) purgeDevice(ctx context.Context, v services, eraser *erase.Eraser) error {
	located, err := v.locateDevice(ctx, c.Device)
	if err != nil {
		return err
	}
	failed := eraser.Device(ctx, located)
	return errors.Join(c.show(purged{Tenant: located.Tenant, Device: c.Device, DryRun: c.DryRun, Report: eraser.Report()}), failed)
}

// verb returns what the command has done, or would do.
func (c *purgeCommand) verb() string {
	if c.DryRun {
		return "would be erased"
	}
	return "erased"
}

func (c *purgeCommand) show(p purged) error {
	return c.print(p, fields{
		{"tenant", p.Tenant}, {"device", p.Device}, {"result", c.verb()}, {"tenants", p.Tenants}, {"devices", p.Devices},
		{"sessions", p.Sessions}, {"commands", p.Commands}, {"results", p.Results}, {"logins", p.Logins},
		{"events", p.Events}, {"quarantine entries", p.Quarantine}, {"keys", p.Keys},
	})
}

// purgedUser is the result of the command for a user.
type purgedUser struct {
	Tenant string `json:"tenant,omitempty"` // empty for all tenants
	User   string `json:"user"`
	DryRun bool   `json:"dryRun"`
	erase.NamesReport
}

// purgeUser erases the names of a user. A user without any record is no error, so that the command
// can be repeated.
func (c *purgeCommand) purgeUser(ctx context.Context, eraser *erase.Eraser) error {
	report, failed := eraser.User(ctx, c.tenant(), *c.User)
	if failed == nil && report.Unreadable > 0 {
		failed = fmt.Errorf("%d records that may name the user cannot be read and stay as they are: repair or purge them, and run the command again", report.Unreadable)
	}
	return errors.Join(c.showUser(purgedUser{Tenant: c.tenant(), User: *c.User, DryRun: c.DryRun, NamesReport: report}), failed)
}

func (c *purgeCommand) showUser(p purgedUser) error {
	return c.print(p, fields{
		{"tenant", p.Tenant}, {"user", oneLine(p.User)}, {"names", c.verb()}, {"commands", p.Commands}, {"sessions", p.Sessions},
		{"events", p.Events}, {"cut-offs", p.CutOffs}, {"stored answers", p.Answers}, {"sockets", p.Sockets}, {"unreadable records", p.Unreadable},
	})
}

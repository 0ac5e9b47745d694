package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/handlers"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
)

// devicesCommand lists the devices of a tenant.
type devicesCommand struct {
	storeFlags

	Tenant string `required:"" help:"The tenant as logs contain it, such as c.acme."`
	Q      string `name:"q" placeholder:"TEXT" help:"Only devices of which a text contains this one, such as the name, the serial number or a tag."`
	Status string `enum:"provisioned,active,suspended,decommissioned,all" default:"all" help:"Only devices with this status (provisioned, active, suspended, decommissioned, all)."`
}

// Run lists the devices, the newest first.
func (c *devicesCommand) Run(ctx context.Context) error {
	if err := checkTenant(c.Tenant); err != nil {
		return err
	}
	filter := device.Filter{Query: c.Q}
	if c.Status != "all" {
		filter.Status = device.Status(c.Status)
	}
	return c.reading(ctx, func(v services) error {
		list := c.list("DEVICE", "NAME", "EXTERNAL ID", "STATUS", "PRESENCE", "LAST SEEN")
		all := store.All(func(page store.Page) ([]device.Device, string, error) {
			return v.devices.List(ctx, c.Tenant, filter, page)
		})
		for d, err := range all {
			if err != nil {
				return err
			}
			if err := list.add(handlers.DeviceRecord(d), d.ID, d.Name, d.ExternalID, d.Status, d.Presence, at(d.LastSeen)); err != nil {
				return err
			}
		}
		return list.end()
	})
}

// deviceCommand prints everything about a device that an operator asks for first.
type deviceCommand struct {
	storeFlags

	ID string `arg:"" help:"Id of the device."`
}

// deviceDetail is a device with everything that is open for it.
type deviceDetail struct {
	Tenant   string                 `json:"tenant"`
	Device   generated.Device       `json:"device"`
	Logins   []loginRecord          `json:"logins"`
	Sockets  []generated.Connection `json:"sockets"`
	Session  *generated.Session     `json:"session,omitempty"`
	Commands []generated.Command    `json:"commands"` // those that have not ended
}

// loginRecord describes a valid login.
type loginRecord struct {
	ExpiresAt fieldgate.Timestamp `json:"expiresAt"` // if the device does not use it again
	EndsAt    fieldgate.Timestamp `json:"endsAt"`
}

// Run prints the device.
func (c *deviceCommand) Run(ctx context.Context) error {
	return c.reading(ctx, func(v services) error {
		located, err := v.locateDevice(ctx, c.ID)
		if err != nil {
			return err
		}
		found, err := v.devices.Get(ctx, located.Tenant, located.ID)
		if err != nil {
			return err
		}
		detail := deviceDetail{Tenant: located.Tenant, Device: handlers.DeviceDetailRecord(found)}
		if err := detail.read(ctx, v, located); err != nil {
			return err
		}
		return c.show(detail)
	})
}

// read reads everything besides the record of the device.
func (d *deviceDetail) read(ctx context.Context, v services, located store.Device) error {
	return errors.Join(d.readLogins(ctx, v, located), d.readSession(ctx, v), d.readCommands(ctx, v, located))
}

func (d *deviceDetail) readLogins(ctx context.Context, v services, located store.Device) error {
	logins, err := v.devices.Logins(ctx, located)
	if err != nil {
		return err
	}
	d.Logins, d.Sockets = []loginRecord{}, []generated.Connection{}
	for _, l := range logins {
		d.Logins = append(d.Logins, loginRecord{fieldgate.At(l.ExpiresAt), fieldgate.At(l.EndsAt)})
	}
	for connection, err := range v.hub.All(ctx, located.Tenant) {
		if err != nil {
			return err
		}
		if connection.DeviceID == located.ID {
			d.Sockets = append(d.Sockets, handlers.ConnectionRecord(connection))
		}
	}
	return nil
}

func (d *deviceDetail) readSession(ctx context.Context, v services) error {
	if d.Device.ActiveSessionID == "" {
		return nil
	}
	found, err := v.sessions.Get(ctx, d.Tenant, d.Device.ActiveSessionID)
	if err != nil {
		return err
	}
	record := handlers.SessionRecord(found)
	d.Session = &record
	return nil
}

// readCommands reads the unfinished commands. One that ends meanwhile is printed as it ended, and
// one that cannot be read is left out.
func (d *deviceDetail) readCommands(ctx context.Context, v services, located store.Device) error {
	unfinished, err := v.queue.Unfinished(ctx, located)
	if err != nil {
		return err
	}
	d.Commands = []generated.Command{}
	for _, id := range unfinished.IDs() {
		found, err := v.queue.GetOwn(ctx, located, id)
		switch {
		case err == nil:
			d.Commands = append(d.Commands, handlers.CommandRecord(found))
		case fieldgate.CodeOf(err) != fieldgate.CodeCommandNotFound:
			return err
		}
	}
	return nil
}

// show prints the device for people, or as JSON.
func (c *deviceCommand) show(d deviceDetail) error {
	err := c.print(d, fields{
		{"device", d.Device.ID}, {"tenant", d.Tenant}, {"name", d.Device.Name}, {"external id", d.Device.ExternalID},
		{"location", d.Device.Location}, {"status", d.Device.Status}, {"presence", d.Device.Presence},
		{"last seen", at(d.Device.LastSeen.Time)}, {"registered", at(d.Device.RegisteredAt.Time)},
		{"model", d.Device.Model}, {"firmware", d.Device.FirmwareVersion},
		{"logins", d.describeLogins()}, {"sockets", len(d.Sockets)}, {"session", d.describeSession()},
		{"commands", d.describeCommands()},
	})
	if err != nil || c.JSON || len(d.Commands) == 0 {
		return err
	}
	_, _ = fmt.Fprintln(c.stdout)
	list := c.list("COMMAND", "TYPE", "STATUS", "ATTEMPT", "PROPOSED BY", "NEXT DEADLINE")
	for _, one := range d.Commands {
		_ = list.add(nil, one.ID, one.Type, one.Status, attempts(one), one.ProposedBy, at(nextDeadline(one)))
	}
	return list.end()
}

func (d *deviceDetail) describeLogins() string {
	if len(d.Logins) == 0 {
		return "0"
	}
	newest := d.Logins[len(d.Logins)-1]
	return fmt.Sprintf("%d, the newest until %s", len(d.Logins), at(newest.ExpiresAt.Time))
}

func (d *deviceDetail) describeSession() string {
	if d.Session == nil {
		return "none"
	}
	return fmt.Sprintf("%s of %s, until %s", d.Session.ID, d.Session.CreatedBy, at(d.Session.ExpiresAt.Time))
}

// describeCommands returns the number of unfinished commands for each status.
func (d *deviceDetail) describeCommands() string {
	counts := map[generated.CommandStatus]int{}
	for _, one := range d.Commands {
		counts[one.Status]++
	}
	var parts []string
	for _, status := range []queue.Status{queue.Claimed, queue.Queued, queue.PendingApproval} {
		parts = append(parts, fmt.Sprintf("%d %s", counts[generated.CommandStatus(status)], status))
	}
	return strings.Join(parts, ", ")
}

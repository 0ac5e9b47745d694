package admin

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/realtime"
	"github.com/fieldgate/fieldgate/store"
)

// kickCommand ends the logins of devices, which closes their sockets, and closes the sockets of
// users. Devices log in again with their secret, and users connect again with their token: to keep
// a device out, suspend it; to keep a user out, cut the user off.
type kickCommand struct {
	changeFlags
	actorFlags

	Device string `xor:"which" required:"" placeholder:"ID" help:"End the logins of this device."`
	Tenant string `xor:"which" required:"" help:"End the logins of all active devices of this tenant, such as c.acme, and close the sockets of its users."`
	User   string `xor:"which" required:"" placeholder:"ID" help:"Close the sockets of this user, the 'sub' of a token, in all tenants that have devices. The token stays valid."`
}

// kicked is the record of a device or a socket.
type kicked struct {
	Tenant       string `json:"tenant"`
	DeviceID     string `json:"deviceId,omitempty"`
	UserID       string `json:"userId,omitempty"`
	ConnectionID string `json:"connectionId,omitempty"`
	Logins       int    `json:"logins,omitempty"`
	RequestID    string `json:"requestId,omitempty"` // the timeline of the device contains it
	Result       string `json:"result"`
}

// kicking is one run of a kickCommand.
type kicking struct {
	*kickCommand
	services
	list      *list
	requestID string
	tally     tally
}

// Run ends the logins and closes the sockets, and prints each.
func (c *kickCommand) Run(ctx context.Context) error {
	if c.Tenant != "" {
		if err := checkTenant(c.Tenant); err != nil {
			return err
		}
	}
	return c.changing(ctx, func(v services) error {
		k := &kicking{kickCommand: c, services: v, list: c.list("TENANT", "DEVICE", "USER", "SOCKET", "LOGINS", "RESULT")}
		k.requestID, k.tally = newRequestID(), tally{what: "logins and sockets", verb: "ended"}
		failed := k.run(ctx)
		return errors.Join(k.list.end(), failed, k.tally.err())
	})
}

func (k *kicking) run(ctx context.Context) error {
	switch {
	case k.Device != "":
		return k.endLoginsOf(ctx, k.Device)
	case k.Tenant != "":
		return errors.Join(k.endAllLogins(ctx), k.closeSockets(ctx, k.Tenant))
	}
	for tenant, err := range k.store.Tenants(ctx) {
		if err != nil {
			return err
		}
		if err := k.closeSockets(ctx, tenant); err != nil {
			return err
		}
	}
	return nil
}

// endLoginsOf ends the logins of one device, which a decommissioned device does not have.
func (k *kicking) endLoginsOf(ctx context.Context, id string) error {
	d, err := k.locateDevice(ctx, id)
	if err != nil {
		return err
	}
	found, err := k.devices.Get(ctx, d.Tenant, d.ID)
	if err == nil && found.Status == device.Decommissioned {
		err = errors.New("the device is decommissioned: it has no logins")
	}
	if err != nil {
		return err
	}
	return k.endLogins(ctx, d)
}

// endAllLogins ends the logins of the active devices. Others have none.
func (k *kicking) endAllLogins(ctx context.Context) error {
	for d, err := range k.activeDevices(ctx) {
		if err != nil {
			return err
		}
		if err := k.endLogins(ctx, store.Device{Tenant: d.Tenant, ID: d.ID}); err != nil {
			return err
		}
	}
	return nil
}

func (k *kicking) activeDevices(ctx context.Context) iter.Seq2[device.Device, error] {
	return store.All(func(page store.Page) ([]device.Device, string, error) {
		return k.devices.List(ctx, k.Tenant, device.Filter{Status: device.Active}, page)
	})
}

// endLogins ends the logins of one device. The event closes its socket and ends its waiting claims
// on every instance. It returns an error only if the list cannot be printed.
func (k *kicking) endLogins(ctx context.Context, d store.Device) error {
	logins, err := k.devices.Logins(ctx, d)
	done := kicked{Tenant: d.Tenant, DeviceID: d.ID, Logins: len(logins), Result: "would end"}
	if err == nil && !k.DryRun {
		done.Result, done.RequestID = "ended", k.requestID
		_, err = k.devices.RevokeLogins(ctx, device.AdminRequest{
			Tenant: d.Tenant, DeviceID: d.ID, UserID: k.By, RequestID: k.requestID, Reason: k.Reason,
		})
	}
	return k.add(done, err)
}

// closeSockets closes the sockets of the users of a tenant, or of the user whom the command names.
func (k *kicking) closeSockets(ctx context.Context, tenant string) error {
	for connection, err := range k.hub.All(ctx, tenant) {
		if err != nil {
			return err
		}
		if connection.UserID == "" || k.User != "" && connection.UserID != k.User {
			continue
		}
		if err := k.closeSocket(ctx, tenant, connection); err != nil {
			return err
		}
	}
	return nil
}

func (k *kicking) closeSocket(ctx context.Context, tenant string, c realtime.Connection) error {
	done := kicked{Tenant: tenant, UserID: c.UserID, ConnectionID: c.ID, Result: "would close"}
	if k.DryRun {
		return k.add(done, nil)
	}
	err := k.hub.Kick(ctx, tenant, c.ID)
	if done.Result = "closed"; fieldgate.CodeOf(err) == fieldgate.CodeConnectionNotFound {
		done.Result, err = "already closed", nil
	}
	return k.add(done, err)
}

// add prints what was done, or why it failed.
func (k *kicking) add(done kicked, failed error) error {
	k.tally.note(failed)
	if failed != nil {
		done.RequestID, done.Result = "", fmt.Sprintf("failed: %v", failed)
	}
	logins := ""
	if done.DeviceID != "" {
		logins = fmt.Sprint(done.Logins)
	}
	return k.list.add(done, done.Tenant, done.DeviceID, done.UserID, done.ConnectionID, logins, done.Result)
}

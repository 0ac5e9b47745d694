// Package erase deletes the records of a device or of a tenant at once, instead of at the end of
// their retention. It is for the erasure that a customer may demand. The gateway may serve meanwhile.
package erase

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/store"
)

// Config configures an Eraser. Store is required.
type Config struct {
	Store *store.Store

	// Retention is the one of the gateway. Default: store.DefaultRetention.
	Retention time.Duration

	// DryRun counts what would be deleted, and deletes nothing.
	DryRun bool

	// By and RequestID are recorded when a device is decommissioned before it is deleted.
	By, RequestID string
}

// Report counts what was deleted, or would be in a dry run.
type Report struct {
	Tenants    int `json:"tenants"`
	Devices    int `json:"devices"`
	Sessions   int `json:"sessions"`
	Commands   int `json:"commands"`
	Results    int `json:"results"`
	Logins     int `json:"logins"`
	Events     int `json:"events"`     // events of timelines, and of the stream of the tenant
	Quarantine int `json:"quarantine"` // entries of the quarantine
	Keys       int `json:"keys"`       // keys that were deleted, including those of the records
}

// Eraser deletes records. It is used by one caller at a time.
type Eraser struct {
	cfg         Config
	devices     *device.Registry
	report      Report
	wholeTenant bool
}

// New returns an Eraser.
func New(cfg Config) *Eraser {
	return &Eraser{cfg: cfg, devices: device.New(device.Config{
		Store: cfg.Store, Retention: cfg.Retention, Logger: slog.New(slog.DiscardHandler),
	})}
}

// Report returns what the Eraser has deleted so far.
func (e *Eraser) Report() Report { return e.report }

// Device deletes a device with its sessions, commands, logins and events. A device that is in
// service is decommissioned first, so that it gets no command meanwhile. The replies that are stored
// for repeated requests of users keep the device's id until they expire, after a day.
func (e *Eraser) Device(ctx context.Context, d store.Device) error {
	var keys []string
	err := e.cfg.Store.Scan(ctx, func(_ context.Context, names []string) error {
		for _, name := range names {
			if key, ok := store.ParseKey(name); ok && key.Kind == "device" && key.ID == d.ID {
				keys = append(keys, name)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking for the keys of a device: %w", err)
	}
	return e.device(ctx, d, keys)
}

// device deletes a device. The keys are those that begin with the id of the device.
func (e *Eraser) device(ctx context.Context, d store.Device, keys []string) error {
	found, err := e.collect(ctx, d, keys)
	if err != nil {
		return fmt.Errorf("reading the records of a device: %w", err)
	}
	if !e.cfg.DryRun {
		if err := e.deleteDevice(ctx, d, found); err != nil {
			return err
		}
	}
	e.report.Devices++
	e.report.Sessions += len(found.sessions)
	e.report.Commands += len(found.commands)
	e.report.Results += found.results
	e.report.Logins += len(found.logins)
	e.report.Events += found.events + len(found.streamed)
	e.report.Quarantine += len(found.quarantined)
	e.report.Keys += len(found.keys)
	return nil
}

// deleteDevice deletes what was collected. The device and its indexes are deleted in one script after
// all else, so that a run that was interrupted can be repeated.
func (e *Eraser) deleteDevice(ctx context.Context, d store.Device, found records) error {
	err := e.devices.Decommission(ctx, device.AdminRequest{
		Tenant: d.Tenant, DeviceID: d.ID, UserID: e.cfg.By, RequestID: e.cfg.RequestID, Reason: "erased",
	})
	if err != nil {
		return fmt.Errorf("decommissioning a device: %w", err)
	}
	// Users may have added records until then, and the decommissioning has written events.
	last, err := e.collect(ctx, d, found.keys)
	if err != nil {
		return fmt.Errorf("reading the records of a device: %w", err)
	}
	if err := e.deleteEntries(ctx, d, last); err != nil {
		return fmt.Errorf("deleting the records of a device: %w", err)
	}
	if err := e.deleteKeys(ctx, notOf(d, last.keys)); err != nil {
		return err
	}
	deleted, err := e.devices.Erase(ctx, d)
	if err != nil {
		return fmt.Errorf("deleting a device: %w", err)
	}
	if !deleted {
		return fmt.Errorf("the device %s is still in service: run the command again", d.ID)
	}
	return e.deleteLeft(ctx, d, last)
}

// notOf returns the keys without those that the script deletes with the device.
func notOf(d store.Device, keys []string) []string {
	own := append(d.Keys(), d.SessionsKey(), store.LoginsKey(d.ID))
	return slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return slices.Contains(own, key) })
}

// deleteLeft deletes what the sweeper and the reconciler have written between the deletion of the
// records and that of their device: entries of indexes and of the quarantine, and events. Without the
// device, they write none any more.
func (e *Eraser) deleteLeft(ctx context.Context, d store.Device, deleted records) error {
	left, err := e.collect(ctx, d, nil)
	if err != nil {
		return fmt.Errorf("reading what is left of a device: %w", err)
	}
	deleted.quarantined, deleted.streamed = left.quarantined, left.streamed
	if err := e.deleteEntries(ctx, d, deleted); err != nil {
		return fmt.Errorf("deleting what is left of a device: %w", err)
	}
	return e.deleteKeys(ctx, deleted.keys)
}

// Tenant deletes all devices of a tenant, and then all other keys of the tenant. Requests of users
// that arrive meanwhile may write some again: Tenant then deletes those too, in several passes. It
// returns an error if it still finds some after the last one. A tenant without any key is none: the
// report then counts no tenant.
func (e *Eraser) Tenant(ctx context.Context, tenant string) error {
	e.wholeTenant = true
	for pass := 0; ; pass++ {
		found, err := e.find(ctx, tenant)
		switch {
		case err != nil:
			return err
		case len(found.devices)+len(found.keys) == 0:
			return nil
		case pass == maxPasses:
			return fmt.Errorf("the tenant %s still has %d devices and %d other keys after %d passes: its users go on to send requests",
				tenant, len(found.devices), len(found.keys), maxPasses)
		}
		e.report.Tenants = 1
		if err := e.deleteFound(ctx, tenant, found); err != nil || e.cfg.DryRun {
			return err
		}
	}
}

// deleteFound deletes what one pass has found.
func (e *Eraser) deleteFound(ctx context.Context, tenant string, found belongings) error {
	for _, d := range found.devices {
		if err := e.device(ctx, d, found.parts[d.ID]); err != nil {
			return fmt.Errorf("device %s: %w", d.ID, err)
		}
	}
	return e.deleteRest(ctx, tenant, found.keys)
}

// maxPasses is the maximum number of passes over a tenant whose users go on to send requests.
const maxPasses = 5

// deleteRest deletes the keys of a tenant that belong to no device, and the tenant's members of the
// indexes of its partition.
func (e *Eraser) deleteRest(ctx context.Context, tenant string, keys []string) error {
	quarantined, err := e.quarantined(ctx, tenant, func(owner, _ string) bool { return owner == tenant })
	if err != nil {
		return err
	}
	e.report.Quarantine += len(quarantined)
	e.report.Keys += len(keys)
	if e.cfg.DryRun {
		return nil
	}
	p := store.PartitionOf(tenant)
	err = e.cfg.Store.Do(ctx, "erase_tenant", func(ctx context.Context, c store.Client) error {
		pipe := c.TxPipeline()
		pipe.ZRem(ctx, p.TenantsKey(), tenant)
		pipe.ZRem(ctx, p.CutOffTenantsKey(), tenant)
		for _, entry := range quarantined {
			pipe.LRem(ctx, p.QuarantineKey(), 0, entry)
		}
		_, err := pipe.Exec(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("deleting the index entries of a tenant: %w", err)
	}
	return e.deleteKeys(ctx, keys)
}

// belongings holds the keys and the devices of a tenant that a scan has found.
type belongings struct {
	devices []store.Device
	parts   map[string][]string // keys by device, of all devices of the partition
	keys    []string            // keys that belong to no device
}

// find returns what belongs to a tenant.
func (e *Eraser) find(ctx context.Context, tenant string) (belongings, error) {
	found, sessions := belongings{parts: map[string][]string{}}, []string{}
	err := e.cfg.Store.Scan(ctx, func(ctx context.Context, names []string) error {
		for _, name := range names {
			key, ok := store.ParseKey(name)
			if !ok || key.Partition != store.PartitionOf(tenant) {
				continue
			}
			if key.Kind == "device" {
				found.parts[key.ID] = append(found.parts[key.ID], name)
			}
			switch owner, err := e.ownerOf(ctx, key); {
			case err != nil:
				return err
			case owner != tenant:
			case key.Kind == "device":
				found.devices = append(found.devices, store.Device{Tenant: tenant, ID: key.ID})
			case key.Kind == "session":
				sessions = append(sessions, name)
			default:
				found.keys = append(found.keys, name)
			}
		}
		return nil
	})
	if err != nil {
		return belongings{}, fmt.Errorf("looking for the keys of a tenant: %w", err)
	}
	if len(found.devices) == 0 {
		found.keys = append(found.keys, sessions...) // with a device, its sessions are deleted
	}
	return found, nil
}

// ownerOf returns the tenant of a key: the one that it names, or that the record of a device or a
// session names. It returns "" for any other key, and for a record that is damaged so that it names
// none.
func (e *Eraser) ownerOf(ctx context.Context, key store.Key) (string, error) {
	switch {
	case key.Kind == "tenant":
		return key.ID, nil
	case key.Part == "" && (key.Kind == "device" || key.Kind == "session"):
		owner, err := e.cfg.Store.Owner(ctx, key.Name)
		if redis.HasErrorPrefix(err, store.WrongType) {
			return "", nil
		}
		return owner, err
	}
	return "", nil
}

// quarantined returns the entries of a quarantine that a function accepts. It gets the tenant and
// the device of each.
func (e *Eraser) quarantined(ctx context.Context, tenant string, accept func(tenant, device string) bool) (found []string, err error) {
	var entries []string
	err = e.cfg.Store.Do(ctx, "read_quarantine", func(ctx context.Context, c store.Client) (err error) {
		entries, err = c.LRange(ctx, store.PartitionOf(tenant).QuarantineKey(), 0, -1).Result()
		return err
	})
	for _, entry := range entries {
		if f := strings.SplitN(entry, " ", 4); len(f) == 4 && accept(f[3], f[2]) {
			found = append(found, entry)
		}
	}
	return found, err
}

// deleteKeys deletes keys in batches. They may be in different slots.
func (e *Eraser) deleteKeys(ctx context.Context, keys []string) error {
	err := e.eachBatch(ctx, "erase_keys", keys, func(ctx context.Context, pipe redis.Pipeliner, key string) {
		pipe.Unlink(ctx, key)
	})
	if err != nil {
		return fmt.Errorf("deleting keys: %w", err)
	}
	return nil
}

package verify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate/store"
)

// slogDiscard returns a logger for packages that log what a report lists.
func slogDiscard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// deviceParts are the keys of a device that end with its record.
var deviceParts = []string{"commands", "index", "ready", "pending", "leases", "cancels", "sessions"}

// visit checks the records among a batch of keys.
func (r *run) visit(ctx context.Context, keys []string) error {
	for _, name := range keys {
		key, ok := store.ParseKey(name)
		if !ok {
			continue
		}
		err := store.Retry(ctx, func() error { return r.visitKey(ctx, key) })
		if err != nil && store.IsTransient(ctx, err) {
			return fmt.Errorf("checking %s: %w", name, err)
		}
		if err != nil {
			r.add(store.Violation{Invariant: store.NothingLost, Damage: "cannot be read: " + err.Error(), ID: key.ID})
		}
	}
	r.report.Keys += int64(len(keys))
	if time.Since(r.told) >= progressEvery {
		r.tell()
	}
	return nil
}

// tell calls Config.Progress.
func (r *run) tell() {
	r.told = time.Now()
	if r.cfg.Progress != nil {
		r.cfg.Progress(r.report.Keys, max(r.total, r.report.Keys))
	}
}

func (r *run) visitKey(ctx context.Context, key store.Key) error {
	switch {
	case key.Kind == "device" && key.Part == "":
		return r.visitDevice(ctx, key)
	case key.Kind == "device" && slices.Contains(deviceParts, key.Part):
		return r.twice(func() ([]store.Violation, error) { return r.checkPart(ctx, key) })
	case key.Kind == "session":
		return r.visitSession(ctx, key)
	case key.Kind == "tenant" && r.wanted(key.ID):
		r.visitTenant(key)
	case key.Kind == "quarantine" && r.cfg.Tenant == "":
		return r.countQuarantine(ctx, key)
	}
	return nil
}

// wanted reports whether the records of a tenant are checked.
func (r *run) wanted(tenant string) bool {
	return tenant != "" && (r.cfg.Tenant == "" || r.cfg.Tenant == tenant)
}

// visitTenant notes a tenant, and the index of devices if the key is one.
func (r *run) visitTenant(key store.Key) {
	r.tenants[key.ID] = true
	if rest, found := strings.CutPrefix(key.Part, "devices"); found {
		property, value, _ := strings.Cut(strings.TrimPrefix(rest, ":"), ":")
		r.indexes[index{key.ID, property, value}] = true
	}
}

// visitDevice checks a device with its sessions and commands.
func (r *run) visitDevice(ctx context.Context, key store.Key) error {
	fields, err := r.read(ctx, key.Name, "tenant")
	if err != nil || !r.wanted(fields.String(0)) {
		return err
	}
	d := store.Device{Tenant: fields.String(0), ID: key.ID}
	r.tenants[d.Tenant] = true
	commands := 0
	err = r.twice(func() (found []store.Violation, err error) {
		found, commands, err = r.checkDevice(ctx, d)
		return found, err
	})
	if err == nil {
		r.report.Devices++
		r.report.Commands += commands
	}
	return err
}

// checkDevice returns the violations in the records of a device, and the number of its commands.
func (r *run) checkDevice(ctx context.Context, d store.Device) (found []store.Violation, commands int, err error) {
	if found, err = r.devices.CheckIndexes(ctx, d); err != nil {
		return nil, 0, err
	}
	counts, err := r.quotas.CheckDevice(ctx, d, func(ctx context.Context) (int64, error) {
		sessions, sessionBytes, err := r.sessions.Check(ctx, d)
		damages, done, failed := r.queue.Check(ctx, d)
		found, commands = append(append(found, sessions...), damages...), done.Count
		return sessionBytes + done.Bytes, errors.Join(err, failed)
	})
	return append(found, counts...), commands, err
}

// checkPart returns a violation if a key of a device exists without the record of the device.
func (r *run) checkPart(ctx context.Context, key store.Key) ([]store.Violation, error) {
	var record, part int64
	err := r.cfg.Store.Do(ctx, "verify_part", func(ctx context.Context, c store.Client) error {
		pipe := c.TxPipeline()
		recordFound, partFound := pipe.Exists(ctx, store.DeviceKey(key.ID)), pipe.Exists(ctx, key.Name)
		_, err := pipe.Exec(ctx)
		record, part = recordFound.Val(), partFound.Val()
		return err
	})
	if err != nil || record == 1 || part == 0 || r.cfg.Tenant != "" {
		return nil, err
	}
	return []store.Violation{{Invariant: store.NothingLost, Damage: key.Part + " without a device", ID: key.ID, Device: key.ID}}, nil
}

// visitSession checks a session that its device does not list. All others are checked with their
// device.
func (r *run) visitSession(ctx context.Context, key store.Key) error {
	fields, err := r.read(ctx, key.Name, "tenant", "device")
	if err != nil || !r.wanted(fields.String(0)) {
		return err
	}
	d := store.Device{Tenant: fields.String(0), ID: fields.String(1)}
	if err = r.twice(func() ([]store.Violation, error) { return r.checkSession(ctx, d, key) }); err == nil {
		r.report.Sessions++
	}
	return err
}

func (r *run) checkSession(ctx context.Context, d store.Device, key store.Key) (found []store.Violation, err error) {
	var deviceFound, sessionFound int64
	var listed bool
	err = r.cfg.Store.Do(ctx, "verify_session", func(ctx context.Context, c store.Client) error {
		pipe := c.TxPipeline()
		device, session, score := pipe.Exists(ctx, d.RecordKey()), pipe.Exists(ctx, key.Name), pipe.ZScore(ctx, d.SessionsKey(), key.ID)
		if err := store.ExecReads(ctx, pipe); err != nil {
			return err
		}
		deviceFound, sessionFound, listed = device.Val(), session.Val(), score.Err() == nil
		return nil
	})
	switch {
	case err != nil || sessionFound == 0:
		return nil, err
	case deviceFound == 0:
		return []store.Violation{{Invariant: store.NothingLost, Damage: "a session without a device", ID: key.ID, Device: d.ID}}, nil
	case listed:
		return nil, nil
	}
	return r.sessions.CheckOne(ctx, d, key.ID)
}

// countQuarantine counts the entries of a quarantine.
func (r *run) countQuarantine(ctx context.Context, key store.Key) error {
	return r.cfg.Store.Do(ctx, "verify_quarantine", func(ctx context.Context, c store.Client) error {
		n, err := c.LLen(ctx, key.Name).Result()
		r.report.Quarantine += int(n)
		return err
	})
}

// read reads fields of a record. They are empty if the key is no hash.
func (r *run) read(ctx context.Context, key string, names ...string) (fields store.Reply, err error) {
	err = r.cfg.Store.Do(ctx, "verify_record", func(ctx context.Context, c store.Client) error {
		values, err := c.HMGet(ctx, key, names...).Result()
		fields = values
		return err
	})
	return fields, err
}

package device

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate/store"
)

// Bounds of a list: how many records one call looks at, and how many at a time
// when only some of them will be chosen.
const (
	maxExamined = 1000
	batchSize   = 200
)

// Get reads a device with all that is known of it. Refusal: device_not_found.
func (r *Registry) Get(ctx context.Context, tenant, id string) (Device, error) {
	device, err := locate(tenant, id)
	if err != nil {
		return Device{}, err
	}
	fields, ready, now, err := r.readOne(ctx, device)
	if err != nil {
		return Device{}, err
	}
	d, err := r.decodeWhole(id, fields, now)
	d.PendingCommands = ready
	return d, err
}

// readOne reads the record of a device and the length of its line.
func (r *Registry) readOne(ctx context.Context, d store.Device) (fields map[string]string, ready int64, now time.Time, err error) {
	err = r.store.Do(ctx, "read_device", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		record, line, clock := pipe.HGetAll(ctx, d.RecordKey()), pipe.ZCard(ctx, d.ReadyKey()), pipe.Time(ctx)
		_, err := pipe.Exec(ctx)
		fields, ready, now = record.Val(), line.Val(), clock.Val()
		return err
	})
	if err != nil {
		return nil, 0, time.Time{}, fmt.Errorf("reading a device: %w", err)
	}
	if fields[fieldTenant] != d.Tenant {
		return nil, 0, time.Time{}, errDeviceNotFound
	}
	return fields, ready, now, nil
}

// Filter chooses devices: those that meet all of it. Empty fields choose all.
type Filter struct {
	Status Status
	Tag    string // "key:value", or "key" for any value
	Query  string // in the name or the external id, whatever the case
}

// index is the smallest index in which everything is that the filter chooses.
func (f Filter) index(tenant string) string {
	switch {
	case f.Tag != "":
		return tagKey(tenant, f.Tag)
	case f.Status != "":
		return statusKey(tenant, f.Status)
	}
	return store.Tenant(tenant).DevicesKey()
}

func (f Filter) chooses(d Device) bool {
	return f.choosesStatus(d) && f.choosesTag(d) && f.choosesText(d)
}

func (f Filter) choosesStatus(d Device) bool { return f.Status == "" || d.Status == f.Status }

func (f Filter) choosesTag(d Device) bool {
	key, value, exact := strings.Cut(f.Tag, ":")
	has, found := d.Tags[key]
	return f.Tag == "" || found && (!exact || has == value)
}

func (f Filter) choosesText(d Device) bool {
	text := strings.ToLower(f.Query)
	return strings.Contains(strings.ToLower(d.Name), text) || strings.Contains(strings.ToLower(d.ExternalID), text)
}

// List reads the tenant's devices, the newest first, and the cursor of the next
// page. A page ends early, perhaps empty, where too many devices had to be looked
// at; its cursor goes on. Refusal: validation_failed for a cursor that is not ours.
func (r *Registry) List(ctx context.Context, tenant string, f Filter, page store.Page) (list []Device, next string, err error) {
	w := walk{registry: r, tenant: tenant, filter: f, limit: page.Limit, cursor: page.Cursor}
	for w.examined < maxExamined && !w.done {
		if err := w.step(ctx); err != nil {
			return nil, "", fmt.Errorf("listing devices: %w", err)
		}
	}
	return w.found, w.cursor, nil
}

// walk goes through an index, batch by batch, and keeps what the filter chooses.
type walk struct {
	registry *Registry
	tenant   string
	filter   Filter
	limit    int

	found    []Device
	examined int
	cursor   string // behind the last device that was looked at; empty at the end
	done     bool   // the page is full, or the index at its end
}

func (w *walk) step(ctx context.Context) error {
	size := batchSize
	if w.filter == (Filter{}) {
		size = w.limit
	}
	listing := store.Listing{Key: w.filter.index(w.tenant), Newest: true}
	ids, err := w.registry.store.Members(ctx, listing, store.Page{Cursor: w.cursor, Limit: size})
	if err != nil {
		return err
	}
	more := len(ids) > size
	ids = ids[:min(len(ids), size)]
	devices, err := w.registry.readSome(ctx, w.tenant, ids)
	if err != nil {
		return err
	}
	w.examined += len(ids)
	w.take(ids, devices, more)
	return nil
}

// take goes through a batch until the page is full.
func (w *walk) take(ids []string, devices map[string]Device, more bool) {
	w.done = !more
	for i, id := range ids {
		if d, ok := devices[id]; ok && w.filter.chooses(d) {
			w.found = append(w.found, d)
		}
		w.cursor = store.CursorAfter(id)
		if len(w.found) == w.limit {
			w.done = true
			if i < len(ids)-1 {
				return
			}
		}
	}
	if !more {
		w.cursor = ""
	}
}

// readSome reads devices by id. What is missing, another's, or not readable is
// left out: one bad record never hides the others.
func (r *Registry) readSome(ctx context.Context, tenant string, ids []string) (map[string]Device, error) {
	records, now, err := r.readRecords(ctx, ids)
	if err != nil {
		return nil, err
	}
	devices := make(map[string]Device, len(ids))
	for i, id := range ids {
		fields := map[string]string{}
		for j, value := range records[i].Val() {
			fields[shown[j]], _ = value.(string)
		}
		if fields[fieldTenant] != tenant {
			continue
		}
		d, err := r.decode(id, fields, now)
		if err != nil {
			r.log.ErrorContext(ctx, "a device cannot be read", "device", id, "error", err)
			continue
		}
		devices[id] = d
	}
	return devices, nil
}

func (r *Registry) readRecords(ctx context.Context, ids []string) (records []*redis.SliceCmd, now time.Time, err error) {
	records = make([]*redis.SliceCmd, len(ids))
	err = r.store.Do(ctx, "read_devices", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		for i, id := range ids {
			records[i] = pipe.HMGet(ctx, store.DeviceKey(id), shown...)
		}
		clock := pipe.Time(ctx)
		_, err := pipe.Exec(ctx)
		now = clock.Val()
		return err
	})
	return records, now, err
}

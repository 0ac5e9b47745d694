package device

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate/store"
)

// These are the limits of one call of List.
const (
	maxExamined = 1000 // maximum number of records read
	batchSize   = 200  // number of records per batch, if some devices in the index may not match
)

// Get returns a device with all its fields. Error: device_not_found.
func (r *Registry) Get(ctx context.Context, tenant, id string) (Device, error) {
	device, err := locate(tenant, id)
	if err != nil {
		return Device{}, err
	}
	fields, ready, now, err := r.readOne(ctx, device)
	if err != nil {
		return Device{}, err
	}
	d, err := r.decodeFull(id, fields, now)
	d.PendingCommands = ready
	return d, err
}

// readOne returns the record of a device, the number of its ready commands, and the
// time by the store's clock.
func (r *Registry) readOne(ctx context.Context, d store.Device) (fields map[string]string, ready int64, now time.Time, err error) {
	err = r.store.Do(ctx, "read_device", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		record, count, clock := pipe.HGetAll(ctx, d.RecordKey()), pipe.ZCard(ctx, d.ReadyKey()), pipe.Time(ctx)
		_, err := pipe.Exec(ctx)
		fields, ready, now = record.Val(), count.Val(), clock.Val()
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

// Filter selects devices that match all of its fields. An empty field matches every
// device.
type Filter struct {
	Status Status
	Tag    string // "key:value", or "key" for any value
	Query  string // a substring of a text of the device, case-insensitive: see matchesText
}

// index returns the key of the smallest index that contains all matching devices.
func (f Filter) index(tenant string) string {
	switch {
	case f.Tag != "":
		return tagIndexKey(tenant, f.Tag)
	case f.Status != "":
		return statusIndexKey(tenant, f.Status)
	}
	return store.Tenant(tenant).DevicesKey()
}

// indexed reports whether every device in f.index matches the filter.
func (f Filter) indexed() bool { return f.Query == "" && (f.Tag == "" || f.Status == "") }

// matches reports whether a device matches the filter, except for Query, which is compared with the
// summaryFields before.
func (f Filter) matches(d Device) bool {
	return (f.Status == "" || d.Status == f.Status) && f.matchesTag(d)
}

// matchesSummary reports whether the summaryFields of a device match the filter. Unreadable tags or
// metadata match no text.
func (f Filter) matchesSummary(id string, summary store.Reply) bool {
	if f.Status != "" && Status(summary.String(0)) != f.Status {
		return false
	}
	if f.Query == "" {
		return true
	}
	texts := []string{id}
	for i := 1; i < summaryTexts; i++ {
		texts = append(texts, summary.String(i))
	}
	if f.matchesText(texts...) {
		return true
	}
	var tags, metadata map[string]string
	_ = decodeMap(summary.String(summaryTexts), &tags)
	_ = decodeMap(summary.String(summaryTexts+1), &metadata)
	for key, value := range tags {
		texts = append(texts, key+":"+value)
	}
	return f.matchesText(slices.AppendSeq(texts, maps.Values(metadata))...)
}

func (f Filter) matchesTag(d Device) bool {
	key, value, exact := strings.Cut(f.Tag, ":")
	has, found := d.Tags[key]
	return f.Tag == "" || found && (!exact || has == value)
}

// matchesText reports whether one of the texts contains Query.
func (f Filter) matchesText(texts ...string) bool {
	query := strings.ToLower(f.Query)
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), query) })
}

// Count returns the number of the tenant's devices that match the filter, or nil if an index alone does not
// tell: to read every record would take seconds in a large fleet.
func (r *Registry) Count(ctx context.Context, tenant string, f Filter) (n *int64, err error) {
	if !f.indexed() {
		return nil, nil
	}
	err = r.store.Do(ctx, "count_devices", func(ctx context.Context, c store.Client) error {
		count, err := c.ZCard(ctx, f.index(tenant)).Result()
		n = &count
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("counting devices: %w", err)
	}
	return n, nil
}

// List returns the tenant's devices, newest first, and the cursor of the next page. The
// cursor is empty after the last page. List reads at most maxExamined records. A page may
// therefore be short or empty although more devices follow. Error: validation_failed for
// an invalid cursor.
func (r *Registry) List(ctx context.Context, tenant string, f Filter, page store.Page) (list []Device, next string, err error) {
	w := scan{registry: r, tenant: tenant, filter: f, limit: page.Limit, cursor: page.Cursor}
	for w.examined < maxExamined && !w.done {
		if err := w.step(ctx); err != nil {
			return nil, "", fmt.Errorf("listing devices: %w", err)
		}
	}
	return w.found, w.cursor, nil
}

// scan reads an index batch by batch and collects the devices that match the filter.
type scan struct {
	registry *Registry
	tenant   string
	filter   Filter
	limit    int

	found    []Device
	examined int
	cursor   string // id of the last device read; empty at the end of the index
	done     bool   // the page is full or the index has ended
}

// step reads the next batch.
func (w *scan) step(ctx context.Context) error {
	size := batchSize
	if w.filter.indexed() {
		size = w.limit
	}
	listing := store.Listing{Key: w.filter.index(w.tenant), Newest: true}
	ids, err := w.registry.store.Members(ctx, listing, store.Page{Cursor: w.cursor, Limit: size})
	if err != nil {
		return err
	}
	more := len(ids) > size
	ids = ids[:min(len(ids), size)]
	w.examined += len(ids)
	candidates := ids
	if !w.filter.indexed() {
		if candidates, err = w.candidates(ctx, ids); err != nil {
			return err
		}
	}
	// The page may be full before the last candidate. The next page examines the others.
	if need := w.limit - len(w.found); len(candidates) > need {
		candidates = candidates[:need]
		ids, more = ids[:slices.Index(ids, candidates[need-1])+1], true
	}
	devices, err := w.registry.readBatch(ctx, w.tenant, candidates)
	if err != nil {
		return err
	}
	w.collect(ids, devices, more)
	return nil
}

// candidates returns the ids of the devices whose summary matches the filter. Only their
// records have to be read completely.
func (w *scan) candidates(ctx context.Context, ids []string) (matching []string, err error) {
	records, _, err := w.registry.readRecords(ctx, ids, summaryFields)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		if w.filter.matchesSummary(id, records[i].Val()) {
			matching = append(matching, id)
		}
	}
	return matching, nil
}

// collect adds the matching devices of a batch until the page is full.
func (w *scan) collect(ids []string, devices map[string]Device, more bool) {
	w.done = !more
	for i, id := range ids {
		if d, ok := devices[id]; ok && w.filter.matches(d) {
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

// readBatch returns devices by their ids. It omits devices that are missing, belong
// to another tenant, or cannot be decoded, so that one damaged record does not hide
// the others.
func (r *Registry) readBatch(ctx context.Context, tenant string, ids []string) (map[string]Device, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	records, now, err := r.readRecords(ctx, ids, listFields)
	if err != nil {
		return nil, err
	}
	devices := make(map[string]Device, len(ids))
	for i, id := range ids {
		fields := map[string]string{}
		for j, value := range records[i].Val() {
			fields[listFields[j]], _ = value.(string)
		}
		if fields[fieldTenant] != tenant {
			continue
		}
		d, err := r.decode(id, fields, now)
		if err != nil {
			r.log.ErrorContext(ctx, "decoding a device failed", "tenant", tenant, "device", id, "error", err)
			continue
		}
		devices[id] = d
	}
	return devices, nil
}

// readRecords reads the named fields of several records. It also returns the time by the
// store's clock.
func (r *Registry) readRecords(ctx context.Context, ids, fields []string) (records []*redis.SliceCmd, now time.Time, err error) {
	records = make([]*redis.SliceCmd, len(ids))
	err = r.store.Do(ctx, "read_devices", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		for i, id := range ids {
			records[i] = pipe.HMGet(ctx, store.DeviceKey(id), fields...)
		}
		clock := pipe.Time(ctx)
		_, err := pipe.Exec(ctx)
		now = clock.Val()
		return err
	})
	return records, now, err
}

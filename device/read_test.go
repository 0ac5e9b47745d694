package device_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// listNames reads all pages and returns the names of the devices. It fails the test if
// a page is longer than the limit.
func (b *bench) listNames(f device.Filter, limit int) (names []string) {
	b.t.Helper()
	page := store.Page{Limit: limit}
	for {
		devices, next, err := b.registry.List(b.t.Context(), b.tenant, f, page)
		require.NoError(b.t, err)
		require.LessOrEqual(b.t, len(devices), limit)
		for _, d := range devices {
			names = append(names, d.Name)
		}
		if next == "" {
			return names
		}
		page.Cursor = next
	}
}

func (b *bench) provisionNamed(name string, change ...func(*device.Provisioning)) device.Device {
	b.t.Helper()
	d, _ := b.provision(append(change, func(p *device.Provisioning) { p.Name = name })...)
	return d
}

func TestList_NewestFirst(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		var want []string
		for i := range 7 {
			want = append([]string{fmt.Sprintf("d%d", i)}, want...)
			b.writeDevice(want[0], i)
		}
		b.inSamePartition().provisionNamed("another tenant's")
		for _, limit := range []int{1, 3, 7, 50} {
			require.Equal(t, want, b.listNames(device.Filter{}, limit), "pages of %d", limit)
		}
	})
}

func TestList_FullLastPageHasNoCursor(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		b.provisionNamed("a")
		b.provisionNamed("b")
		for _, f := range []device.Filter{{}, {Status: device.Provisioned}} {
			devices, next, err := b.registry.List(t.Context(), b.tenant, f, store.Page{Limit: 2})
			require.NoError(t, err)
			require.Len(t, devices, 2)
			require.Empty(t, next)
		}
	})
}

func TestList_Filter(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		leipzig := map[string]string{"site": "leipzig", "line": "cooling"}
		berlin := map[string]string{"site": "berlin"}
		b.provisionNamed("Pump 1", withTags(leipzig))
		b.provisionNamed("Pump 2", withTags(berlin), func(p *device.Provisioning) { p.ExternalID, p.Location = "PX4-77", "Dock 9" })
		gate := b.provisionNamed("Gate", withTags(berlin))
		b.provisionNamed("Untagged", withTags(nil))
		require.NoError(t, suspend(b, gate.ID))
		b.setField(gate.ID, "model", "GT-1")
		b.setField(gate.ID, "firmware", "2.8.1-rc4")
		b.setField(gate.ID, "metadata", `{"serialNumber": "SN-0042"}`)
		for name, c := range map[string]struct {
			filter device.Filter
			want   []string
		}{
			"none":                      {device.Filter{}, []string{"Pump 1", "Pump 2", "Gate", "Untagged"}},
			"a status":                  {device.Filter{Status: device.Provisioned}, []string{"Pump 1", "Pump 2", "Untagged"}},
			"another status":            {device.Filter{Status: device.Suspended}, []string{"Gate"}},
			"a status without devices":  {device.Filter{Status: device.Active}, nil},
			"an unknown status":         {device.Filter{Status: "lost"}, nil},
			"a tag":                     {device.Filter{Tag: "site:berlin"}, []string{"Pump 2", "Gate"}},
			"a tag with any value":      {device.Filter{Tag: "site"}, []string{"Pump 1", "Pump 2", "Gate"}},
			"a prefix of a tag's value": {device.Filter{Tag: "site:ber"}, nil},
			"a tag with a status":       {device.Filter{Tag: "site:berlin", Status: device.Suspended}, []string{"Gate"}},
			"text in the name":          {device.Filter{Query: "pUMP"}, []string{"Pump 1", "Pump 2"}},
			"text in the externalId":    {device.Filter{Query: "px4"}, []string{"Pump 2"}},
			"text in the location":      {device.Filter{Query: "dock"}, []string{"Pump 2"}},
			"text in the model":         {device.Filter{Query: "gt-"}, []string{"Gate"}},
			"text in the firmware":      {device.Filter{Query: "RC4"}, []string{"Gate"}},
			"text in the serial number": {device.Filter{Query: "sn-0042"}, []string{"Gate"}},
			"text in a tag":             {device.Filter{Query: "site:leip"}, []string{"Pump 1"}},
			"an id":                     {device.Filter{Query: gate.ID}, []string{"Gate"}},
			"all fields":                {device.Filter{Query: "pump", Tag: "site", Status: device.Provisioned}, []string{"Pump 1", "Pump 2"}},
			"all fields, no match":      {device.Filter{Query: "gate", Tag: "site", Status: device.Provisioned}, nil},
		} {
			for _, limit := range []int{1, 50} {
				require.ElementsMatch(t, c.want, b.listNames(c.filter, limit), name)
			}
			n, err := b.registry.Count(t.Context(), b.tenant, c.filter)
			require.NoError(t, err)
			if c.filter.Query == "" && (c.filter.Tag == "" || c.filter.Status == "") {
				require.EqualValues(t, len(c.want), *n, name)
			} else {
				require.Nil(t, n, name)
			}
		}
	})
}

func TestList_StatusFilterFollowsStatus(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		d, activation := b.provision()
		steps := []struct {
			step func()
			want device.Status
		}{
			{func() {}, device.Provisioned},
			{func() { require.NoError(t, suspend(b, d.ID)) }, device.Suspended},
			{func() { require.NoError(t, resume(b, d.ID)) }, device.Provisioned},
			{func() { b.register(activation.Code) }, device.Active},
			{func() { require.NoError(t, suspend(b, d.ID)) }, device.Suspended},
			{func() { require.NoError(t, resume(b, d.ID)) }, device.Active},
			{func() { b.decommission(d.ID) }, device.Decommissioned},
		}
		for _, c := range steps {
			c.step()
			require.Equal(t, []string{string(c.want)}, b.statusIndexes(d.ID), "the device must be only in the index of its status")
			require.Len(t, b.listNames(device.Filter{Status: c.want}, 10), 1)
		}
	})
}

// statusIndexes returns the statuses whose index contains a device.
func (b *bench) statusIndexes(id string) (in []string) {
	b.t.Helper()
	for _, status := range []device.Status{device.Provisioned, device.Active, device.Suspended, device.Decommissioned} {
		b.do(func(ctx context.Context, c store.Client) error {
			err := c.ZScore(ctx, store.Tenant(b.tenant).DevicesByKey("status", string(status)), id).Err()
			if err == nil {
				in = append(in, string(status))
			}
			return nil
		})
	}
	return in
}

// writeDevice writes a provisioned device directly into the store. Devices with a
// higher n are newer.
func (b *bench) writeDevice(name string, n int) {
	b.t.Helper()
	id := fmt.Sprintf("dev_%s%s%010d", store.PartitionOf(b.tenant), store.DigestOf(b.tenant)[:16], n)
	b.do(func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		pipe.HSet(ctx, store.DeviceKey(id), "tenant", b.tenant, "status", "provisioned", "name", name)
		pipe.ZAdd(ctx, store.Tenant(b.tenant).DevicesKey(), redis.Z{Member: id})
		_, err := pipe.Exec(ctx)
		return err
	})
}

func TestList_ReadsAtMostThousandRecords(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		b.writeDevice("needle", 0)
		for i := range 1100 {
			b.writeDevice("hay", i+1)
		}
		b.writeDevice("needle", 1101)
		f := device.Filter{Query: "needle"}
		newest, next, err := b.registry.List(t.Context(), b.tenant, f, store.Page{Limit: 10})
		require.NoError(t, err)
		require.Len(t, newest, 1)
		require.NotEmpty(t, next, "the list must continue")
		oldest, next, err := b.registry.List(t.Context(), b.tenant, f, store.Page{Limit: 10, Cursor: next})
		require.NoError(t, err)
		require.Len(t, oldest, 1)
		require.NotEqual(t, newest[0].ID, oldest[0].ID)
		require.Empty(t, next)
	})
}

func TestList_DamagedRecordDoesNotHideOthers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		b.provisionNamed("good")
		damaged, missing := b.provisionNamed("damaged"), b.provisionNamed("missing")
		b.provisionNamed("good too")
		b.setField(damaged.ID, "tags", "{")
		b.deleteRecord(missing.ID)
		require.ElementsMatch(t, []string{"good", "good too"}, b.listNames(device.Filter{}, 2))
	})
}

func TestList_InvalidCursorIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Redis(t))
	_, _, err := b.registry.List(t.Context(), b.tenant, device.Filter{}, store.Page{Limit: 10, Cursor: "not/a/cursor"})
	requireRefused(t, fieldgate.CodeValidationFailed, err)
}

func TestUpdate_KeepsOtherFields(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		d, _ := b.provision()
		name, noLocation := "Pump station 12 B", ""
		for _, c := range []struct {
			change device.Change
			want   func(*device.Device)
		}{
			{device.Change{}, func(*device.Device) {}},
			{device.Change{Name: &name}, func(d *device.Device) { d.Name = name }},
			{device.Change{Location: &noLocation}, func(d *device.Device) { d.Location = "" }},
			{device.Change{Tags: map[string]string{"site": "berlin"}}, func(d *device.Device) { d.Tags = map[string]string{"site": "berlin"} }},
			{device.Change{Tags: map[string]string{}}, func(d *device.Device) { d.Tags = nil }},
		} {
			c.change.Tenant, c.change.DeviceID, c.change.UserID = b.tenant, d.ID, admin
			c.want(&d)
			changed, err := b.registry.Update(t.Context(), c.change)
			require.NoError(t, err)
			require.Equal(t, d, changed)
			require.Equal(t, d, b.get(d.ID))
		}
	})
}

func TestUpdate_EventNamesWhatChanged(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		d := b.provisionNamed("Pump", withTags(map[string]string{"site": "leipzig"}))
		name, location := "Pump B", "Hall 4"
		for _, c := range []struct {
			change device.Change
			want   string // the data of the event, or "" if there is none
		}{
			{device.Change{Name: &name}, `{"changed":["name"],"name":"Pump B"}`},
			{device.Change{Name: &name, Tags: map[string]string{"site": "leipzig"}}, ""},
			{device.Change{Location: &location, Tags: map[string]string{}}, `{"changed":["location","tags"]}`},
		} {
			before := len(b.events(d.ID))
			c.change.Tenant, c.change.DeviceID, c.change.UserID = b.tenant, d.ID, admin
			_, err := b.registry.Update(t.Context(), c.change)
			require.NoError(t, err)
			recorded := b.events(d.ID)[before:]
			if c.want == "" {
				require.Empty(t, recorded)
				continue
			}
			require.Len(t, recorded, 1)
			require.Equal(t, "device.updated", recorded[0].Type)
			require.Equal(t, store.ActorUser(admin), recorded[0].Actor)
			require.JSONEq(t, c.want, recorded[0].Data)
		}
	})
}

func TestUpdate_TagIndexesFollowTags(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		d := b.provisionNamed("Pump", withTags(map[string]string{"site": "leipzig", "line": "cooling"}))
		_, err := b.registry.Update(t.Context(), device.Change{
			Tenant: b.tenant, DeviceID: d.ID, Tags: map[string]string{"site": "berlin", "owner": ""},
		})
		require.NoError(t, err)
		for tag, found := range map[string]bool{
			"site": true, "site:berlin": true, "site:leipzig": false, "line": false, "line:cooling": false, "owner": true, "owner:": true,
		} {
			require.Equal(t, found, len(b.listNames(device.Filter{Tag: tag}, 10)) == 1, tag)
			require.Equal(t, found, b.inTagIndex(tag, d.ID), "the index of %s", tag)
		}
	})
}

// inTagIndex reports whether the index of a tag contains a device.
func (b *bench) inTagIndex(tag, id string) (found bool) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) error {
		found = c.ZScore(ctx, store.Tenant(b.tenant).DevicesByKey("tag", tag), id).Err() == nil
		return nil
	})
	return found
}

func TestUpdate_ConcurrentChangesAreBothApplied(t *testing.T) {
	t.Parallel()
	hook := func() {}
	b := newBench(t, hookAfter(t, "read_device", func() { hook() }))
	d, _ := b.provision()
	hook = func() {
		hook = func() {}
		_, err := b.registry.Update(t.Context(), device.Change{
			Tenant: b.tenant, DeviceID: d.ID, Tags: map[string]string{"site": "berlin"},
		})
		require.NoError(t, err)
	}
	name := "Pump station 12 B"
	changed, err := b.registry.Update(t.Context(), device.Change{Tenant: b.tenant, DeviceID: d.ID, Name: &name})
	require.NoError(t, err)
	require.Equal(t, name, changed.Name)
	require.Equal(t, map[string]string{"site": "berlin"}, changed.Tags)
	require.False(t, b.inTagIndex("site:leipzig", d.ID))
	require.True(t, b.inTagIndex("site:berlin", d.ID))
}

func TestUpdate_ConcurrentChangesLeaveNoStaleIndex(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		d, _ := b.provision()
		_, errs := concurrently(20, func(i int) (device.Device, error) {
			return b.registry.Update(t.Context(), device.Change{
				Tenant: b.tenant, DeviceID: d.ID, Tags: map[string]string{"n": fmt.Sprint(i)},
			})
		})
		for _, err := range errs {
			if err != nil {
				requireRefused(t, fieldgate.CodeRateLimited, err)
			}
		}
		last := b.get(d.ID).Tags["n"]
		for i := range errs {
			require.Equal(t, fmt.Sprint(i) == last, b.inTagIndex(fmt.Sprintf("n:%d", i), d.ID))
		}
	})
}

package quota

import (
	"context"
	"embed"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate/store"
)

// files holds the scripts.
//
//go:embed lua/*.lua
var files embed.FS

// Scripts is the set of the package's scripts.
var Scripts = store.NewScripts("quota", files)

var (
	correctDevice = Scripts.Script("lua/correct_device.lua")
	correctTenant = Scripts.Script("lua/correct_tenant.lua")
	setLimits     = Scripts.Script("lua/set_limits.lua")
)

// devicesPerRead is the maximum number of devices that one round trip reads.
const devicesPerRead = 200

// drift returns what is missing in a count: sum is what the records were found to count while
// the totals changed from before to after. A record that changed meanwhile may be in sum with
// its old or its new size, so every sum between the two bounds is right. Totals that were
// reset meanwhile prove nothing.
func drift(before, after totals, sum int64) int64 {
	added, freed := after.added-before.added, after.freed-before.freed
	low, high := before.inUse()-freed, before.inUse()+added
	switch {
	case added < 0 || freed < 0:
		return 0
	case sum < low:
		return sum - low
	case sum > high:
		return sum - high
	}
	return 0
}

// ReconcileDevice compares what a device counts with its records, and corrects the count.
// The function sum returns what the sessions and commands of the device count. Differences
// come from a lost record, or from an instance of an earlier version that frees records
// without counting. Any number of instances may run it, concurrently with all other calls.
func (s *Service) ReconcileDevice(ctx context.Context, d store.Device, sum func(context.Context) (int64, error)) error {
	missing, corrections, err := s.missingInDevice(ctx, d, sum)
	if err != nil || missing == 0 {
		return err
	}
	s.log.WarnContext(ctx, "corrected the stored bytes of a device", "tenant", d.Tenant, "device", d.ID, "by", missing)
	return s.correctDevice(ctx, d, missing, corrections)
}

// correctDevice adds bytes to the stored bytes of a device, unless the device was corrected since
// it had the given number of corrections.
func (s *Service) correctDevice(ctx context.Context, d store.Device, bytes, corrections int64) error {
	args := store.NewScope(d, store.ActorSystem, "", 0).Args(bytes, corrections)
	_, err := s.store.Run(ctx, correctDevice, d.Keys(), args...)
	return err
}

// missingInDevice returns the number of bytes that the count of a device lacks, which is negative
// for a count that is too high. It also returns how often the count had been corrected before.
func (s *Service) missingInDevice(ctx context.Context, d store.Device, sum func(context.Context) (int64, error)) (missing, corrections int64, err error) {
	before, own, err := s.deviceTotals(ctx, d)
	if err != nil {
		return 0, 0, err
	}
	found, err := sum(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("adding up the records of a device: %w", err)
	}
	after, _, err := s.deviceTotals(ctx, d)
	if err != nil {
		return 0, 0, err
	}
	return drift(before, after, own+found), before.corrections, nil
}

// deviceTotals returns the totals in the record of a device, and what the record itself
// counts.
func (s *Service) deviceTotals(ctx context.Context, d store.Device) (t totals, own int64, err error) {
	var fields store.Reply
	err = s.store.Do(ctx, "device_totals", func(ctx context.Context, c store.Client) (err error) {
		fields, err = c.HMGet(ctx, d.RecordKey(), "bytes_added", "bytes_freed", "corrections", "bytes", "event_bytes").Result()
		return err
	})
	if err != nil {
		return totals{}, 0, fmt.Errorf("reading the stored bytes of a device: %w", err)
	}
	return totals{fields.Int(0), fields.Int(1), fields.Int(2)}, fields.Int(3) + fields.Int(4), nil
}

// ReconcileTenant compares what is counted for a tenant with its devices, and corrects the
// counts. It costs about one round trip for each 200 devices.
func (s *Service) ReconcileTenant(ctx context.Context, tenant string) error {
	lacking, corrections, err := s.missingInTenant(ctx, tenant)
	if err != nil || lacking == (Amounts{}) {
		return err
	}
	missing := map[Name]int64{}
	for _, name := range counted {
		if by := *lacking.Field(name); by != 0 {
			s.log.WarnContext(ctx, "corrected the usage of a tenant", "tenant", tenant, "quota", string(name), "by", by)
			missing[name] = by
		}
	}
	return s.correctTenant(ctx, tenant, missing, corrections)
}

// correctTenant adds what is missing to the counts of a tenant, unless the tenant was corrected
// since it had the given number of corrections.
func (s *Service) correctTenant(ctx context.Context, tenant string, missing map[Name]int64, corrections int64) error {
	args := []any{corrections}
	for name, by := range missing {
		args = append(args, string(name), by)
	}
	_, err := s.store.Run(ctx, correctTenant, []string{store.Tenant(tenant).UsageKey()}, args...)
	return err
}

// counted are the quotas whose use is counted in the usage record of a tenant.
var counted = []Name{OpenSessions, ReadyCommands, StoredBytes}

// missingInTenant returns what the counts of a tenant lack, which is negative for a count that is
// too high. It also returns how often the counts had been corrected before.
func (s *Service) missingInTenant(ctx context.Context, tenant string) (missing Amounts, corrections int64, err error) {
	before, err := s.tenantRecord(ctx, tenant)
	if err != nil {
		return Amounts{}, 0, err
	}
	sums, err := s.sumDevices(ctx, tenant)
	if err != nil {
		return Amounts{}, 0, fmt.Errorf("adding up the devices of a tenant: %w", err)
	}
	after, err := s.tenantRecord(ctx, tenant)
	if err != nil {
		return Amounts{}, 0, err
	}
	for _, name := range counted {
		*missing.Field(name) = drift(totalsOf(before, name), totalsOf(after, name), *sums.Field(name))
	}
	return missing, totalsOf(before, StoredBytes).corrections, nil
}

func (s *Service) tenantRecord(ctx context.Context, tenant string) (record map[string]string, err error) {
	err = s.store.Do(ctx, "tenant_totals", func(ctx context.Context, c store.Client) (err error) {
		record, err = c.HGetAll(ctx, store.Tenant(tenant).UsageKey()).Result()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the usage of a tenant: %w", err)
	}
	return record, nil
}

// sumDevices adds up what the devices of a tenant count.
func (s *Service) sumDevices(ctx context.Context, tenant string) (sums Amounts, err error) {
	listing := store.Listing{Key: store.Tenant(tenant).DevicesKey()}
	for page := (store.Page{Limit: devicesPerRead}); ; {
		ids, err := s.store.Members(ctx, listing, page)
		if err != nil {
			return Amounts{}, err
		}
		if err := s.addDevices(ctx, tenant, ids[:min(len(ids), page.Limit)], &sums); err != nil {
			return Amounts{}, err
		}
		if len(ids) <= page.Limit {
			return sums, nil
		}
		page.Cursor = store.CursorAfter(ids[page.Limit-1])
	}
}

// addDevices adds what some devices of a tenant count to sums.
func (s *Service) addDevices(ctx context.Context, tenant string, ids []string, sums *Amounts) error {
	records, ready := make([]*redis.SliceCmd, len(ids)), make([]*redis.IntCmd, len(ids))
	err := s.store.Do(ctx, "sum_devices", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		for i, id := range ids {
			d := store.Device{Tenant: tenant, ID: id}
			records[i] = pipe.HMGet(ctx, d.RecordKey(), "session", "bytes_added", "bytes_freed")
			ready[i] = pipe.ZCard(ctx, d.ReadyKey())
		}
		_, err := pipe.Exec(ctx)
		return err
	})
	if err != nil {
		return err
	}
	for i := range ids {
		fields := store.Reply(records[i].Val())
		if fields.String(0) != "" {
			sums.OpenSessions++
		}
		sums.ReadyCommands += ready[i].Val()
		sums.StoredBytes += fields.Int(1) - fields.Int(2)
	}
	return nil
}

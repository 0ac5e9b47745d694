package quota

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/fieldgate/fieldgate/store"
)

// Service reads and changes the quotas of tenants. It is safe for concurrent use.
type Service struct {
	store  *store.Store
	limits Amounts
	log    *slog.Logger
}

// Config configures a Service. Store is required.
type Config struct {
	Store *store.Store

	// Limits are the limits of the installation. Zero: no limit.
	Limits Amounts

	// Logger receives the corrections of wrong counts. Default: slog.Default().
	Logger *slog.Logger
}

// New returns a Service with the given configuration.
func New(cfg Config) *Service {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Service{store: cfg.Store, limits: cfg.Limits, log: cfg.Logger}
}

// Usage returns the limits of a tenant and what it uses of them, except for waiting claims:
// package queue counts those of this instance. The counts are never negative.
func (s *Service) Usage(ctx context.Context, tenant string) (limits, used Amounts, err error) {
	r := reading{tenant: store.Tenant(tenant)}
	if err := s.store.Do(ctx, "usage", r.read); err != nil {
		return Amounts{}, Amounts{}, fmt.Errorf("reading the usage of a tenant: %w", err)
	}
	return r.limits(s.limits), r.used(), nil
}

// reading is one reading of a tenant's usage.
type reading struct {
	tenant  store.Tenant
	record  map[string]string // the usage record
	devices int64             // devices, with decommissioned ones
	retired int64             // decommissioned devices
	pending int64
	sockets int64
}

// read reads the usage record and the lengths of the indexes. The lease of a socket ends by
// the clock of the store, which read asks first.
func (r *reading) read(ctx context.Context, c store.Client) error {
	now, err := c.Time(ctx).Result()
	if err != nil {
		return err
	}
	pipe := c.Pipeline()
	record, devices := pipe.HGetAll(ctx, r.tenant.UsageKey()), pipe.ZCard(ctx, r.tenant.DevicesKey())
	retired := pipe.ZCard(ctx, r.tenant.DevicesByKey("status", "decommissioned"))
	pending := pipe.ZCard(ctx, r.tenant.InboxKey())
	sockets := pipe.ZCount(ctx, r.tenant.SocketLeasesKey(), "("+strconv.FormatInt(now.UnixMilli(), 10), "+inf")
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	r.record, r.devices, r.retired, r.pending, r.sockets = record.Val(), devices.Val(), retired.Val(), pending.Val(), sockets.Val()
	return nil
}

// limits returns the limits of the tenant: its own, or else those of the installation.
func (r *reading) limits(installation Amounts) Amounts {
	for name, limit := range ownLimits(r.record) {
		*installation.Field(name) = limit
	}
	return installation
}

// ownLimits returns the limits in a usage record.
func ownLimits(record map[string]string) map[Name]int64 {
	own := map[Name]int64{}
	for _, name := range Names() {
		if limit, err := strconv.ParseInt(record[limitField(name)], 10, 64); err == nil {
			own[name] = limit
		}
	}
	return own
}

func (r *reading) used() Amounts {
	return Amounts{
		Devices: r.devices - r.retired, PendingApprovals: r.pending, Sockets: r.sockets,
		OpenSessions: r.counted(OpenSessions), ReadyCommands: r.counted(ReadyCommands), StoredBytes: r.counted(StoredBytes),
	}
}

func (r *reading) counted(name Name) int64 { return max(totalsOf(r.record, name).inUse(), 0) }

// limitField returns the field of the usage record with a limit of the tenant.
func limitField(name Name) string { return string(name) + ":limit" }

// totals are the totals of what was counted for a quota, and the number of times that the
// reconciler has corrected their record.
type totals struct{ added, freed, corrections int64 }

func (t totals) inUse() int64 { return t.added - t.freed }

func totalsOf(record map[string]string, name Name) totals {
	added, _ := strconv.ParseInt(record[string(name)+":added"], 10, 64)
	freed, _ := strconv.ParseInt(record[string(name)+":freed"], 10, 64)
	corrections, _ := strconv.ParseInt(record["corrections"], 10, 64)
	return totals{added, freed, corrections}
}

// OwnLimits returns the limits of a tenant that differ from those of the installation.
func (s *Service) OwnLimits(ctx context.Context, tenant string) (map[Name]int64, error) {
	record, err := s.tenantRecord(ctx, tenant)
	return ownLimits(record), err
}

// SetLimits sets limits of one tenant, instead of those of the installation. Zero is no
// limit. The other limits of the tenant stay as they are.
func (s *Service) SetLimits(ctx context.Context, tenant string, limits map[Name]int64) error {
	var args []any
	for name, limit := range limits {
		args = append(args, limitField(name), limit)
	}
	return s.change(ctx, tenant, args)
}

// ResetLimits removes limits of one tenant, so that those of the installation apply again.
func (s *Service) ResetLimits(ctx context.Context, tenant string, names ...Name) error {
	var args []any
	for _, name := range names {
		args = append(args, limitField(name), "")
	}
	return s.change(ctx, tenant, args)
}

func (s *Service) change(ctx context.Context, tenant string, args []any) error {
	if len(args) == 0 {
		return nil
	}
	if _, err := s.store.Run(ctx, setLimits, []string{store.Tenant(tenant).UsageKey()}, args...); err != nil {
		return fmt.Errorf("changing the limits of a tenant: %w", err)
	}
	return nil
}

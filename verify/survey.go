package verify

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate/store"
)

// surveyBatch is the number of devices that one round trip of TakeSurvey reads.
const surveyBatch = 200

// Survey describes what a store holds that is not finished. A restored store lacks all changes
// after NewestChange.
type Survey struct {
	Tenants        int       `json:"tenants"`
	Devices        int       `json:"devices"`
	ActiveSessions int       `json:"activeSessions"`
	Queued         int64     `json:"queuedCommands"`
	Pending        int64     `json:"pendingApprovals"`
	Claimed        int64     `json:"claimedCommands"`
	ExpiredLeases  int64     `json:"expiredLeases"` // leases of claimed commands that have expired
	NewestChange   time.Time `json:"newestChange,omitzero"`
}

// TakeSurvey reads the indexes of all devices and the newest event of each tenant.
func TakeSurvey(ctx context.Context, s *store.Store, now time.Time) (found Survey, err error) {
	for tenant, err := range s.Tenants(ctx) {
		if err != nil {
			return Survey{}, fmt.Errorf("listing the tenants: %w", err)
		}
		found.Tenants++
		if err := found.addTenant(ctx, s, tenant, now); err != nil {
			return Survey{}, fmt.Errorf("tenant %s: %w", tenant, err)
		}
	}
	return found, nil
}

func (f *Survey) addTenant(ctx context.Context, s *store.Store, tenant string, now time.Time) error {
	if err := f.addEvents(ctx, s, tenant); err != nil {
		return fmt.Errorf("reading the event stream: %w", err)
	}
	var batch []store.Device
	for id, err := range s.Each(ctx, store.Listing{Key: store.Tenant(tenant).DevicesKey()}) {
		if err != nil {
			return fmt.Errorf("listing the devices: %w", err)
		}
		if batch = append(batch, store.Device{Tenant: tenant, ID: id}); len(batch) == surveyBatch {
			if err := f.addDevices(ctx, s, batch, now); err != nil {
				return fmt.Errorf("reading devices: %w", err)
			}
			batch = nil
		}
	}
	return f.addDevices(ctx, s, batch, now)
}

// addEvents notes the time of the newest event of a tenant.
func (f *Survey) addEvents(ctx context.Context, s *store.Store, tenant string) error {
	var newest []redis.XMessage
	err := s.Do(ctx, "survey_events", func(ctx context.Context, c store.Client) (err error) {
		newest, err = c.XRevRangeN(ctx, store.Tenant(tenant).StreamKey(), "+", "-", 1).Result()
		return err
	})
	for _, event := range newest {
		f.noteChange(store.ParseTime(store.ParseEvent(event).Time))
	}
	return err
}

func (f *Survey) noteChange(at time.Time) {
	if at.After(f.NewestChange) {
		f.NewestChange = at
	}
}

// addDevices adds up what some devices have. A request of a device changes its record even if it
// causes no event.
func (f *Survey) addDevices(ctx context.Context, s *store.Store, devices []store.Device, now time.Time) error {
	if len(devices) == 0 {
		return nil
	}
	records := make([]*redis.SliceCmd, len(devices))
	counts := make([][4]*redis.IntCmd, len(devices))
	err := s.Do(ctx, "survey_devices", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		for i, d := range devices {
			alive := d.AliveKeys()
			records[i] = pipe.HMGet(ctx, d.RecordKey(), "session", "last_seen", "created")
			counts[i] = [4]*redis.IntCmd{
				pipe.ZCard(ctx, alive[0]), pipe.ZCard(ctx, alive[1]), pipe.ZCard(ctx, alive[2]),
				pipe.ZCount(ctx, alive[2], "-inf", fmt.Sprint(now.UnixMilli())),
			}
		}
		return store.ExecReads(ctx, pipe)
	})
	if err != nil {
		return err
	}
	f.Devices += len(devices)
	for i := range devices {
		record := store.Reply(records[i].Val())
		if record.String(0) != "" {
			f.ActiveSessions++
		}
		f.noteChange(store.ParseTime(record.String(1)))
		f.noteChange(store.ParseTime(record.String(2)))
		f.Queued += counts[i][0].Val()
		f.Pending += counts[i][1].Val()
		f.Claimed += counts[i][2].Val()
		f.ExpiredLeases += counts[i][3].Val()
	}
	return nil
}

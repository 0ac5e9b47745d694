package device

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate/store"
)

// OpenLogin is a login of a device whose token is valid.
type OpenLogin struct {
	ExpiresAt time.Time // end of the login if the device does not use it again
	EndsAt    time.Time // end of the login at the latest
}

// Logins returns the valid logins of a device, the oldest first.
func (r *Registry) Logins(ctx context.Context, d store.Device) ([]OpenLogin, error) {
	hashes, epoch, err := r.loginHashes(ctx, d)
	if err != nil || len(hashes) == 0 {
		return nil, err
	}
	records := make([]*redis.SliceCmd, len(hashes))
	err = r.store.Do(ctx, "read_logins", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		for i, hash := range hashes {
			records[i] = pipe.HMGet(ctx, store.LoginKey(d.ID, hash), "epoch", "expires", "ends")
		}
		_, err := pipe.Exec(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the logins of a device: %w", err)
	}
	var logins []OpenLogin
	for _, record := range records {
		fields := store.Reply(record.Val())
		if fields.String(1) != "" && fields.String(0) == epoch {
			logins = append(logins, OpenLogin{store.ParseTime(fields.String(1)), store.ParseTime(fields.String(2))})
		}
	}
	return logins, nil
}

// loginHashes returns the token hashes of a device's logins, including those that have ended, and
// the epoch of its record. A login with another epoch has ended.
func (r *Registry) loginHashes(ctx context.Context, d store.Device) (hashes []string, epoch string, err error) {
	err = r.store.Do(ctx, "list_logins", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		list, record := pipe.LRange(ctx, store.LoginsKey(d.ID), 0, -1), pipe.HMGet(ctx, d.RecordKey(), "epoch")
		_, err := pipe.Exec(ctx)
		hashes, epoch = list.Val(), store.Reply(record.Val()).String(0)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("listing the logins of a device: %w", err)
	}
	return hashes, epoch, nil
}

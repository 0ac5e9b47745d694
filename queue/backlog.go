package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate/store"
)

// OldestReady returns since when the command has been ready that has waited longest among the next
// commands of the tenant's devices. The next command of a device is the one that it would claim
// first. OldestReady returns the zero time if no command is ready.
//
// The argument ready is the number of the tenant's ready commands. OldestReady reads the devices in
// pages of 200, each with two round trips, until it has found that many commands.
func (q *Queue) OldestReady(ctx context.Context, tenant string, ready int64) (oldest time.Time, err error) {
	if ready <= 0 {
		return time.Time{}, nil
	}
	for ids, err := range q.store.Pages(ctx, store.Listing{Key: store.Tenant(tenant).DevicesKey()}) {
		if err != nil {
			return time.Time{}, fmt.Errorf("listing the devices of a tenant: %w", err)
		}
		found, next, err := q.nextReady(ctx, tenant, ids)
		if err != nil {
			return time.Time{}, fmt.Errorf("reading the ready commands of devices: %w", err)
		}
		at, err := q.earliestQueued(ctx, next)
		if err != nil {
			return time.Time{}, err
		}
		oldest = earlier(oldest, at)
		if ready -= found; ready <= 0 {
			break
		}
	}
	return oldest, nil
}

// OldestPending returns when the oldest of the commands that await approval was proposed, or the zero
// time if there is none.
func (q *Queue) OldestPending(ctx context.Context, tenant string) (time.Time, error) {
	first, _, err := q.Pending(ctx, tenant, store.Page{Limit: 1})
	if err != nil || len(first) == 0 {
		return time.Time{}, err
	}
	return first[0].CreatedAt, nil
}

// nextReady returns the number of ready commands of some devices, and the next command of each device
// that has any.
func (q *Queue) nextReady(ctx context.Context, tenant string, devices []string) (found int64, next []commandKey, err error) {
	counts, heads := make([]*redis.IntCmd, len(devices)), make([]*redis.StringSliceCmd, len(devices))
	err = q.store.Do(ctx, "survey_ready", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		for i, id := range devices {
			key := store.Device{Tenant: tenant, ID: id}.ReadyKey()
			counts[i], heads[i] = pipe.ZCard(ctx, key), pipe.ZRange(ctx, key, 0, 0)
		}
		_, err := pipe.Exec(ctx)
		return err
	})
	for i, id := range devices {
		found += counts[i].Val()
		for _, command := range heads[i].Val() {
			next = append(next, commandKey{store.Device{Tenant: tenant, ID: id}, command})
		}
	}
	return found, next, err
}

// earliestQueued returns the earliest time since which one of some commands has been queued. It ignores
// a command that is gone or unreadable: the reconciler repairs it.
func (q *Queue) earliestQueued(ctx context.Context, commands []commandKey) (found time.Time, err error) {
	if len(commands) == 0 {
		return time.Time{}, nil
	}
	states := make([]*redis.StringCmd, len(commands))
	err = q.store.Do(ctx, "survey_states", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		for i, c := range commands {
			states[i] = pipe.HGet(ctx, c.device.CommandsKey(), c.id)
		}
		_, err := pipe.Exec(ctx)
		if errors.Is(err, redis.Nil) {
			return nil
		}
		return err
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the states of commands: %w", err)
	}
	for _, raw := range states {
		if s, err := decodeState(raw.Val()); err == nil {
			found = earlier(found, store.TimeOf(s.Queued))
		}
	}
	return found, nil
}

// earlier returns the earlier of two times. The zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

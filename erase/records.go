package erase

import (
	"context"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate/store"
)

// readBatch is the number of entries that one round trip reads or deletes.
const readBatch = 500

// records are the records of a device.
type records struct {
	sessions, commands, logins []string
	results, events            int
	quarantined                []string // entries of the quarantine that name the device
	streamed                   []string // ids of the events of the device in the stream of the tenant
	keys                       []string // all keys of these records
}

// collect reads the ids of all records of a device. The keys are those that begin with the id of the
// device.
func (e *Eraser) collect(ctx context.Context, d store.Device, keys []string) (found records, err error) {
	found.keys = keys
	steps := []func(context.Context, store.Device, *records) error{
		e.collectSessions, e.collectCommands, e.collectLogins, e.collectEvents,
	}
	for _, step := range steps {
		if err := step(ctx, d, &found); err != nil {
			return records{}, err
		}
	}
	found.quarantined, err = e.quarantined(ctx, d.Tenant, func(_, device string) bool { return device == d.ID })
	return found, err
}

func (e *Eraser) collectSessions(ctx context.Context, d store.Device, found *records) error {
	for id, err := range e.cfg.Store.Each(ctx, store.Listing{Key: d.SessionsKey()}) {
		if err != nil {
			return err
		}
		found.sessions = append(found.sessions, id)
		found.keys = append(found.keys, store.SessionKey(id))
	}
	return nil
}

// collectCommands finds the commands with a record, and counts those with a result.
func (e *Eraser) collectCommands(ctx context.Context, d store.Device, found *records) error {
	var fields []string
	err := e.cfg.Store.Do(ctx, "erase_commands", func(ctx context.Context, c store.Client) (err error) {
		fields, err = c.HKeys(ctx, d.CommandsKey()).Result()
		return err
	})
	for _, field := range fields {
		if !strings.Contains(field, ":") { // the other fields belong to one of these
			found.commands = append(found.commands, field)
		}
	}
	if err != nil || len(found.commands) == 0 {
		return err
	}
	var results []*redis.IntCmd
	err = e.cfg.Store.Do(ctx, "erase_results", func(ctx context.Context, c store.Client) error {
		results = nil
		_, err := c.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, id := range found.commands {
				results = append(results, pipe.Exists(ctx, store.ResultKey(id)))
			}
			return nil
		})
		return err
	})
	for i, result := range results {
		if result.Val() == 1 {
			found.results++
			found.keys = append(found.keys, store.ResultKey(found.commands[i]))
		}
	}
	return err
}

// collectLogins finds the logins, and the activation code of a device that has one.
func (e *Eraser) collectLogins(ctx context.Context, d store.Device, found *records) error {
	return e.cfg.Store.Do(ctx, "erase_logins", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		logins, record := pipe.LRange(ctx, store.LoginsKey(d.ID), 0, -1), pipe.HMGet(ctx, d.RecordKey(), "activation")
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
		found.logins = logins.Val()
		for _, hash := range found.logins {
			found.keys = append(found.keys, store.LoginKey(d.ID, hash))
		}
		if code := store.Reply(record.Val()).String(0); code != "" {
			found.keys = append(found.keys, store.ActivationKey(code))
		}
		return nil
	})
}

// collectEvents counts the events of the timeline, and finds those of the device in the stream of
// its tenant. The stream of a tenant that is erased goes as a whole.
func (e *Eraser) collectEvents(ctx context.Context, d store.Device, found *records) error {
	err := e.cfg.Store.Do(ctx, "erase_timeline", func(ctx context.Context, c store.Client) error {
		n, err := c.XLen(ctx, d.TimelineKey()).Result()
		found.events = int(n)
		return err
	})
	for from := "-"; err == nil && !e.wholeTenant; {
		var entries []redis.XMessage
		err = e.cfg.Store.Do(ctx, "erase_stream", func(ctx context.Context, c store.Client) (err error) {
			entries, err = c.XRangeN(ctx, store.Tenant(d.Tenant).StreamKey(), from, "+", readBatch).Result()
			return err
		})
		for _, entry := range entries {
			if entry.Values["device"] == d.ID {
				found.streamed = append(found.streamed, entry.ID)
			}
		}
		if len(entries) < readBatch {
			break
		}
		from = "(" + entries[len(entries)-1].ID
	}
	return err
}

// deleteEntries deletes what the removal of a device presumes to be gone: its sessions, results and
// logins, with their entries in indexes. It deletes no key of the device itself: only the script
// that deletes the device knows what the tenant counts for it.
func (e *Eraser) deleteEntries(ctx context.Context, d store.Device, found records) error {
	t, p := store.Tenant(d.Tenant), store.PartitionOf(d.Tenant)
	return e.cfg.Store.Do(ctx, "erase_entries", func(ctx context.Context, c store.Client) error {
		_, err := c.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, id := range found.sessions {
				pipe.Unlink(ctx, store.SessionKey(id))
				pipe.ZRem(ctx, t.SessionsKey(), id)
				pipe.ZRem(ctx, p.DueKey(), store.Due{Kind: "session", ID: id, Device: d}.Member())
			}
			for _, id := range found.commands {
				pipe.Unlink(ctx, store.ResultKey(id))
				pipe.ZRem(ctx, t.InboxKey(), id+" "+d.ID)
				pipe.ZRem(ctx, p.DueKey(), store.Due{Kind: "command", ID: id, Device: d}.Member())
			}
			for _, hash := range found.logins {
				pipe.Unlink(ctx, store.LoginKey(d.ID, hash))
			}
			for _, entry := range found.quarantined {
				pipe.LRem(ctx, p.QuarantineKey(), 0, entry)
			}
			for _, id := range found.streamed {
				pipe.XDel(ctx, t.StreamKey(), id)
			}
			return nil
		})
		return err
	})
}

package erase

import (
	"context"
	"errors"
	"slices"

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
func (e *Eraser) collectCommands(ctx context.Context, d store.Device, found *records) (err error) {
	if found.commands, err = e.commandsOf(ctx, d); err != nil {
		return err
	}
	for ids := range slices.Chunk(found.commands, readBatch) {
		if err := e.addResults(ctx, d, ids, found); err != nil {
			return err
		}
	}
	return nil
}

// commandsOf returns the ids of the commands with a record.
func (e *Eraser) commandsOf(ctx context.Context, d store.Device) (ids []string, err error) {
	for cursor := uint64(0); ; {
		var pairs []string
		err := e.cfg.Store.Do(ctx, "erase_commands", func(ctx context.Context, c store.Client) (err error) {
			pairs, cursor, err = c.HScan(ctx, d.CommandsKey(), cursor, store.StateFields, readBatch).Result()
			return err
		})
		if err != nil {
			return nil, err
		}
		for pair := range slices.Chunk(pairs, 2) {
			ids = append(ids, pair[0])
		}
		if cursor == 0 {
			slices.Sort(ids) // several batches may have the same field
			return slices.Compact(ids), nil
		}
	}
}

// addResults counts the results that some commands have, and adds the keys of those under a key of
// their own.
func (e *Eraser) addResults(ctx context.Context, d store.Device, ids []string, found *records) error {
	keys, fields := make([]*redis.IntCmd, len(ids)), make([]*redis.BoolCmd, len(ids))
	err := e.cfg.Store.Do(ctx, "erase_results", func(ctx context.Context, c store.Client) error {
		_, err := c.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for i, id := range ids {
				keys[i] = pipe.Exists(ctx, store.ResultKey(id))
				fields[i] = pipe.HExists(ctx, d.CommandsKey(), id+":result")
			}
			return nil
		})
		return err
	})
	if err != nil {
		return err
	}
	for i, id := range ids {
		if keys[i].Val() == 1 {
			found.keys = append(found.keys, store.ResultKey(id))
		}
		if keys[i].Val() == 1 || fields[i].Val() {
			found.results++
		}
	}
	return nil
}

// collectLogins finds the logins, and the activation code of a device that has one.
func (e *Eraser) collectLogins(ctx context.Context, d store.Device, found *records) error {
	return e.cfg.Store.Do(ctx, "erase_logins", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		logins, record := pipe.LRange(ctx, store.LoginsKey(d.ID), 0, -1), pipe.HMGet(ctx, d.RecordKey(), "activation", "registration")
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
		if registration := store.Reply(record.Val()).String(1); registration != "" {
			found.keys = append(found.keys, d.RegistrationKey(registration))
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
	return errors.Join(
		e.eachBatch(ctx, "erase_sessions", found.sessions, func(ctx context.Context, pipe redis.Pipeliner, id string) {
			pipe.Unlink(ctx, store.SessionKey(id))
			pipe.ZRem(ctx, t.SessionsKey(), id)
			pipe.ZRem(ctx, p.DueKey(), store.Due{Kind: "session", ID: id, Device: d}.Member())
		}),
		e.eachBatch(ctx, "erase_entries", found.commands, func(ctx context.Context, pipe redis.Pipeliner, id string) {
			pipe.Unlink(ctx, store.ResultKey(id))
			pipe.ZRem(ctx, t.InboxKey(), id+" "+d.ID)
			pipe.ZRem(ctx, t.CommandsKey(), d.ListedMember(id))
			pipe.ZRem(ctx, p.DueKey(), store.Due{Kind: "command", ID: id, Device: d}.Member())
		}),
		e.eachBatch(ctx, "erase_login", found.logins, func(ctx context.Context, pipe redis.Pipeliner, hash string) {
			pipe.Unlink(ctx, store.LoginKey(d.ID, hash))
		}),
		e.eachBatch(ctx, "erase_quarantine", found.quarantined, func(ctx context.Context, pipe redis.Pipeliner, entry string) {
			pipe.LRem(ctx, p.QuarantineKey(), 0, entry)
		}),
		e.eachBatch(ctx, "erase_streamed", found.streamed, func(ctx context.Context, pipe redis.Pipeliner, id string) {
			pipe.XDel(ctx, t.StreamKey(), id)
		}),
	)
}

// eachBatch fills pipelines with the commands for some ids or keys, and sends one for each readBatch
// of them.
func (e *Eraser) eachBatch(ctx context.Context, name string, all []string, fill func(ctx context.Context, pipe redis.Pipeliner, one string)) error {
	for some := range slices.Chunk(all, readBatch) {
		err := e.cfg.Store.Do(ctx, name, func(ctx context.Context, c store.Client) error {
			_, err := c.Pipelined(ctx, func(pipe redis.Pipeliner) error {
				for _, one := range some {
					fill(ctx, pipe, one)
				}
				return nil
			})
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

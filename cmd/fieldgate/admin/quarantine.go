package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// quarantineCommand has the commands on records that were set aside.
type quarantineCommand struct {
	List    listQuarantineCommand `cmd:"" help:"List the entries of the quarantine."`
	Show    showEntryCommand      `cmd:"" help:"Print entries, and the stored record of a command."`
	Restore restoreEntryCommand   `cmd:"" help:"Put a record back where the gateway works on it, after it was repaired."`
	Drop    dropEntryCommand      `cmd:"" help:"Remove entries from the list. Their records stay as they are."`
}

// entryRecord is an entry of the quarantine.
type entryRecord struct {
	Partition string `json:"partition"`
	Kind      string `json:"kind,omitempty"` // "command", "session", "presence" or "device"; empty if the entry cannot be parsed
	ID        string `json:"id,omitempty"`
	DeviceID  string `json:"deviceId,omitempty"`
	Tenant    string `json:"tenant,omitempty"`
	Entry     string `json:"entry"` // as it is stored
}

func recordOf(e store.Entry) entryRecord {
	return entryRecord{e.Partition.String(), e.Due.Kind, e.Due.ID, e.Due.Device.ID, e.Due.Device.Tenant, e.Member}
}

// listQuarantineCommand lists entries.
type listQuarantineCommand struct {
	storeFlags

	Tenant string `help:"Only entries of this tenant, such as c.acme."`
}

// Run lists the entries, the oldest of each partition first.
func (c *listQuarantineCommand) Run(ctx context.Context) error {
	return c.reading(ctx, func(v services) error {
		list := c.list("TENANT", "KIND", "ID", "DEVICE", "ENTRY")
		for e, err := range v.store.Quarantined(ctx) {
			if err != nil {
				return err
			}
			r := recordOf(e)
			if c.Tenant != "" && r.Tenant != c.Tenant {
				continue
			}
			unparsed := ""
			if r.Kind == "" {
				unparsed = r.Entry
			}
			if err := list.add(r, r.Tenant, r.Kind, r.ID, r.DeviceID, unparsed); err != nil {
				return err
			}
		}
		return list.end()
	})
}

// entryArgument selects entries.
type entryArgument struct {
	ID string `arg:"" help:"Id of the record that the entry names, or the whole entry."`
}

// find returns the entries that the argument selects, each once. A device may have two: its
// presence and its removal.
func (a entryArgument) find(ctx context.Context, v services) (found []store.Entry, err error) {
	seen := map[string]bool{}
	for e, err := range v.store.Quarantined(ctx) {
		if err != nil {
			return nil, err
		}
		if (e.Due.ID == a.ID || e.Member == a.ID) && !seen[e.Member] {
			seen[e.Member], found = true, append(found, e)
		}
	}
	if len(found) == 0 {
		return nil, notFound("entry of the quarantine for", a.ID)
	}
	return found, nil
}

// showEntryCommand prints entries.
type showEntryCommand struct {
	storeFlags
	entryArgument
}

// shownEntry is an entry with the stored record of its command.
type shownEntry struct {
	entryRecord
	Key           string              `json:"key,omitempty"` // of the record in Redis; that of a command is the field with its id
	QuarantinedAt fieldgate.Timestamp `json:"quarantinedAt,omitzero"`
	State         string              `json:"state,omitempty"` // of a command, as it is stored
	Body          string              `json:"body,omitempty"`  // of a command, as it is stored
	Restorable    string              `json:"restorable"`      // "yes", or the reason why not
}

// Run prints the entries. As JSON, it also prints the body of a command.
func (c *showEntryCommand) Run(ctx context.Context) error {
	return c.reading(ctx, func(v services) error {
		found, err := c.find(ctx, v)
		if err != nil {
			return err
		}
		for _, e := range found {
			if err := c.show(ctx, v, e); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *showEntryCommand) show(ctx context.Context, v services, e store.Entry) error {
	s := shownEntry{entryRecord: recordOf(e), Key: keyOf(e.Due), Restorable: "yes"}
	if err := v.restore(ctx, e, true); err != nil {
		s.Restorable = err.Error()
	}
	if e.Due.Kind == "command" {
		raw, err := v.queue.ReadRaw(ctx, e.Due.Device, e.Due.ID)
		if err != nil {
			return err
		}
		s.QuarantinedAt, s.State, s.Body = fieldgate.At(raw.QuarantinedAt), raw.State, raw.Body
	}
	return c.print(s, fields{
		{"tenant", s.Tenant}, {"kind", s.Kind}, {"id", s.ID}, {"device", s.DeviceID}, {"entry", s.Entry},
		{"key", s.Key}, {"since", at(s.QuarantinedAt.Time)}, {"state", oneLine(s.State)}, {"body", bytesOf(s.Body)}, {"restorable", s.Restorable},
	})
}

// keyOf returns the key of the record in Redis. It returns "" for an entry that cannot be parsed.
func keyOf(due store.Due) string {
	switch due.Kind {
	case "command":
		return due.Device.CommandsKey()
	case "session":
		return store.SessionKey(due.ID)
	case "presence", "device":
		return due.Device.RecordKey()
	}
	return ""
}

// bytesOf describes a text whose content is not printed for people.
func bytesOf(text string) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf("%d bytes", len(text))
}

// restore restores an entry. A dry run only reports whether it can be restored.
func (v services) restore(ctx context.Context, e store.Entry, dryRun bool) error {
	if e.Due.Kind == "command" {
		return v.queue.Restore(ctx, e.Due, dryRun)
	}
	return v.store.RestoreEntry(ctx, e, dryRun)
}

// restoreEntryCommand restores entries.
type restoreEntryCommand struct {
	entryArgument
	changeFlags
}

// Run restores the entries and prints each.
func (c *restoreEntryCommand) Run(ctx context.Context) error {
	return c.changing(ctx, func(v services) error {
		return c.each(ctx, v, c.entryArgument, "restored", func(e store.Entry) error { return v.restore(ctx, e, c.DryRun) })
	})
}

// dropEntryCommand removes entries.
type dropEntryCommand struct {
	entryArgument
	changeFlags
}

// Run removes the entries and prints each.
func (c *dropEntryCommand) Run(ctx context.Context) error {
	return c.changing(ctx, func(v services) error {
		return c.each(ctx, v, c.entryArgument, "dropped", func(e store.Entry) error {
			if c.DryRun {
				return nil
			}
			return v.store.DropEntry(ctx, e)
		})
	})
}

// changedEntry is the record of an entry that was restored or dropped.
type changedEntry struct {
	entryRecord
	Result string `json:"result"`
}

// each calls act with every entry that the argument selects, and prints the result.
func (c *changeFlags) each(ctx context.Context, v services, a entryArgument, verb string, act func(store.Entry) error) error {
	found, err := a.find(ctx, v)
	if err != nil {
		return err
	}
	tally, list := tally{what: "entries", verb: verb}, c.list("TENANT", "KIND", "ID", "DEVICE", "RESULT")
	result := verb
	if c.DryRun {
		result = "would be " + verb
	}
	for _, e := range found {
		changed := changedEntry{recordOf(e), result}
		err := act(e)
		if tally.note(err); err != nil {
			changed.Result = "failed: " + strings.TrimSpace(err.Error())
		}
		if err := list.add(changed, changed.Tenant, changed.Kind, changed.ID, changed.DeviceID, changed.Result); err != nil {
			return err
		}
	}
	return errors.Join(list.end(), tally.err())
}

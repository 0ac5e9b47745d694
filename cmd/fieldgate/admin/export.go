package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/handlers"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
)

// exportCommand prints all records of a tenant. It changes nothing.
type exportCommand struct {
	storeFlags

	Tenant string `required:"" help:"The tenant as logs contain it, such as c.acme."`
}

// The kinds of lines of an export.
const (
	kindTenant  = "tenant"  // the first line
	kindQuota   = "quota"   // a quota and what is in use of it
	kindDevice  = "device"  // a device, without its secret
	kindEvent   = "event"   // an event of the timeline of the device before it
	kindSession = "session" // a session of the device before it
	kindCommand = "command" // a command of the session before it, with its parameters and its result
	kindOutput  = "output"  // the progress and the output that the device of the command before it has reported, if any
	kindEnd     = "end"     // the last line: an export without it is cut off
)

// exportLine is one line of an export. The data is a record in the format of the contract.
type exportLine struct {
	Kind string `json:"kind"`
	Data any    `json:"data"`
}

// exportHead is the data of the first line.
type exportHead struct {
	Tenant     string    `json:"tenant"`
	ExportedAt time.Time `json:"exportedAt"`
}

// exportQuota is the data of a quota. The limit is that of the tenant; it has none if the limit of
// the installation applies.
type exportQuota struct {
	Quota string `json:"quota"`
	Used  string `json:"used"`
	Limit string `json:"limit"`
}

// exportOutput is the data of the output of a command.
type exportOutput struct {
	CommandID string `json:"commandId"`
	generated.CommandOutput
}

// exportEnd is the data of the last line. Skipped is the number of records that could not be read.
type exportEnd struct {
	Counts  map[string]int `json:"counts"`
	Skipped int            `json:"skipped"`
}

// export is a running export.
type export struct {
	services
	tenant string
	lines  *json.Encoder
	counts map[string]int

	skipped *skippedRecords
}

// Run prints the records. Those that change meanwhile are printed as they were when they were
// read. Run returns an error if a record was left out because it could not be read.
func (c *exportCommand) Run(ctx context.Context) error {
	if err := checkTenant(c.Tenant); err != nil {
		return err
	}
	return c.read(ctx, func(s *store.Store) error {
		skipped := &skippedRecords{Handler: c.logger().Handler(), seen: map[string]bool{}}
		e := &export{
			services: newServices(s, 0, slog.New(skipped)), tenant: c.Tenant, lines: newEncoder(c.stdout),
			counts: map[string]int{}, skipped: skipped,
		}
		return e.run(ctx)
	})
}

func (e *export) run(ctx context.Context) error {
	if err := e.write(kindTenant, exportHead{e.tenant, time.Now().UTC()}); err != nil {
		return err
	}
	if err := e.writeQuotas(ctx); err != nil {
		return err
	}
	for id, err := range e.store.Each(ctx, store.Listing{Key: store.Tenant(e.tenant).DevicesKey()}) {
		if err != nil {
			return err
		}
		if err := e.writeDevice(ctx, store.Device{Tenant: e.tenant, ID: id}); err != nil {
			return err
		}
	}
	skipped := len(e.skipped.seen)
	if err := e.lines.Encode(exportLine{kindEnd, exportEnd{e.counts, skipped}}); err != nil || skipped == 0 {
		return err
	}
	return fmt.Errorf("%d records cannot be read and are left out: the log names them", skipped)
}

// skippedRecords counts the records that cannot be read. The packages that read them log an error for
// each and leave it out, perhaps more than once. An export logs nothing else at this level.
type skippedRecords struct {
	slog.Handler

	seen map[string]bool // attributes of the errors that were logged
}

// Handle counts and logs an error.
func (s *skippedRecords) Handle(ctx context.Context, r slog.Record) error {
	var id string
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != "error" {
			id += a.String() + " "
		}
		return true
	})
	s.seen[id] = true
	return s.Handler.Handle(ctx, r)
}

// write prints and counts one line.
func (e *export) write(kind string, data any) error {
	e.counts[kind]++
	return e.lines.Encode(exportLine{kind, data})
}

func (e *export) writeQuotas(ctx context.Context) error {
	used, err := readUsage(ctx, e.quotas, e.tenant)
	if err != nil {
		return err
	}
	for _, name := range quota.Names() {
		if err := e.write(kindQuota, exportQuota{string(name), used.use(name), used.limit(name)}); err != nil {
			return err
		}
	}
	return nil
}

// writeDevice prints a device with its timeline and its sessions. A device that is deleted
// meanwhile is left out.
func (e *export) writeDevice(ctx context.Context, d store.Device) error {
	found, err := e.devices.Get(ctx, d.Tenant, d.ID)
	if isNotFound(err) {
		return nil
	} else if err != nil {
		return err
	}
	if err := e.write(kindDevice, handlers.DeviceDetailRecord(found)); err != nil {
		return err
	}
	if err := e.writeEvents(ctx, d); err != nil {
		return err
	}
	all := store.All(func(page store.Page) ([]session.Session, string, error) {
		return e.sessions.List(ctx, d.Tenant, session.Filter{DeviceID: d.ID}, page)
	})
	for s, err := range all {
		if err != nil {
			return err
		}
		if err := e.writeSession(ctx, d, s); err != nil {
			return err
		}
	}
	return nil
}

func (e *export) writeEvents(ctx context.Context, d store.Device) error {
	all := store.All(func(page store.Page) ([]session.Event, string, error) { return e.sessions.Timeline(ctx, d, page) })
	for event, err := range all {
		if err != nil {
			return err
		}
		if err := e.write(kindEvent, handlers.EventRecord(event)); err != nil {
			return err
		}
	}
	return nil
}

// writeSession prints a session and its commands. The list of commands has no results and no large
// parameters, so each command is read on its own.
func (e *export) writeSession(ctx context.Context, d store.Device, s session.Session) error {
	if err := e.write(kindSession, handlers.SessionRecord(s)); err != nil {
		return err
	}
	all := store.All(func(page store.Page) ([]queue.Command, string, error) {
		return e.queue.List(ctx, d.Tenant, s.ID, queue.OldestFirst, page)
	})
	for listed, err := range all {
		if isNotFound(err) {
			return nil
		} else if err != nil {
			return err
		}
		if err := e.writeCommand(ctx, d, listed.ID); err != nil && !isNotFound(err) {
			return err
		}
	}
	return nil
}

// writeCommand prints a command, and what its device has reported while it ran it.
func (e *export) writeCommand(ctx context.Context, d store.Device, id string) error {
	found, err := e.queue.GetOwn(ctx, d, id)
	if err != nil {
		return err
	}
	if err := e.write(kindCommand, handlers.CommandRecord(found)); err != nil {
		return err
	}
	reported, err := e.queue.KeptOutput(ctx, d, id)
	if err != nil || reported.ReportedAt.IsZero() {
		return err
	}
	return e.write(kindOutput, exportOutput{id, handlers.OutputRecord(reported)})
}

// isNotFound reports whether a record was deleted before it was read.
func isNotFound(err error) bool {
	switch fieldgate.CodeOf(err) {
	case fieldgate.CodeDeviceNotFound, fieldgate.CodeSessionNotFound, fieldgate.CodeCommandNotFound:
		return true
	}
	return false
}

package realtime

import (
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// The event command.progress is in no stream, because a running command may report progress every
// second, for hours. A wake-up starts the push of what the device has reported last. A client that
// misses an event reads the same over HTTP.

// Progress describes how far a running command is.
type Progress struct {
	SessionID  string
	ReportedAt time.Time
	Data       map[string]any // data of the event, to which the feed adds the ids; not nil
}

// progressEvent is the type of the events of reports.
const progressEvent = "command.progress"

// maxReporting is the maximum number of commands of a tenant of which the progress is pushed at the
// same time. That of further ones is not pushed.
const maxReporting = 1000

// wakeProgress pushes what the device has reported of a command, if a socket is subscribed.
func (h *Hub) wakeProgress(w store.Wake) {
	h.mu.Lock()
	f := h.feeds[w.Tenant]
	h.mu.Unlock()
	if f != nil && h.cfg.Progress != nil {
		f.noteReport(store.Device{Tenant: w.Tenant, ID: w.DeviceID}, w.CommandID)
	}
}

// noteReport starts a goroutine that pushes the progress of a command, unless one runs. That one
// then pushes once more.
func (f *feed) noteReport(d store.Device, command string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, tenant := f.rooms[RoomTenant]; len(f.rooms) == 0 || tenant && len(f.rooms) == 1 {
		return // the room of the tenant gets no progress
	}
	if _, pushing := f.reporting[command]; pushing {
		f.reporting[command] = true
	} else if len(f.reporting) < maxReporting {
		f.reporting[command] = false
		go f.pushReports(d, command)
	}
}

// pushReports pushes the progress of a command at once, and then as long as the device goes on to
// report it, at most once in each interval.
func (f *feed) pushReports(d store.Device, command string) {
	for again := true; again; again = f.isReportedAgain(command) {
		f.pushReport(d, command)
		store.Sleep(f.ctx, f.hub.cfg.ProgressEvery)
	}
}

// isReportedAgain reports whether the device has reported since the last push.
func (f *feed) isReportedAgain(command string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.reporting[command] && f.ctx.Err() == nil {
		f.reporting[command] = false
		return true
	}
	delete(f.reporting, command)
	return false
}

// pushReport pushes the newest report of a command to the rooms of its device and its session.
func (f *feed) pushReport(d store.Device, command string) {
	p, err := f.hub.cfg.Progress(f.ctx, d, command)
	if err != nil {
		if f.ctx.Err() == nil {
			f.hub.log.Warn("reading the progress of a command failed", "tenant", f.tenant, "command", command, "error", err)
		}
		return
	}
	if f.awaitBudget(f.ctx) != nil {
		return
	}
	e := p.event(d, command)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.push(time.Now(), f.sendReport(RoomDevice+e.device, e)+f.sendReport(RoomSession+e.session, e))
}

// event returns the event of a report. It has no position in the stream.
func (p Progress) event(d store.Device, command string) event {
	e := event{kind: progressEvent, device: d.ID, session: p.SessionID, command: command}
	e.frame = eventFrame{Type: progressEvent, Time: fieldgate.At(p.ReportedAt), Data: p.Data}
	e.frame.Actor, e.frame.Details = parseActor(store.ActorDevice(d.ID), "", "")
	e.addIDs()
	return e
}

// sendReport sends the event of a report to the live subscriptions of a room, and returns to how
// many. The offset is that of the event that a subscription has received last, so that it resumes
// after that one. The caller holds f.mu.
func (f *feed) sendReport(room string, e event) (sent int) {
	encoded := map[store.StreamID][]byte{}
	for sub := range f.rooms[room] {
		if !sub.live {
			continue // it gets the next report
		}
		text := encoded[sub.position]
		if text == nil {
			e.frame.Offset = sub.position.String()
			text = e.encode(room)
			encoded[sub.position] = text
		}
		if sub.socket.conn.TrySend(text) {
			sent++
		}
	}
	return sent
}

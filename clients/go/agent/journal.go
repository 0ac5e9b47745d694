package agent

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// A journal records what the agent needs after a crash: the idempotency key of the next claim,
// the started commands, their results, and which results were submitted. The methods begin and
// recordResult return only after the record is on disk.
//
// The journal is a file to which records are appended. The file is rewritten when it has grown.
//
// While the disk is full or read-only, the journal keeps in memory what it cannot write. It writes
// all of that as soon as it can: see repair.
type journal struct {
	log     *slog.Logger
	machine string // identifies the machine that the agent runs on
	reserve reserve
	now     func() time.Time   // the clock by which deadlines pass: see Trust.Now
	guards  func(Command) bool // whether a command must not be forgotten before its deadline; nil if none is

	mu          sync.Mutex
	file        *journalFile
	key         string            // idempotency key of the next claim
	keyStored   bool              // whether key is on disk
	entries     map[string]*entry // by command ID
	order       []string          // command IDs, oldest first
	resultBytes int               // total size of the submitted results, in bytes
	writeErr    error             // error of the last write
	behind      bool              // whether the file lacks entries or changes that are in memory
	forgotten   time.Time         // latest deadline of the guarded entries that were removed: see hasForgotten
	stored      time.Time         // value of forgotten that is on disk
	closed      bool              // whether close was called; the file may then belong to the next run of the agent
}

// An entry is the state of one command. Its JSON is the format on disk.
type entry struct {
	ID        string                   `json:"id"`
	Token     string                   `json:"token"`              // claim token of the newest claim
	Attempt   int                      `json:"attempt,omitempty"`  // attempt of the newest claim
	ClaimedAt time.Time                `json:"claimedAt,omitzero"` // time of the newest claim, by the clock of the gateway
	Type      string                   `json:"type,omitempty"`
	Trace     string                   `json:"traceparent,omitempty"` // traceparent of the newest claim
	Command   *Command                 `json:"again,omitempty"`       // set while a repeatable command runs, so that it can run again
	Continues bool                     `json:"continues,omitempty"`   // whether the command continues after a restart: see Continue
	Note      string                   `json:"note,omitempty"`        // the note of Continue
	Reruns    int                      `json:"repeats,omitempty"`     // number of times the command was started again
	Result    *fieldgate.ResultRequest `json:"outcome,omitempty"`     // nil while the command runs
	Submitted bool                     `json:"over,omitempty"`        // whether the gateway has accepted or refused the result
	Removed   bool                     `json:"gone,omitempty"`        // whether this record removes the entry

	// KeptUntil is the time before which the entry is not removed. Until then, an attacker who controls the
	// gateway could let the device claim the command again, with the approvals that it once had.
	KeptUntil time.Time `json:"keptUntil,omitzero"`
	Deadline  time.Time `json:"deadline,omitzero"` // of the command; zero if the entry is not guarded
}

// newEntry returns the entry of a claimed command.
func newEntry(command Command) entry {
	e := entry{ID: command.ID, Type: command.Type}
	e.claim(command)
	return e
}

// claim stores the newest claim of the command. The result is then submitted under that claim.
func (e *entry) claim(command Command) {
	e.Token, e.Attempt, e.ClaimedAt, e.Submitted = command.ClaimToken, command.Attempt, command.ClaimedAt, false
	e.Trace = command.Traceparent
}

// isOutdated reports whether command is an earlier claim than the newest one, or the same. The
// response to an earlier claim may arrive late. A gateway that lost writes may count attempts again,
// but its clock goes on.
func (e *entry) isOutdated(command Command) bool {
	return command.ClaimToken == e.Token || command.Attempt <= e.Attempt && command.ClaimedAt.Before(e.ClaimedAt)
}

// A record is one line of the journal. Its key replaces the key of earlier records. Its entry
// replaces earlier entries with the same ID.
type record struct {
	Key       string    `json:"key,omitempty"`
	Machine   string    `json:"machine,omitempty"`  // ID of the machine that generated the key
	Forgotten time.Time `json:"forgotten,omitzero"` // the latest one counts
	Entry     *entry    `json:"entry,omitempty"`
}

// openJournal opens the journal at path, locks it and reads the records of earlier runs. It
// ignores an incomplete last record, because the action that the record announces has not
// started. It returns ErrInUse if another agent has the lock. If the file cannot be written,
// openJournal returns a journal whose health is the reason.
func openJournal(path, machine string, lock func(*os.File) error, log *slog.Logger) (*journal, error) {
	j := &journal{log: log, machine: machine, now: time.Now, entries: map[string]*entry{}, reserve: reserve{path: path + ".reserve"}}
	file, records, writeErr, err := openJournalFile(path, lock, log)
	if err != nil {
		return nil, err
	}
	j.file, j.writeErr = file, writeErr
	for _, r := range records {
		if r.Key != "" {
			// Keep the key only on the machine that generated it. If two machines used one key,
			// the gateway would return the same command to both.
			j.key, j.keyStored = r.Key, r.Machine == machine
		}
		if r.Forgotten.After(j.forgotten) {
			j.forgotten, j.stored = r.Forgotten, r.Forgotten
		}
		if r.Entry != nil {
			j.put(*r.Entry)
		}
	}
	j.prune()
	if !j.keyStored || file.damaged {
		// The stored key may be outdated, because the begin record that replaced it may be
		// lost. With an outdated key, the gateway would return the commands of an earlier
		// claim.
		j.key, j.keyStored = rand.Text(), false
	}
	if writeErr == nil {
		j.reserve.fill(log)
	}
	return j, nil
}

func (j *journal) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	j.file.close()
}

// claimKey stores the idempotency key of the next claim on disk, and returns the key. If the
// response to a claim is lost, the claim can be repeated with the same key. After a crash only a
// gateway of an earlier version returns the commands of that claim.
//
// If the key cannot be stored, claimKey returns it nevertheless, because a device with a full disk
// must still be diagnosed and cleaned. After ErrInUse, the agent must not claim.
func (j *journal) claimKey() (string, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.keyStored && j.writeErr == nil {
		return j.key, nil
	}
	if err := j.append(record{Key: j.key, Machine: j.machine}, true); err != nil {
		if errors.Is(err, ErrInUse) || j.closed {
			return "", err
		}
		return j.key, nil
	}
	j.keyStored = true
	j.compact()
	return j.key, nil
}

// renewKey replaces the claim key, so that the next claim is a new one.
func (j *journal) renewKey() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.key, j.keyStored = rand.Text(), false
}

// begin records that a command is about to run. It replaces the claim key if the command was claimed
// with that key. After an error of begin, the command must not run.
func (j *journal) begin(command Command, repeatable, byKey bool) error {
	e := newEntry(command)
	j.guard(&e, command)
	if repeatable {
		e.Command = &command
	}
	return j.beginEntry(e, byKey)
}

// beginRefused is begin for a command that the device refuses. It may be forgotten, because it has not run.
func (j *journal) beginRefused(command Command, _, byKey bool) error {
	return j.beginEntry(newEntry(command), byKey)
}

func (j *journal) beginEntry(e entry, byKey bool) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.appendEntry(&e, byKey); err != nil {
		return err
	}
	j.put(e)
	j.compact()
	return nil
}

// appendEntry writes an entry. With newKey it also replaces the claim key, in the same record. While
// a command that was claimed with a result begins, a claim with the key may be in progress, so
// the key stays.
func (j *journal) appendEntry(e *entry, newKey bool) error {
	if !newKey {
		return j.append(record{Entry: e}, true)
	}
	key := rand.Text()
	err := j.append(record{Key: key, Machine: j.machine, Entry: e}, true)
	if err == nil {
		j.key, j.keyStored = key, true
	}
	return err
}

// beginWithReserve is begin for a command that frees space. If the disk has no space for the
// record, beginWithReserve spends the reserve and tries again.
func (j *journal) beginWithReserve(command Command, repeatable, byKey bool) error {
	err := j.begin(command, repeatable, byKey)
	if err != nil && j.spendReserve() {
		j.log.Warn("removed the reserve to record a command that frees space", "command", command.ID)
		return j.begin(command, repeatable, byKey)
	}
	return err
}

func (j *journal) spendReserve() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.reserve.spend()
}

// hold keeps a command in memory that begin could not record, and replaces the claim key if the
// command was claimed with it. The command is either repeatable or does not run. Its result is
// submitted from memory.
func (j *journal) hold(command Command, repeatable, byKey bool) {
	e := newEntry(command)
	if repeatable {
		j.guard(&e, command)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if byKey {
		j.key, j.keyStored = rand.Text(), false
	}
	j.behind = true
	j.put(e)
}

// repair tries to write what the file lacks, and to fill the reserve. It returns the reason why the
// journal still cannot be written. A healthy file is not written, even if the reserve is missing.
func (j *journal) repair() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.closed:
		return j.writeErr
	case j.writeErr != nil, j.behind:
		if err := j.rewrite(); err != nil {
			j.writeErr = err
			return err
		}
		j.reserve.fill(j.log)
	case j.reserve.isDue():
		j.reserve.fill(j.log)
	}
	return nil
}

// beginRerun records that a command is about to run again. After an error of beginRerun, the
// command must not run.
func (j *journal) beginRerun(id string) error {
	return j.update(id, func(e *entry) { e.Reruns++ })
}

// recordResult records the result of a command. If the record cannot be written, the result is
// kept in memory and submitted from there.
func (j *journal) recordResult(id string, result fieldgate.ResultRequest) error {
	return j.update(id, func(e *entry) {
		result.ClaimToken = ""
		e.Result, e.Command, e.Submitted = &result, nil, false
		e.Continues, e.Note = false, ""
	})
}

// continueAfter records that a command continues after a restart, and returns the entry before that.
// After an error of continueAfter, the command must not restart anything. The number of reruns starts
// at zero, but not again if a RestartHandler continues: it may be what ends the agent.
func (j *journal) continueAfter(command Command, note string) (before entry, err error) {
	before.ID = command.ID
	err = j.update(command.ID, func(e *entry) {
		before = *e
		if !e.Continues {
			e.Reruns = 0
		}
		e.Command, e.Continues, e.Note = &command, true, note
	})
	return before, err
}

// undoContinue undoes continueAfter for a command that does not restart anything. After a write
// error, the change is kept in memory.
func (j *journal) undoContinue(before entry) {
	_ = j.update(before.ID, func(e *entry) {
		e.Command, e.Continues, e.Note, e.Reruns = before.Command, before.Continues, before.Note, before.Reruns
	})
}

// reclaim handles the claim of a command that may already be in the journal. It reports whether
// the journal has the command. If so, reclaim stores the new claim token, and replaces the claim
// key if the command was claimed with it. The result is then submitted with the new token, even if
// it was submitted before. The entry stays as it is if the claim is not newer than the stored one.
// After a write error, the token is kept in memory and the claim key stays.
func (j *journal) reclaim(command Command, byKey bool) (known entry, found bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e, found := j.entries[command.ID]
	if !found {
		return entry{}, false, nil
	}
	changed := *e
	if !changed.isOutdated(command) {
		changed.claim(command)
	} else if !byKey {
		return changed, true, nil
	}
	err = j.appendEntry(&changed, byKey)
	j.put(changed)
	j.compact()
	return changed, true, err
}

// unsubmitted returns the result of a command, with the newest claim token. It returns false if
// there is no result, or if the result was already submitted.
func (j *journal) unsubmitted(id string) (fieldgate.ResultRequest, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e, found := j.entries[id]
	if !found || e.Result == nil || e.Submitted {
		return fieldgate.ResultRequest{}, false
	}
	result := *e.Result
	result.ClaimToken = e.Token
	return result, true
}

// markSubmitted records that the result of a command was submitted with the given claim token.
// It does nothing if the command has a newer token. The record is not synced: if it is lost,
// the result is submitted again, which does no harm.
func (j *journal) markSubmitted(id, token string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e, found := j.entries[id]
	if !found || e.Token != token || e.Result == nil {
		return
	}
	changed := *e
	changed.Submitted = true
	_ = j.append(record{Entry: &changed}, false)
	j.put(changed)
	j.prune()
	j.compact()
}

// remove removes the entry of a command, so that the command runs if it is claimed again.
func (j *journal) remove(id string) error {
	return j.update(id, func(e *entry) { *e = entry{ID: e.ID, Removed: true} })
}

// token returns the newest claim token of a command, or "" if the journal does not have the
// command.
func (j *journal) token(id string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e, found := j.entries[id]; found {
		return e.Token
	}
	return ""
}

// traceparent returns the traceparent of the newest claim of a command, or "".
func (j *journal) traceparent(id string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e, found := j.entries[id]; found {
		return e.Trace
	}
	return ""
}

// list returns all entries, oldest first.
func (j *journal) list() (list []entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, id := range j.order {
		list = append(list, *j.entries[id])
	}
	return list
}

// health returns the error of the last write, or nil if the write succeeded. A missing reserve is no
// error: the disk has space for records, but not for the reserve.
func (j *journal) health() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.writeErr
}

// update applies edit to an entry and records the entry. After a write error, the edited entry
// is kept in memory.
func (j *journal) update(id string, edit func(*entry)) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	e, found := j.entries[id]
	if !found {
		return fmt.Errorf("the journal has no entry for %s", id)
	}
	changed := *e
	edit(&changed)
	err := j.append(record{Entry: &changed}, true)
	j.put(changed)
	j.compact()
	return err
}

// append writes a record. If durable is set, append returns only after the record is on disk.
// After a failed write, the file may lack what is in memory, so the next append first rewrites the
// file. On a disk without space for a second copy, it appends to a file that is sound.
func (j *journal) append(r record, durable bool) error {
	if j.closed {
		return fmt.Errorf("writing the journal: %w", os.ErrClosed)
	}
	if j.writeErr != nil || j.behind {
		if err := j.rewrite(); err != nil && j.file.suspect {
			j.writeErr = err
			return err
		}
	}
	if j.forgotten.After(j.stored) {
		r.Forgotten = j.forgotten // before the record of a command that was forgotten can replace its entry
	}
	j.writeErr = j.file.append(r, durable)
	if (errors.Is(j.writeErr, errRemoved) || errors.Is(j.writeErr, errResized)) && j.rewrite() == nil {
		j.writeErr = j.file.append(r, durable)
	}
	if j.writeErr != nil {
		j.behind = true
		return fmt.Errorf("writing the journal: %w", j.writeErr)
	}
	j.stored = j.forgotten
	return nil
}

// compact rewrites the file if most of its content is obsolete. If rewriting fails, compact
// logs the error and the old file stays in use. Call compact after put, because compact writes
// the entries that are in memory.
func (j *journal) compact() {
	if j.closed || j.writeErr != nil || !j.file.needsRewrite() {
		return
	}
	if err := j.rewrite(); err != nil {
		j.log.Warn("rewriting the journal failed", "error", err)
	}
}

func (j *journal) rewrite() error {
	records := []record{{Key: j.key, Machine: j.machine, Forgotten: j.forgotten}}
	for _, id := range j.order {
		records = append(records, record{Entry: j.entries[id]})
	}
	if err := j.file.rewrite(records); err != nil {
		return fmt.Errorf("rewriting the journal: %w", err)
	}
	j.keyStored, j.stored, j.writeErr, j.behind = true, j.forgotten, nil, false
	return nil
}

// put stores e in memory, or deletes the entry if e.Removed is set.
func (j *journal) put(e entry) {
	if old, found := j.entries[e.ID]; found {
		j.resultBytes -= old.submittedBytes()
		if e.Removed {
			j.drop(e.ID)
			return
		}
	} else if e.Removed {
		return
	} else {
		j.order = append(j.order, e.ID)
	}
	j.entries[e.ID] = &e
	j.resultBytes += e.submittedBytes()
}

func (j *journal) drop(id string) {
	delete(j.entries, id)
	for i, one := range j.order {
		if one == id {
			j.order = append(j.order[:i], j.order[i+1:]...)
			return
		}
	}
}

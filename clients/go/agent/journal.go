package agent

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"sync"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// How much of what is over the journal remembers: enough to answer again when the gateway
// hands out a command that was done here, which happens when it has lost what it had
// acknowledged.
const (
	keepEntries = 256
	keepBytes   = 1 << 20 // of outcomes
)

// A journal is what the agent must know after its death: with which key it claims, which
// commands it has begun, what came of them, and what the gateway has heard of that. Begin
// and finish return when that is on the disk.
//
// It is a file of lines that is only appended to, and now and then written anew.
type journal struct {
	log     *slog.Logger
	machine string // on which this runs

	mu      sync.Mutex
	file    *lines
	key     string            // of the next claim
	stored  bool              // whether the key is on the disk
	entries map[string]*entry // by command id
	order   []string          // ids, the oldest first
	bytes   int               // of outcomes of what is over
	broken  error             // why the last write failed
	closed  bool              // the file is the next life's
}

// An entry is what is known of one command.
type entry struct {
	ID      string                   `json:"id"`
	Token   string                   `json:"token"`
	Type    string                   `json:"type,omitempty"`
	Again   *Command                 `json:"again,omitempty"`   // what to do again after a death
	Repeats int                      `json:"repeats,omitempty"` // how often that was done
	Outcome *fieldgate.ResultRequest `json:"outcome,omitempty"` // nil while it is being done
	Over    bool                     `json:"over,omitempty"`    // the gateway has heard of it
	Gone    bool                     `json:"gone,omitempty"`    // to be forgotten
}

// A record is a line of the journal: it replaces what was said before.
type record struct {
	Key     string `json:"key,omitempty"`
	Machine string `json:"machine,omitempty"` // that claims with this key
	Entry   *entry `json:"entry,omitempty"`
}

// openJournal reads the journal of an earlier life. Lines that were not written to their
// end are left out: what they said had not begun yet.
func openJournal(path, machine string, log *slog.Logger) (*journal, error) {
	j := &journal{log: log, machine: machine, entries: map[string]*entry{}}
	file, records, err := openLines(path, log)
	if err != nil {
		return nil, err
	}
	j.file = file
	for _, r := range records {
		if r.Key != "" {
			// With the key of another machine, the gateway would give both the same command.
			j.key, j.stored = r.Key, r.Machine == machine
		}
		if r.Entry != nil {
			j.put(*r.Entry)
		}
	}
	j.prune()
	if !j.stored || file.damaged {
		// With a key that is too old, the gateway would repeat a claim whose begin is lost.
		j.key, j.stored = rand.Text(), false
	}
	return j, nil
}

func (j *journal) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	j.file.close()
}

// claimKey gives the key of the next claim, which is on the disk: the answer to a claim
// that was lost, or that nobody lived to read, can be asked for again. An error means that
// the journal cannot be written, so nothing should be claimed.
func (j *journal) claimKey() (string, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.stored && j.broken == nil {
		return j.key, nil
	}
	if err := j.append(record{Key: j.key, Machine: j.machine}, true); err != nil {
		return "", err
	}
	j.stored = true
	j.tidy()
	return j.key, nil
}

// renewKey makes the next claim another one.
func (j *journal) renewKey() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.key, j.stored = rand.Text(), false
}

// begin writes down that a command is about to be done, and that the next claim is another
// one. Without that, it must not be done.
func (j *journal) begin(command Command, repeatable bool) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := entry{ID: command.ID, Token: command.ClaimToken, Type: command.Type}
	if repeatable {
		e.Again = &command
	}
	key := rand.Text()
	if err := j.append(record{Key: key, Machine: j.machine, Entry: &e}, true); err != nil {
		return err
	}
	j.key, j.stored = key, true
	j.put(e)
	j.tidy()
	return nil
}

// repeat writes down that a command is about to be done again. Without that, it must not be.
func (j *journal) repeat(id string) error {
	return j.change(id, func(e *entry) { e.Repeats++ })
}

// finish writes down what came of a command. If it cannot be written, it is kept in memory
// and reported all the same.
func (j *journal) finish(id string, outcome fieldgate.ResultRequest) error {
	return j.change(id, func(e *entry) {
		outcome.ClaimToken = ""
		e.Outcome, e.Again, e.Over = &outcome, nil, false
	})
}

// adopt has a command that is known here answer under a newer claim, and tells whether it
// is known. The claim after this one is another one.
func (j *journal) adopt(command Command) (known entry, found bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e, found := j.entries[command.ID]
	if !found {
		return entry{}, false, nil
	}
	changed := *e
	changed.Token, changed.Over = command.ClaimToken, false
	key := rand.Text()
	err = j.append(record{Key: key, Machine: j.machine, Entry: &changed}, true)
	if err == nil {
		j.key, j.stored = key, true
	}
	j.put(changed)
	j.tidy()
	return changed, true, err
}

// unreported gives the outcome of a command that the gateway is still to hear of.
func (j *journal) unreported(id string) (fieldgate.ResultRequest, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e, found := j.entries[id]
	if !found || e.Outcome == nil || e.Over {
		return fieldgate.ResultRequest{}, false
	}
	outcome := *e.Outcome
	outcome.ClaimToken = e.Token
	return outcome, true
}

// settle notes that the gateway has heard of a command under this claim. It need not be on
// the disk: the worst is that the gateway hears of it again.
func (j *journal) settle(id, token string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e, found := j.entries[id]
	if !found || e.Token != token || e.Outcome == nil {
		return
	}
	changed := *e
	changed.Over = true
	_ = j.append(record{Entry: &changed}, false)
	j.put(changed)
	j.prune()
	j.tidy()
}

// forget drops what is known of a command, so that it may be done when it comes again.
func (j *journal) forget(id string) error {
	return j.change(id, func(e *entry) { *e = entry{ID: e.ID, Gone: true} })
}

// token gives the claim under which a command is being done.
func (j *journal) token(id string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e, found := j.entries[id]; found {
		return e.Token
	}
	return ""
}

// all gives what is known, the oldest first.
func (j *journal) all() (known []entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, id := range j.order {
		known = append(known, *j.entries[id])
	}
	return known
}

// health tells why the journal cannot be written, nil if it can.
func (j *journal) health() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.broken
}

// change replaces an entry. In memory it is changed even if the disk does not take it.
func (j *journal) change(id string, edit func(*entry)) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	e, found := j.entries[id]
	if !found {
		return fmt.Errorf("the journal knows no %s", id)
	}
	changed := *e
	edit(&changed)
	err := j.append(record{Entry: &changed}, true)
	j.put(changed)
	j.tidy()
	return err
}

// append writes a line, which is on the disk when this returns if it is to be durable.
// After a failure, nobody knows what became of the end of the file, so that it is written
// anew first.
func (j *journal) append(r record, durable bool) error {
	if j.closed {
		return fmt.Errorf("writing the journal: %w", os.ErrClosed)
	}
	if j.broken != nil {
		if err := j.rewrite(); err != nil {
			j.broken = err
			return err
		}
	}
	j.broken = j.file.append(r, durable)
	if j.broken != nil {
		return fmt.Errorf("writing the journal: %w", j.broken)
	}
	return nil
}

// tidy writes the file anew when most of it is of no use any more. That this fails is no
// harm. It is for after a change, when memory knows what the line said that was appended.
func (j *journal) tidy() {
	if j.closed || j.broken != nil || !j.file.wasteful() {
		return
	}
	if err := j.rewrite(); err != nil {
		j.log.Warn("the journal could not be written anew", "error", err)
	}
}

func (j *journal) rewrite() error {
	records := []record{{Key: j.key, Machine: j.machine}}
	for _, id := range j.order {
		records = append(records, record{Entry: j.entries[id]})
	}
	if err := j.file.rewrite(records); err != nil {
		return fmt.Errorf("writing the journal anew: %w", err)
	}
	j.stored, j.broken = true, nil
	return nil
}

// put makes an entry the one that is known.
func (j *journal) put(e entry) {
	if old, found := j.entries[e.ID]; found {
		j.bytes -= old.size()
		if e.Gone {
			j.drop(e.ID)
			return
		}
	} else if e.Gone {
		return
	} else {
		j.order = append(j.order, e.ID)
	}
	j.entries[e.ID] = &e
	j.bytes += e.size()
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

// prune forgets the oldest of what is over.
func (j *journal) prune() {
	for i := 0; i < len(j.order) && (len(j.order) > keepEntries || j.bytes > keepBytes); {
		id := j.order[i]
		if e := j.entries[id]; e.Over {
			j.bytes -= e.size()
			j.drop(id)
			continue
		}
		i++
	}
}

// size is how much an entry counts towards keepBytes.
func (e *entry) size() int {
	if e.Outcome == nil || !e.Over {
		return 0
	}
	return len(e.Outcome.Output) + len(e.Outcome.Error) + len(e.Outcome.Data)
}

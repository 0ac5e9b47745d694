package faults_test

import (
	"fmt"
	"strings"
	"sync"
	"time"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// history is what the devices and the people were told.
type history struct {
	began time.Time

	mu       sync.Mutex
	lines    []line
	commands map[string]*told           // by command
	nonces   map[string]string          // the command of each proposal that was accepted
	tried    map[string]bool            // all proposals, answered or not
	sessions map[string]*device         // that were opened
	claims   []time.Duration            // how long the calls took that claimed something
	calls    []time.Duration            // how long calls took until their outcome was known
	wrong    []finding                  // answers that nobody should ever get
	unknown  map[client.ProblemCode]int // outcomes after which a call was repeated
}

// line is something that happened, to read after a failure.
type line struct {
	at   time.Duration
	who  string
	what string
}

// told is what was answered about one command.
type told struct {
	device    string
	proposed  bool
	review    bool
	max       int
	decision  *bool              // whether it was approved
	claims    map[string]bool    // tokens that were handed out
	refused   map[string]bool    // outputs that were refused because another result stands
	results   map[string]outcome // accepted, by what they say
	released  map[string]bool    // tokens that were given back
	cancelled bool               // a cancel was answered with that
}

// outcome is what a device reported and the gateway took.
type outcome struct {
	status client.ResultStatus
	output string
}

func newHistory() *history {
	return &history{
		began: time.Now(), commands: map[string]*told{}, nonces: map[string]string{}, tried: map[string]bool{},
		sessions: map[string]*device{}, unknown: map[client.ProblemCode]int{},
	}
}

// note keeps what happened, and lets note it down under the lock.
func (h *history) note(who, what string, keep func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, line{time.Since(h.began), who, what})
	if keep != nil {
		keep()
	}
}

// of gives what was told about a command. The lock must be held.
func (h *history) of(device, id string) *told {
	if h.commands[id] == nil {
		h.commands[id] = &told{device: device, claims: map[string]bool{}, results: map[string]outcome{}, released: map[string]bool{}, refused: map[string]bool{}}
	}
	return h.commands[id]
}

// bad notes an answer that nobody should ever get.
func (h *history) bad(id, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	h.note("", "WRONG "+id+" "+what, func() { h.wrong = append(h.wrong, finding{wrong, id, what}) })
}

// repeats counts an outcome after which a call is made again.
func (h *history) repeats(code client.ProblemCode) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unknown[code]++
}

// about gives the lines that name one of the ids.
func (h *history) about(ids map[string]bool) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var text strings.Builder
	for _, l := range h.lines {
		for id := range ids {
			if id != "" && strings.Contains(l.what, id) {
				fmt.Fprintf(&text, "%8.3f %-22s %s\n", l.at.Seconds(), l.who, l.what)
				break
			}
		}
	}
	return text.String()
}

// took notes how long a call took until its outcome was known.
func (h *history) took(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, d)
}

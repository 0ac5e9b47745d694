package faults_test

import (
	"fmt"
	"strings"
	"sync"
	"time"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// history records the responses that devices and users received.
type history struct {
	began time.Time

	mu         sync.Mutex
	lines      []line
	commands   map[string]*commandHistory // by command id
	nonces     map[string]string          // command ids of accepted proposals, by nonce
	attempted  map[string]bool            // nonces of all proposals, accepted or not
	sessions   map[string]*device         // devices of the opened sessions, by session id
	claims     []time.Duration            // durations of calls that claimed a command
	calls      []time.Duration            // durations until the outcome of a call was known
	violations []finding                  // responses that a client must never get
	retries    map[client.ProblemCode]int // outcomes after which a call was repeated
}

// line is an entry of the history. The history is printed after a failure.
type line struct {
	at     time.Duration
	actor  string
	action string
}

// commandHistory records the responses that clients received about one command.
type commandHistory struct {
	device    string
	proposed  bool
	review    bool
	max       int
	decision  *bool                     // whether the command was approved; nil means that no decision was accepted
	claims    map[string]bool           // claim tokens that the device received
	refused   map[string]bool           // outputs that were refused because another result was accepted
	results   map[string]acceptedResult // accepted results, by status and output
	released  map[string]bool           // tokens of released claims
	cancelled bool                      // whether a response reported the command as cancelled
}

// acceptedResult is a result that the gateway accepted.
type acceptedResult struct {
	status client.ResultStatus
	output string
}

func newHistory() *history {
	return &history{
		began: time.Now(), commands: map[string]*commandHistory{}, nonces: map[string]string{}, attempted: map[string]bool{},
		sessions: map[string]*device{}, retries: map[client.ProblemCode]int{},
	}
}

// record adds a line to the history. It calls the function keep while it
// holds the lock.
func (h *history) record(actor, action string, keep func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, line{time.Since(h.began), actor, action})
	if keep != nil {
		keep()
	}
}

// command returns the history of a command. The lock must be held.
func (h *history) command(device, id string) *commandHistory {
	if h.commands[id] == nil {
		h.commands[id] = &commandHistory{device: device, claims: map[string]bool{}, results: map[string]acceptedResult{}, released: map[string]bool{}, refused: map[string]bool{}}
	}
	return h.commands[id]
}

// recordViolation records a response that no client may get.
func (h *history) recordViolation(id, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	h.record("", "WRONG "+id+" "+what, func() { h.violations = append(h.violations, finding{inconsistent, id, what}) })
}

// countRetry counts an outcome after which a call is repeated.
func (h *history) countRetry(code client.ProblemCode) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.retries[code]++
}

// linesWith returns the lines of the history that contain at least one of the ids.
func (h *history) linesWith(ids map[string]bool) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var text strings.Builder
	for _, l := range h.lines {
		for id := range ids {
			if id != "" && strings.Contains(l.action, id) {
				fmt.Fprintf(&text, "%8.3f %-22s %s\n", l.at.Seconds(), l.actor, l.action)
				break
			}
		}
	}
	return text.String()
}

// recordCall records how long it took until the outcome of a call was known.
func (h *history) recordCall(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, d)
}

package fleet

import (
	"fmt"
	"sync"
	"time"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-load/report"
)

// The kinds of violations.
const (
	violationLost       = "lost"       // an accepted command did not end, or is not known to the gateway
	violationTwice      = "twice"      // a command was claimed while it had a valid lease, or has two results
	violationUnapproved = "unapproved" // a command was claimed before its approval was sent
	violationDifferent  = "different"  // the recorded result is not the one that the device submitted
	violationUnknown    = "unknown"    // a device claimed a command without a proposal of the fleet
)

// ledger keeps what the fleet knows of each command, and compares it with what the gateway says.
// It is safe for concurrent use.
type ledger struct {
	tally *report.Tally

	mu       sync.Mutex
	commands map[string]*entry // by id
	unknown  int               // proposals without a response until the end
	report   report.Ledger
}

// entry holds what the fleet knows of a command. The claim of a device may arrive before the response
// to the proposal.
type entry struct {
	sessionID string // empty until the response to the proposal
	proposer  *tenant
	readySent time.Time // when the request was sent that made the command ready; zero until then
	pending   bool      // it needs an approval
	decided   bool      // the approval was sent

	claims   map[string]time.Time // end of the lease by claim token, at the latest
	claimed  time.Time            // first claim
	returned string               // output of the accepted result
	results  int                  // number of accepted results that are not repetitions
	done     chan struct{}        // closed when a result was accepted
}

func newLedger(tally *report.Tally) *ledger {
	return &ledger{tally: tally, commands: map[string]*entry{}}
}

// at returns the entry of a command. The caller holds l.mu.
func (l *ledger) at(commandID string) *entry {
	e := l.commands[commandID]
	if e == nil {
		e = &entry{claims: map[string]time.Time{}, done: make(chan struct{})}
		l.commands[commandID] = e
	}
	return e
}

// accepted notes the response to a proposal that was sent at a time. It returns a channel that is
// closed when the command has a result.
func (l *ledger) accepted(by *tenant, c client.Command, sent time.Time) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.at(c.ID)
	e.sessionID, e.proposer, e.pending = c.SessionID, by, c.Status == client.CommandStatusPendingApproval
	if e.pending && len(e.claims) > 0 {
		l.report.Violate(violationUnapproved, "command "+c.ID+" was claimed before the proposer knew of it")
	}
	if !e.pending {
		l.ready(e, sent)
	}
	return e.done
}

// deciding notes that the approval of a command is sent now.
func (l *ledger) deciding(commandID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.at(commandID)
	e.decided = true
	l.ready(e, time.Now())
}

// ready notes the request that makes a command ready. The caller holds l.mu.
func (l *ledger) ready(e *entry, sent time.Time) {
	e.readySent = sent
	l.countDelivery(e)
}

// countDelivery counts the time until the first claim, when both ends are known.
func (l *ledger) countDelivery(e *entry) {
	if !e.readySent.IsZero() && !e.claimed.IsZero() {
		l.tally.Add("deliver", e.claimed.Sub(e.readySent), nil)
	}
}

// claimed notes a claim that was sent at a time. The lease ends at the latest that the device can
// know, so that a claim after it is never counted as a violation.
func (l *ledger) claimed(c client.ClaimedCommand, sent time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, now := l.at(c.ID), time.Now()
	if _, repeated := e.claims[c.ClaimToken]; repeated {
		return
	}
	if e.pending && !e.decided {
		l.report.Violate(violationUnapproved, "command "+c.ID+" was claimed before its approval was sent")
	}
	for _, end := range e.claims {
		l.report.Redelivered++
		if now.Before(end) {
			l.report.Violate(violationTwice, fmt.Sprintf("command %s was claimed %s before the end of its lease", c.ID, end.Sub(now)))
		}
	}
	e.claims[c.ClaimToken] = sent.Add(time.Duration(c.LeaseRemainingMs) * time.Millisecond)
	if e.claimed.IsZero() {
		e.claimed = now
		l.countDelivery(e)
	}
}

// returned notes a result that the gateway accepted.
func (l *ledger) returned(commandID, output string, recorded client.RecordedResult) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.at(commandID)
	if e.results > 0 && !recorded.Duplicate {
		l.report.Violate(violationTwice, "two results of command "+commandID+" were accepted")
	}
	if e.results++; e.results == 1 {
		e.returned = output
		close(e.done)
	}
}

// unanswered notes a proposal without a response until the end.
func (l *ledger) unanswered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unknown++
}

// all returns the ids of all commands.
func (l *ledger) all() (ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.commands {
		ids = append(ids, id)
	}
	return ids
}

// proposal returns who has proposed a command and in which session. It returns false if the
// response to the proposal is not known.
func (l *ledger) proposal(commandID string) (by *tenant, sessionID string, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.commands[commandID]
	return e.proposer, e.sessionID, e.proposer != nil
}

// audit compares an accepted command with its record. err is why there is none.
func (l *ledger) audit(commandID string, recorded client.Command, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.commands[commandID]
	l.report.Accepted++
	switch {
	case err != nil:
		l.report.Violate(violationLost, fmt.Sprintf("command %s cannot be read: %v", commandID, err))
		return
	case !isFinal(recorded.Status):
		l.report.Violate(violationLost, fmt.Sprintf("command %s is still %s", commandID, recorded.Status))
	case recorded.Status == client.CommandStatusSucceeded && e.results == 0 && len(e.claims) == 0:
		l.report.Violate(violationDifferent, "command "+commandID+" succeeded, and no device claimed it")
	case e.results > 0 && (recorded.Result == nil || recorded.Status != client.CommandStatusSucceeded || recorded.Result.Output != e.returned):
		l.report.Violate(violationDifferent, fmt.Sprintf("command %s is %s without the output %q of its device", commandID, recorded.Status, e.returned))
	}
	if l.report.Ended == nil {
		l.report.Ended = map[string]int{}
	}
	l.report.Ended[string(recorded.Status)]++
}

// close returns the report after all commands were audited. A claimed command without a known
// proposal is a violation, unless a proposal has had no response.
func (l *ledger) close() report.Ledger {
	l.mu.Lock()
	defer l.mu.Unlock()
	strangers := 0
	for id, e := range l.commands {
		if e.proposer != nil {
			continue
		}
		if strangers++; strangers > l.unknown {
			l.report.Violate(violationUnknown, "command "+id+" was claimed, and nobody proposed it")
		}
	}
	l.report.Unknown = l.unknown
	return l.report
}

// isFinal reports whether a command with this status has ended.
func isFinal(status client.CommandStatus) bool {
	switch status {
	case client.CommandStatusPendingApproval, client.CommandStatusQueued, client.CommandStatusClaimed:
		return false
	}
	return true
}

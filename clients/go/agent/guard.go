package agent

import "time"

// maxDelivery is the maximum time from the proposal of a command to its deadline, as in the contract.
const maxDelivery = 24 * time.Hour

// guard keeps an entry until the deadline of its command if the command must not run again before that. The
// deadline may be wrong, so the entry is kept for maxDelivery from now at most.
func (j *journal) guard(e *entry, command Command) {
	if j.guards == nil || !j.guards(command) {
		return
	}
	e.Deadline, e.KeptUntil = command.DeliverBy, command.DeliverBy.Add(expiryLeeway)
	if latest := j.now().Add(maxDelivery + expiryLeeway); e.KeptUntil.After(latest) {
		e.KeptUntil = latest
	}
}

// mayForget reports whether an entry may be removed. One with a deadline is kept while the clock that counts is
// not known, which is so until a worker has set it.
func (j *journal) mayForget(e *entry) bool {
	return e.KeptUntil.IsZero() || j.guards != nil && j.now().After(e.KeptUntil)
}

// forget removes an entry. Its deadline is kept, because the clock may be set back.
func (j *journal) forget(e *entry) {
	if e.Deadline.After(j.forgotten) {
		j.forgotten = e.Deadline
	}
	j.drop(e.ID)
}

// hasForgotten reports whether a guarded command may be one that ran and that the journal has forgotten. Commands
// with the same or an earlier deadline have expired, whatever the clock says now.
func (j *journal) hasForgotten(command Command) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.guards != nil && j.guards(command) && !command.DeliverBy.After(j.forgotten)
}

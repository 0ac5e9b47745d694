package queue_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
)

// withoutMACs returns a change that also removes the MACs, as a writer may whose gateway has no record
// key of its own.
func withoutMACs(change func(w *watched, id string)) func(w *watched, id string) {
	return func(w *watched, id string) {
		change(w, id)
		w.editState(id, func(state map[string]any) {
			delete(state, "mac")
			if approval, approved := state["approval"].(map[string]any); approved {
				delete(approval, "mac")
			}
		})
	}
}

// TestClaim_WithoutMACStatementIsCompared changes one part of a record whose MACs are gone. The digest
// and the statement are still compared with the rest of the record. A writer who changes all of them
// alike is only noticed with a record key.
func TestClaim_WithoutMACStatementIsCompared(t *testing.T) {
	t.Parallel()
	later := time.Now().Add(24 * 365 * time.Hour)
	changes := map[string]func(w *watched, id string){
		"attempts": setField("max", 9), "deadline": setField("deliver_by", later.UnixMilli()), "priority": setField("priority", 9),
		"proposer": setField("proposer", "user:mallory"), "digest": setField("digest", strings.Repeat("0", 64)),
		"no digest":       func(w *watched, id string) { w.editState(id, func(s map[string]any) { delete(s, "digest") }) },
		"parameters":      editStatement(`example.com`, `evil.example`),
		"stated attempts": withDigest(editStatement(`"maxAttempts":1`, `"maxAttempts":2`)),
		"stated priority": withDigest(editStatement(`"priority":5`, `"priority":6`)),
		"stated deadline": withDigest(editStatement(`"deliverBy":"20`, `"deliverBy":"21`)),
		"stated proposer": withDigest(editStatement(`"id":"`+proposer, `"id":"mallory`)),
		"stated version":  withDigest(editStatement(`"version":1}`, `"version":2}`)),
		"statement of another": func(w *watched, id string) {
			other := w.cancel(w.propose(review))
			w.overwriteField(id+":body", string(other.Statement))
			setField("digest", other.Digest)(w, id)
		},
	}
	eachWatched(t, func(w *watched) {
		for what, change := range changes {
			c := w.propose(review)
			w.approve(c)
			withoutMACs(change)(w, c.ID)
			require.Empty(t, w.claim(), what)
			w.requireSetAside(c.ID, what)
		}
	})
}

// TestClaim_NoStoredFieldChangesWhatRuns changes each stored field of an approved command. The device
// gets what was approved, or nothing.
func TestClaim_NoStoredFieldChangesWhatRuns(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(w *watched) {
		fields := w.state(w.approve(w.propose(review)).ID)
		w.claimOne()
		for name := range fields {
			c := w.approve(w.propose(review))
			w.editState(c.ID, func(state map[string]any) { state[name] = changedValue(state[name]) })
			leases := w.claim()
			w.requireApproved(c, leases, name)
			if len(leases) > 0 {
				w.submitResult(leases[0], queue.Succeeded)
			}
		}
		for _, change := range []string{"", "{}", "x"} {
			c := w.approve(w.propose(review))
			w.overwriteField(c.ID+":body", change)
			require.Empty(t, w.claim(), change)
		}
	}, withRecordKey)
}

// changedValue returns another value of the same type.
func changedValue(value any) any {
	switch value := value.(type) {
	case string:
		return value + "x"
	case json.Number:
		n, _ := value.Int64()
		return n + 1
	case bool:
		return !value
	case map[string]any:
		changed := map[string]any{}
		for name, member := range value {
			changed[name] = changedValue(member)
		}
		return changed
	}
	return nil
}

// requireApproved requires that each lease is on the command as it was approved.
func (w *watched) requireApproved(c queue.Command, leases []queue.Lease, what string) {
	w.t.Helper()
	for _, l := range leases {
		require.Equal(w.t, []any{c.ID, c.Statement, c.Parameters, c.MaxAttempts, c.DeliverBy, c.Priority, c.UserID, c.Digest},
			[]any{l.ID, l.Statement, l.Parameters, l.MaxAttempts, l.DeliverBy, l.Priority, l.UserID, l.Digest}, what)
	}
}

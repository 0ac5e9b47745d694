package queue_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
)

func TestDecide_SetsChangedRecordAside(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(w *watched) {
		for what, tamper := range tamperings() {
			if what == "no JSON" {
				continue // such a command cannot be read, and so not decided on
			}
			bad := w.propose(review)
			tamper(w, bad.ID)
			d := w.decision(bad, true)
			for range 2 {
				_, err := w.queue.Decide(t.Context(), d)
				requireRefusal(t, err, fieldgate.CodeDigestMismatch)
			}
			require.Len(t, w.violations(), 1, "%s: one alarm for both decisions", what)
			require.Empty(t, w.claim(), what)
			require.Equal(t, 1, w.entriesOf(bad.ID), what)
			for _, pending := range w.pending() {
				require.NotEqual(t, bad.ID, pending.ID, what)
			}
			require.Equal(t, queue.Cancelled, w.cancel(bad).Status, what)
		}
	})
}

// entriesOf returns the number of a command's entries in the quarantine.
func (w *watched) entriesOf(id string) (n int) {
	for _, member := range w.quarantined() {
		if member == w.dueMember(id) {
			n++
		}
	}
	return n
}

// TestDecide_SetsRecordAsideThatScriptsReadOtherwise writes another deadline for the script of the decision than
// encoding/json reads. A claim reads the record as a script has written it, so that only the decision meets both.
func TestDecide_SetsRecordAsideThatScriptsReadOtherwise(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(w *watched) {
		bad := w.propose(review)
		before := w.state(bad.ID)["deliver_by"]
		setField("deliver_by", time.Now().Add(24*365*time.Hour).UnixMilli())(w, bad.ID)
		w.appendField(bad.ID, "Deliver_By", before)
		_, err := w.queue.Decide(t.Context(), w.decision(bad, true))
		requireRefusal(t, err, fieldgate.CodeDigestMismatch)
		w.requireSetAside(bad.ID, "another deadline")
	}, withRecordKey)
}

// TestDecide_PlantedMarkHidesNothing marks a changed command as quarantined, although it is not.
func TestDecide_PlantedMarkHidesNothing(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(w *watched) {
		bad := w.propose(review)
		setParameters(`{"host":"evil.example"}`)(w, bad.ID)
		w.overwriteField(bad.ID+":aside", "1")
		_, err := w.queue.Decide(t.Context(), w.decision(bad, true))
		requireRefusal(t, err, fieldgate.CodeDigestMismatch)
		w.requireSetAside(bad.ID, "a planted mark")
	})
}

package agent

import fieldgate "github.com/fieldgate/fieldgate/clients/go"

// Bounds of the journal. Above a bound, the journal removes the oldest submitted entries. It
// keeps the others because a gateway that lost acknowledged writes may let the device claim a
// finished command again. It also keeps, without their output, entries that are guarded: see
// entry.KeptUntil.
const (
	maxEntries     = 256
	maxResultBytes = 1 << 20 // maximum total size of the submitted results, in bytes
)

// prune removes the oldest submitted entries until the journal is within its bounds. Of those that must be
// kept, it removes the output.
func (j *journal) prune() {
	for i := 0; i < len(j.order) && (len(j.order) > maxEntries || j.resultBytes > maxResultBytes); {
		id := j.order[i]
		e := j.entries[id]
		if e.Submitted {
			j.resultBytes -= e.submittedBytes()
		}
		switch {
		case e.Submitted && j.mayForget(e):
			j.forget(e)
			continue
		case e.Submitted && e.Result != nil:
			e.Result = &fieldgate.ResultRequest{Status: e.Result.Status, ExecutedAt: e.Result.ExecutedAt, DurationMs: e.Result.DurationMs}
		}
		i++
	}
}

// submittedBytes returns the size of the result of an entry in bytes, if the result was
// submitted, and otherwise zero. The journal limits the total of these sizes to maxResultBytes.
func (e *entry) submittedBytes() int {
	if e.Result == nil || !e.Submitted {
		return 0
	}
	return len(e.Result.Output) + len(e.Result.Error) + len(e.Result.Data)
}

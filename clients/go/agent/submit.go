package agent

import (
	"context"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// submitResult submits the recorded result of a command in the background. It repeats the call
// until the gateway has accepted or refused the result.
func (w *worker) submitResult(base context.Context, id string) {
	w.addPendingResults(+1)
	w.submitting.Go(func() {
		defer w.addPendingResults(-1)
		for base.Err() == nil {
			result, pending := w.journal.unsubmitted(id)
			if !pending {
				return
			}
			w.submit(base, id, result)
		}
	})
}

// submit submits a result under one claim. It repeats the call until the gateway has accepted
// or refused the result. A refused result counts as submitted but stays in the journal: if the
// command is claimed again, the result is submitted again. If the gateway refuses the result as
// invalid, submit replaces the result in the journal with a failure.
func (w *worker) submit(base context.Context, id string, result fieldgate.ResultRequest) {
	var recorded fieldgate.RecordedResult
	err := w.retry(base, "submitting a result", func(api deviceAPI) (err error) {
		recorded, err = api.SubmitResult(base, id, result)
		return err
	})
	switch code := fieldgate.CodeOf(err); {
	case err == nil:
		w.log.Info("submitted the result", "command", id, "status", recorded.Status, "late", recorded.Late, "duplicate", recorded.Duplicate)
	case !isPermanent(err):
		return // the agent is shutting down, and the result stays in the journal
	case isInvalidRequest(code) && !isReplacement(result):
		w.log.Error("replacing a result that the gateway finds invalid", "command", id, "error", err)
		_ = w.journal.recordResult(id, replacement(result, err))
		return
	default:
		w.log.Warn("dropping a result that the gateway refuses", "command", id, "error", err)
	}
	w.journal.markSubmitted(id, result.ClaimToken)
}

// isInvalidRequest reports whether code means that the content of a request is invalid.
func isInvalidRequest(code fieldgate.ProblemCode) bool {
	return code == fieldgate.CodeValidationFailed || code == fieldgate.CodeBodyTooLarge
}

func (w *worker) addPendingResults(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending += n
}

// pendingResults returns the number of results that wait for submission.
func (w *worker) pendingResults() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pending
}

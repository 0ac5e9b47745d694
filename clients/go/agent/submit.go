package agent

import (
	"context"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// submitResult submits the recorded result of a command in the background. It repeats the call
// until the gateway has accepted or refused the result.
func (w *worker) submitResult(base context.Context, id string) { w.submit(base, id, &slot{worker: w}) }

// submit is submitResult, and runs the command that the result claims in the slot s.
func (w *worker) submit(base context.Context, id string, s *slot) {
	w.addPendingResults(+1)
	w.submitting.Go(func() {
		defer w.addPendingResults(-1)
		defer s.release()
		for base.Err() == nil {
			result, pending := w.journal.unsubmitted(id)
			if !pending {
				return
			}
			w.submitOnce(base, id, result, s)
		}
	})
}

// submitOnce submits a result under one claim. It repeats the call until the gateway has accepted
// or refused the result. A refused result counts as submitted but stays in the journal: if the
// command is claimed again, the result is submitted again. If the gateway refuses the result as
// invalid, submitOnce changes the result in the journal.
func (w *worker) submitOnce(base context.Context, id string, result fieldgate.ResultRequest, s *slot) {
	var recorded fieldgate.RecordedResult
	err := w.retry(base, "submitting a result", func(api deviceAPI) (err error) {
		if recorded, err = api.SubmitResult(base, id, result); err != nil {
			s.release() // the result may take long, and another command may run meanwhile
		}
		return err
	})
	switch code := fieldgate.CodeOf(err); {
	case err == nil:
		w.log.Info("submitted the result", "command", id, "status", recorded.Status, "late", recorded.Late, "duplicate", recorded.Duplicate)
		// The next command is recorded first. If the agent dies in between, it submits the result
		// again and gets the same command.
		w.startNext(base, recorded.Commands, s)
	case !isPermanent(err):
		return // the agent is shutting down, and the result stays in the journal
	case isInvalidRequest(code) && result.Next:
		w.submitWithoutNext(id, result)
		return
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

package agent

import (
	"context"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// submitResult submits the recorded result of a command in the background, and keeps its lease
// meanwhile. It repeats the call until the gateway has accepted or refused the result.
func (w *worker) submitResult(base context.Context, id string) {
	w.addPendingResults(+1)
	w.submitting.Go(func() {
		defer w.addPendingResults(-1)
		ctx, stop := context.WithCancel(base)
		defer stop()
		w.submitting.Go(func() { w.keepResultLease(ctx, id) })
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
	recorded, err := w.sendResult(base, id, result)
	switch {
	case err == nil:
		w.log.Info("submitted the result", "command", id, "status", recorded.Status, "late", recorded.Late, "duplicate", recorded.Duplicate)
	case !isPermanent(err), isAboutSize(err):
		return // the agent is shutting down, and the result stays in the journal
	case isInvalidRequest(fieldgate.CodeOf(err)) && !isReplacement(result):
		w.log.Error("replacing a result that the gateway finds invalid", "command", id, "error", err)
		_ = w.journal.recordResult(id, replacement(result, err))
		return
	default:
		w.log.Warn("dropping a result that the gateway refuses", "command", id, "error", err)
	}
	w.journal.markSubmitted(id, result.ClaimToken)
}

// sendResult repeats the call until the gateway has accepted the result, has refused its
// content, or base ends. It shrinks the result while the link carries only smaller requests.
func (w *worker) sendResult(base context.Context, id string, result fieldgate.ResultRequest) (fieldgate.RecordedResult, error) {
	s := submission{full: result, limit: w.uploads.currentLimit()}
	for delay := (backoff{}); ; {
		changed := w.uplink.changes()
		recorded, err := w.sendOnce(base, id, s.content())
		if err == nil || isPermanent(err) && !isAboutSize(err) {
			return recorded, err
		}
		if base.Err() == nil {
			w.log.Warn("submitting a result failed, trying again", "command", id, "bytes", sizeOf(s.content()), "error", err)
		}
		if w.shrink(base, id, &s, err) {
			delay = backoff{}
		}
		if !w.pause(base, delay.delay(err), changed) {
			return recorded, err
		}
	}
}

// sendOnce makes one attempt to submit a result. A large one first waits for its turn.
func (w *worker) sendOnce(ctx context.Context, id string, result fieldgate.ResultRequest) (fieldgate.RecordedResult, error) {
	defer w.uploads.acquire(ctx, sizeOf(result))()
	api, _ := w.uplink.current()
	return api.SubmitResult(ctx, id, result)
}

// shrink counts a failed attempt and reports whether it shrank the submission. An extension of
// the lease shows whether small requests get through. If they do not, the size is not the reason.
func (w *worker) shrink(ctx context.Context, id string, s *submission, failure error) bool {
	if ctx.Err() != nil || !s.isShrinkable() {
		return false
	}
	if err := w.extend(ctx, id, w.config.Lease); err != nil && fieldgate.CodeOf(err) == "" {
		s.refused = 0
		return false
	}
	if !s.fail(failure) {
		return false
	}
	w.uploads.setLimit(s.limit)
	w.log.Error("submitting less of a result, because the link does not carry all of it",
		"command", id, "bytes", sizeOf(s.full), "maxBytes", s.limit, "error", failure)
	return true
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

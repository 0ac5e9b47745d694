package agent

import (
	"context"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// submitResult submits the recorded result of a command in the background, and keeps its lease
// meanwhile. It repeats the call until the gateway has accepted or refused the result.
func (w *worker) submitResult(base context.Context, id string) {
	w.submit(base, id, &slot{worker: w, asked: true})
}

// submit is submitResult, and runs the command that the result claims in the slot s. If a goroutine
// submits the result already, that one also submits it under a newer claim.
func (w *worker) submit(base context.Context, id string, s *slot) {
	if !w.beginSubmission(id) {
		s.release()
		return
	}
	w.submitting.Go(func() {
		defer s.release()
		ctx, stop := context.WithCancel(base)
		defer stop()
		w.submitting.Go(func() { w.keepResultLease(ctx, id) })
		for {
			requests := w.submissionRequests(id)
			result, pending := w.journal.unsubmitted(id)
			switch {
			case pending && base.Err() == nil:
				w.submitOnce(base, id, result, s)
			case w.endSubmission(id, requests):
				return
			}
		}
	})
}

// beginSubmission counts a request to submit the result of a command. It reports whether the caller
// must submit it, because no goroutine does so.
func (w *worker) beginSubmission(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.submissions[id]++
	return w.submissions[id] == 1
}

// submissionRequests returns how often the submission was requested that is in progress.
func (w *worker) submissionRequests(id string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.submissions[id]
}

// endSubmission ends a submission unless it was requested again since there were the given number
// of requests. It reports whether the submission has ended.
func (w *worker) endSubmission(id string, requests int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.submissions[id] != requests {
		return false
	}
	delete(w.submissions, id)
	return true
}

// submitOnce submits a result under one claim. It repeats the call until the gateway has accepted
// or refused the result. A refused result counts as submitted but stays in the journal: if the
// command is claimed again, the result is submitted again. If the gateway refuses the result as
// invalid, submitOnce changes the result in the journal.
func (w *worker) submitOnce(base context.Context, id string, result fieldgate.ResultRequest, s *slot) {
	recorded, err := w.sendResult(base, id, result, s)
	switch code := fieldgate.CodeOf(err); {
	case err == nil:
		w.log.Info("submitted the result", "command", id, "status", recorded.Status, "late", recorded.Late, "duplicate", recorded.Duplicate)
		// The next command is recorded first. If the agent dies in between, it submits the result
		// again and gets the same command.
		w.startNext(base, recorded.Commands, s)
	case !isPermanent(err), isAboutSize(err) && base.Err() != nil:
		return // the agent is shutting down, and the result stays in the journal
	case result.Next && isAboutNext(err):
		s.release()
		w.submitWithoutNext(id, result)
		return
	case isInvalidRequest(code) && !isReplacement(result):
		s.release()
		w.log.Error("replacing a result that the gateway finds invalid", "command", id, "error", err)
		_ = w.journal.recordResult(id, replacement(result, err))
		return
	case code == fieldgate.CodeCommandFinished:
		w.log.Error("dropping a result of a command that has ended with another one: another machine may use the identity of this device", "command", id, "error", err)
	default:
		w.log.Warn("dropping a result that the gateway refuses", "command", id, "error", err)
	}
	w.journal.markSubmitted(id, result.ClaimToken)
}

// sendResult repeats the call until the gateway has accepted the result, has refused its
// content, or base ends. It shrinks the result while the link carries only smaller requests. After a
// failed attempt it frees the slot: the result may take long, and another command may run meanwhile.
func (w *worker) sendResult(base context.Context, id string, result fieldgate.ResultRequest, s *slot) (fieldgate.RecordedResult, error) {
	sent := submission{full: result, limit: noLimit}
	for delay := (backoff{}); ; {
		changed := w.uplink.changes()
		sent.limit = min(sent.limit, w.uploads.currentLimit()) // another result may have found one meanwhile
		request := s.request(sent.content())
		recorded, err := w.sendOnce(base, id, request)
		if err == nil && sent.learned {
			w.uploads.setLimit(sent.limit)
		}
		if err == nil || isPermanent(err) && !isAboutSize(err) {
			return recorded, err
		}
		if sent.giveUp(err) {
			return recorded, err
		}
		s.noteFailure(request, err)
		s.release()
		if base.Err() == nil {
			w.log.Warn("submitting a result failed, trying again", "command", id, "bytes", sizeOf(sent.content()), "error", err)
		}
		if w.shrink(base, id, &sent, err) {
			delay = backoff{}
		}
		if !w.pause(base, delay.delay(err), changed) {
			return recorded, err
		}
	}
}

// sendOnce submits a result once. A large one first waits for its turn.
func (w *worker) sendOnce(ctx context.Context, id string, result fieldgate.ResultRequest) (fieldgate.RecordedResult, error) {
	defer w.uploads.acquire(ctx, sizeOf(result))()
	api, _ := w.uplink.current()
	return api.SubmitResult(w.withTrace(ctx, id), id, result)
}

// withTrace returns a context whose calls belong to the trace of a command.
func (w *worker) withTrace(ctx context.Context, id string) context.Context {
	if trace := w.journal.traceparent(id); trace != "" {
		return fieldgate.ContextWithTraceparent(ctx, trace)
	}
	return ctx
}

// shrink counts a failed attempt and reports whether it shrank the submission. An extension of
// the lease shows whether small requests get through. If they do not, the size is not the reason.
func (w *worker) shrink(ctx context.Context, id string, s *submission, failure error) bool {
	if ctx.Err() != nil || !s.isShrinkable() {
		return false
	}
	if err := w.extend(ctx, id, w.resultExtension()); err != nil && fieldgate.CodeOf(err) == "" {
		s.refused = 0
		return false
	}
	if !s.fail(failure) {
		return false
	}
	w.log.Error("submitting less of a result, because the link does not carry all of it",
		"command", id, "bytes", sizeOf(s.full), "maxBytes", s.limit, "error", failure)
	return true
}

// isInvalidRequest reports whether code means that the content of a request is invalid.
func isInvalidRequest(code fieldgate.ProblemCode) bool {
	return code == fieldgate.CodeValidationFailed || code == fieldgate.CodeBodyTooLarge
}

// pendingResults returns the number of results that wait for submission.
func (w *worker) pendingResults() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.submissions)
}

package agent

import (
	"context"
	"errors"
	"net/http"
	"slices"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// A result may claim the next command in the same call. The journal keeps that request with the
// result. A result that is submitted again, even after a crash, therefore gets the same command.

// A slot is the right to run a command, while a result is submitted. Only the goroutine that
// submits the result uses it.
type slot struct {
	worker *worker
	held   bool
	asked  bool // whether an earlier attempt may have claimed the next command, whose ID is not known
}

// request returns result as it is to be sent now. During a shutdown it does not claim a command. A
// result that may have claimed one already asks again, so that the command can be released.
func (s *slot) request(result fieldgate.ResultRequest) fieldgate.ResultRequest {
	if result.Next && !s.asked && !s.worker.isClaiming() {
		result.Next, result.VisibilityTimeoutMs = false, 0
	}
	return result
}

// noteFailure records that an attempt to submit result has failed with err. The gateway has done
// nothing only if it has refused the request.
func (s *slot) noteFailure(result fieldgate.ResultRequest, err error) {
	var refused *fieldgate.APIError
	isRefused := errors.As(err, &refused) && refused.Code != "" && refused.Status < http.StatusInternalServerError
	s.asked = s.asked || result.Next && !isRefused
}

// acquire acquires the slot if it is not held, and reports whether it is held then. It does not
// wait.
func (s *slot) acquire() bool {
	if s.held {
		return true
	}
	select {
	case s.worker.slots <- struct{}{}:
		s.held = true
	default:
	}
	return s.held
}

// release frees the slot if it is held.
func (s *slot) release() {
	if s.held {
		s.held = false
		s.worker.releaseSlot()
	}
}

// wantsNext reports whether the result of a command should claim the next one. A command must not
// be claimed while the journal cannot record it. A large result may be on its way for long, in which
// the slot would be idle.
func (w *worker) wantsNext(result fieldgate.ResultRequest) bool {
	if sizeOf(result) > largeUpload || w.journal.health() != nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.claiming && !w.nextRefused && len(w.submissions) < maxPendingResults
}

// setClaiming sets whether results may claim and start commands.
func (w *worker) setClaiming(claiming bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.claiming = claiming
}

// isClaiming reports whether results may claim and start commands.
func (w *worker) isClaiming() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.claiming
}

// enter counts a command that is about to start among those that a shutdown waits for. It returns
// false if the shutdown has begun. Otherwise the caller must call w.handling.Done.
func (w *worker) enter() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.claiming {
		w.handling.Add(1)
	}
	return w.claiming
}

// startNext starts the commands that a result has claimed, in the slot s. It releases a command
// that cannot start now. A result that was submitted again may return a command that is already
// running: that command needs no slot, and must not be released.
func (w *worker) startNext(base context.Context, commands []Command, s *slot) {
	for _, command := range commands {
		switch {
		case w.isKnown(base, command):
		case !w.enter():
			w.release(base, command, "the device is shutting down")
		case !s.acquire():
			w.handling.Done()
			w.release(base, command, "the device is busy")
		default:
			s.held = false // accept takes the slot over
			if err := w.accept(base, command, false); err != nil {
				w.log.Warn("the next command has not started", "command", command.ID, "error", err)
			}
			w.handling.Done()
		}
	}
}

// isKnown reports whether a command that a result has claimed is already in the journal. If so,
// isKnown stores the claim.
func (w *worker) isKnown(base context.Context, command Command) bool {
	w.admission.Lock()
	defer w.admission.Unlock()
	found, err := w.reclaim(base, command, false)
	if err != nil {
		w.log.Warn("writing the journal failed", "command", command.ID, "error", err)
	}
	return found
}

// isAboutNext reports whether err says that a result must not claim the next command. A gateway of an
// earlier version finds an unknown field in the body, and names no field.
func isAboutNext(err error) bool {
	var refused *fieldgate.APIError
	if !errors.As(err, &refused) || refused.Code != fieldgate.CodeValidationFailed {
		return false
	}
	return slices.ContainsFunc(refused.Errors, func(wrong fieldgate.FieldError) bool {
		switch wrong.Pointer {
		case "/next", "/visibilityTimeoutMs":
			return true
		}
		return wrong.Pointer == "" && wrong.Keyword == "additionalProperties"
	})
}

// submitWithoutNext records a result without the request to claim, so that submit repeats it in that
// form. A gateway of an earlier version does not know that request and finds it invalid. Later results do not claim either, until the
// agent starts again.
func (w *worker) submitWithoutNext(id string, result fieldgate.ResultRequest) {
	w.mu.Lock()
	w.nextRefused = true
	w.mu.Unlock()
	result.Next, result.VisibilityTimeoutMs = false, 0
	_ = w.journal.recordResult(id, result)
}

package agent

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// A job is a command whose handler is running.
type job struct {
	command Command
	ctx     context.Context // parent of the context that the handler receives
	cancel  context.CancelCauseFunc
	start   time.Time // wall-clock time with a monotonic reading

	restart  atomic.Int64 // time.Duration of the restart that the handler has announced; zero if none
	restarts bool         // whether the command continues after the end of the agent
}

// handlerFor returns the handler for commandType, or a handler that refuses the command.
func (w *worker) handlerFor(commandType string) registered {
	r, found := w.handlers[commandType]
	switch {
	case !found:
		return refuse(CodeUnknownType, "this device has no handler for this type of command; use another type or update its firmware")
	case w.hasOrphan(commandType):
		return refuse(CodeStuck, "an earlier command of this type did not stop and is still running; try again after it has ended")
	}
	return r
}

// refuse returns a handler that fails each command with the given code and reason.
func refuse(code, reason string) registered {
	return registered{refuses: true, timeout: DefaultTimeout, handler: func(context.Context, Command) (Result, error) {
		return Result{}, Fail(code, "%s", reason)
	}}
}

// record records that a command is about to run with handler r, and returns the handler to run.
// If the journal cannot be written, a repeatable command runs nevertheless. Another command must
// not run unrecorded, so record returns a handler that refuses it. byKey reports whether the command
// was claimed with the claim key.
func (w *worker) record(command Command, r registered, byKey bool) registered {
	begin := w.journal.begin
	switch {
	case r.refuses:
		begin = w.journal.beginRefused
	case r.freesSpace:
		begin = w.journal.beginWithReserve
	}
	err := begin(command, r.repeatable, byKey)
	if err == nil {
		return r
	}
	w.journal.hold(command, r.repeatable, byKey)
	if r.repeatable {
		w.log.Warn("writing the journal failed, running a repeatable command unrecorded", "command", command.ID, "error", err)
		return r
	}
	w.log.Error("writing the journal failed, refusing the command", "command", command.ID, "error", err)
	return refuse(CodeUnrecorded, "the device cannot write its journal, so the command did not start; free space on its disk, or make the disk writable")
}

// start runs a command that the journal has recorded. It takes over the slot that the caller has
// acquired, and returns immediately. The slot is freed when the command has ended. If the result
// claims the next command, the slot is kept for that command.
func (w *worker) start(base context.Context, command Command, r registered) {
	j := &job{command: command, start: time.Now()}
	j.ctx, j.cancel = context.WithCancelCause(fieldgate.ContextWithTraceparent(base, command.Traceparent))
	w.mu.Lock()
	w.jobs[command.ID] = j
	w.mu.Unlock()
	w.handling.Go(func() {
		leased, stopExtending := context.WithCancel(base)
		extending := sync.WaitGroup{}
		extending.Go(func() { w.keepLease(leased, j) })
		result, report := w.execute(base, j, r)
		stopExtending()
		extending.Wait()
		if !w.finish(base, j, r, result, report) {
			w.releaseSlot()
		}
	})
}

// finish records the result of a job and submits it. If the shutdown stopped a repeatable job,
// finish releases the command instead, so that it can run again. It calls report in any case. It reports
// whether the submission has taken over the slot of the job.
func (w *worker) finish(base context.Context, j *job, r registered, result fieldgate.ResultRequest, report func()) (keepsSlot bool) {
	defer report()
	w.mu.Lock()
	delete(w.jobs, j.command.ID)
	w.mu.Unlock()
	if w.isClosed() || j.restarts {
		return false
	}
	if errors.Is(context.Cause(j.ctx), ErrShutdown) && result.Status != fieldgate.ResultStatusSucceeded {
		switch {
		case r.continues:
			return false // the next start calls the RestartHandler again
		case r.repeatable:
			w.releaseJob(base, j)
			return false
		}
	}
	if w.wantsNext(result) {
		result.Next, result.VisibilityTimeoutMs = true, int(w.config.Lease.Milliseconds())
	}
	if err := w.journal.recordResult(j.command.ID, result); err != nil {
		w.log.Error("recording a result failed, submitting it from memory", "command", j.command.ID, "error", err)
	}
	w.log.Info("finished", "command", j.command.ID, "status", result.Status, "durationMs", result.DurationMs)
	report()
	w.submit(base, j.command.ID, &slot{worker: w, held: result.Next})
	return result.Next
}

// releaseJob releases the claim of a job, and removes its command from the journal, so that the
// command can run again.
func (w *worker) releaseJob(base context.Context, j *job) {
	command := j.command
	command.ClaimToken = w.journal.token(command.ID)
	if err := w.journal.remove(command.ID); err != nil {
		w.log.Warn("writing the journal failed", "error", err)
	}
	w.release(base, command, "the device is shutting down")
}

// cancel ends the context of a command with a CancelError. It does nothing if the command is
// not running.
func (w *worker) cancel(commandID, reason string) {
	w.mu.Lock()
	j := w.jobs[commandID]
	w.mu.Unlock()
	if j != nil {
		j.cancel(&CancelError{Reason: reason})
	}
}

// cancelAll ends the contexts of all running commands.
func (w *worker) cancelAll(cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, j := range w.jobs {
		j.cancel(cause)
	}
}

// wallClock returns t in UTC, truncated to milliseconds. If the year is before 1970 or after
// 9999, it returns the zero time, because the clock of the device must be wrong.
func wallClock(t time.Time) time.Time {
	t = t.UTC().Truncate(time.Millisecond)
	if year := t.Year(); year < 1970 || year > 9999 {
		return time.Time{}
	}
	return t
}

package agent

import (
	"context"
	"errors"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// A RestartHandler reports how a command ended whose work includes a restart. note is the one that
// the handler of the command passed to Continue before the restart. The handler checks whether the
// restart has done what it should, and returns the result of the command.
type RestartHandler func(ctx context.Context, command Command, note string) (Result, error)

// AfterRestart declares that commands of this type may restart the device or the agent: their
// handler calls [Continue] before it does. When the agent has started again, it calls after, and
// submits its result as that of the command. The handler itself does not run again. If after is
// interrupted, it is called again, up to three times. If a call cannot be recorded on disk, the
// command fails with [CodeInterrupted] instead.
func AfterRestart(after RestartHandler) HandlerOption {
	return func(r *registered) { r.after = after }
}

// maxRestart is the maximum time for a restart. It is the maximum lease.
const maxRestart = maxLease

// restartDelay limits the time between the failure of a handler that has called Continue and the
// end of the agent. A service manager ends the programs of the handler together with the agent.
const restartDelay = 2 * time.Second

// Continue records that the command whose handler has the context ctx restarts the device or the
// agent now. The handler then starts the restart and returns, or waits until it is killed. If
// Continue returns an error, the handler must not restart anything: the agent could not continue.
//
// The restart may take up to within, at most an hour. The lease of the command is extended by that
// time. If the agent does not end in that time, the command fails with [CodeNotRestarted]. It ends
// sooner if a user cancels it or the claim is lost. note is passed to the RestartHandler, for example
// the version before an update. It is stored on disk in plain text.
func Continue(ctx context.Context, within time.Duration, note string) error {
	record, found := ctx.Value(continueKey{}).(func(time.Duration, string) error)
	switch {
	case !found:
		return errors.New("agent: Continue needs the context of a handler of a type with AfterRestart")
	case within < time.Second || within > maxRestart:
		return errors.New("agent: a restart may take from a second to an hour")
	}
	return record(within, note)
}

// continueKey is the key of the function in the context of a handler that records a restart.
type continueKey struct{}

// withContinue returns a context in which the handler of j may call Continue, if r allows that.
func (w *worker) withContinue(ctx context.Context, j *job, r registered) context.Context {
	if r.after == nil {
		return ctx
	}
	return context.WithValue(ctx, continueKey{}, func(within time.Duration, note string) error {
		before, err := w.journal.continueAfter(j.command, note)
		announced := j.restart.Load()
		if err == nil {
			j.restart.Store(int64(within))
			err = w.extend(ctx, j.command.ID, w.extensionOf(j))
		}
		if err != nil { // the handler does not restart anything
			j.restart.Store(announced)
			w.journal.undoContinue(before)
		}
		return err
	})
}

// awaitRestart waits for the end of the agent, after the handler of j has called Continue and
// returned result. It reports whether the agent ends: the command then continues after the
// restart. Otherwise awaitRestart returns the result to submit. If the context of j ends first, for
// example because a user cancels the command, awaitRestart waits for restartDelay only.
func (w *worker) awaitRestart(j *job, result fieldgate.ResultRequest) (_ fieldgate.ResultRequest, restarts bool) {
	wait, ended := restartDelay, (<-chan struct{})(nil)
	if result.Status == fieldgate.ResultStatusSucceeded {
		wait, ended = time.Duration(j.restart.Load()), j.ctx.Done()
		result = fieldgate.ResultRequest{
			Status: fieldgate.ResultStatusFailed, Output: result.Output, Data: withCode(nil, CodeNotRestarted),
			Error: "the command should restart the device or the agent, but neither restarted in time",
		}
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-w.stopping:
		return result, true
	case <-timer.C:
		return result, false
	case <-ended:
		timer.Reset(restartDelay)
	}
	select {
	case <-w.stopping:
		return result, true
	case <-timer.C:
		return stoppedResult(j.ctx, result), false
	}
}

// stoppedResult returns the result of a command that has announced a restart, and whose context ended
// before the restart.
func stoppedResult(ctx context.Context, result fieldgate.ResultRequest) fieldgate.ResultRequest {
	status, code, reason := classifyError(ctx, context.Cause(ctx))
	result.Status, result.Data, result.Error = status, withCode(nil, code), reason
	return result
}

// resumeAfterRestart runs, in the background, the RestartHandler of a command that has restarted
// the device or the agent. The lease may have ended meanwhile: the result is then submitted late.
func (w *worker) resumeAfterRestart(ctx, base context.Context, e entry) {
	w.handling.Go(func() {
		if !w.acquireSlot(ctx) {
			return
		}
		if err := w.journal.beginRerun(e.ID); err != nil {
			w.releaseSlot()
			w.reportInterrupted(base, e.ID)
			return
		}
		w.log.Info("continuing a command after the restart", "command", e.ID)
		r, note := w.handlers[e.Type], e.Note
		r.continues, r.resumed = true, true
		r.handler = func(ctx context.Context, command Command) (Result, error) { return r.after(ctx, command, note) }
		command := *e.Command
		command.LeaseRemainingMs = 0 // not known after the restart: the first extension is sent at once
		w.start(base, command, r)
	})
}

package agent

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// execute runs handler r for job j and returns the result to submit. The caller must call report,
// which reports the last progress, after it has recorded the result and before it submits it: a report
// may take seconds, and a result that is not recorded yet would be lost in a power cut. base is the
// context of reports.
func (w *worker) execute(base context.Context, j *job, r registered) (result fieldgate.ResultRequest, report func()) {
	defer j.cancel(nil)
	ctx, cancel := context.WithTimeoutCause(j.ctx, r.timeout, ErrTimeout)
	defer cancel()
	if !r.refuses {
		w.log.Info("running", "command", j.command.ID, "type", j.command.Type, "attempt", j.command.Attempt, "requestId", j.command.RequestID)
	}
	results := make(chan fieldgate.ResultRequest, 1)
	reporting, reports := w.withReporter(ctx, base, j, r.resumed)
	go w.callHandler(w.withContinue(reporting, j, r), r.handler, j.command, results)
	result = w.awaitResult(ctx, j, results)
	report = sync.OnceFunc(reports.close)
	if j.restart.Load() != 0 {
		report()
		result, j.restarts = w.awaitRestart(j, result)
	}
	result.ExecutedAt, result.DurationMs = wallClock(j.start), time.Since(j.start).Milliseconds()
	return result, report
}

// awaitResult waits for the result of a handler. If the handler still runs when Config.Grace
// has passed since the end of its context, awaitResult abandons the handler. During a shutdown
// it keeps waiting, because shutdown limits the wait and the agent's next run resumes the
// command.
func (w *worker) awaitResult(ctx context.Context, j *job, results <-chan fieldgate.ResultRequest) fieldgate.ResultRequest {
	select {
	case result := <-results:
		return result
	case <-ctx.Done():
	}
	grace := time.NewTimer(w.config.Grace)
	defer grace.Stop()
	select {
	case result := <-results:
		return result
	case <-grace.C:
	}
	if cause := context.Cause(ctx); errors.Is(cause, ErrShutdown) || errors.Is(cause, context.Canceled) {
		return <-results
	}
	return w.abandon(ctx, j, results)
}

// abandon returns a failure for a handler that ignores the end of its context. The result that
// the handler returns later is dropped. Until the handler returns, commands of the same type
// are refused. Otherwise they would run beside the handler or queue up behind it.
func (w *worker) abandon(ctx context.Context, j *job, results <-chan fieldgate.ResultRequest) fieldgate.ResultRequest {
	id, commandType, cause := j.command.ID, j.command.Type, context.Cause(ctx)
	w.log.Error("abandoned a handler that does not stop", "command", id, "type", commandType, "cause", cause)
	w.addOrphan(commandType, +1)
	go func() {
		<-results
		w.addOrphan(commandType, -1)
		w.log.Warn("an abandoned handler has returned", "command", id, "type", commandType)
	}()
	code := CodeInterrupted
	if errors.Is(cause, ErrTimeout) {
		code = CodeTimeout
	}
	return newResult(ctx, Result{}, Fail(code, "%v; the handler did not stop, and may still be running", cause))
}

func (w *worker) addOrphan(commandType string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.orphans[commandType] += n
}

// hasOrphan reports whether an abandoned handler for commandType is still running.
func (w *worker) hasOrphan(commandType string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.orphans[commandType] > 0
}

// callHandler calls handler and sends its result to results. It also sends a result if handler
// panics or calls runtime.Goexit. The result is encoded under the same recover, because the
// encoder calls methods of types that the handler defines.
func (w *worker) callHandler(ctx context.Context, handler Handler, command Command, results chan<- fieldgate.ResultRequest) {
	result := newResult(ctx, Result{}, Fail(CodePanic, "the handler ended its goroutine"))
	defer func() { results <- result }()
	defer func() {
		if fault := recover(); fault != nil {
			w.log.Error("recovered from a panic of a handler", "type", command.Type, "command", command.ID, "panic", fmt.Sprint(fault), "stack", string(debug.Stack()))
			result = newResult(ctx, Result{}, Fail(CodePanic, "the handler panicked: %v", fault))
		}
	}()
	returned, err := handler(ctx, command)
	result = newResult(ctx, returned, err)
}

package agent

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// do has the handler called, and gives what came of it.
func (s *shift) do(j *job, r registered) fieldgate.ResultRequest {
	defer j.stop(nil)
	ctx, cancel := context.WithTimeoutCause(j.ctx, r.timeout, ErrTimeout)
	defer cancel()
	s.log.Info("doing", "commandId", j.command.ID, "type", j.command.Type, "attempt", j.command.Attempt, "requestId", j.command.RequestID)
	outcomes := make(chan fieldgate.ResultRequest, 1)
	go s.call(ctx, r.handler, j.command, outcomes)
	outcome := <-outcomes
	outcome.ExecutedAt, outcome.DurationMs = wallClock(j.began), time.Since(j.began).Milliseconds()
	return outcome
}

// call gives an outcome whatever the handler does: return, panic, or end its goroutine.
// Writing the result calls the handler's own methods, so that is within the same fence.
func (s *shift) call(ctx context.Context, handler Handler, command Command, outcomes chan<- fieldgate.ResultRequest) {
	outcome := outcomeOf(ctx, Result{}, Fail(CodePanic, "the handler ended its goroutine"))
	defer func() { outcomes <- outcome }()
	defer func() {
		if fault := recover(); fault != nil {
			s.log.Error("a handler panicked", "type", command.Type, "commandId", command.ID, "panic", fmt.Sprint(fault), "stack", string(debug.Stack()))
			outcome = outcomeOf(ctx, Result{}, Fail(CodePanic, "the handler panicked: %v", fault))
		}
	}()
	result, err := handler(ctx, command)
	outcome = outcomeOf(ctx, result, err)
}

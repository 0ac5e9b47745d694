package agent

import (
	"context"
	"errors"
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
	outcome := s.outcome(ctx, j, outcomes)
	outcome.ExecutedAt, outcome.DurationMs = wallClock(j.began), time.Since(j.began).Milliseconds()
	return outcome
}

// outcome waits for the outcome of a handler. One that goes on after its context has ended
// has a grace, and is then given up. At the end of the agent it never is: that is for
// wrapUp, and what is left for the next life.
func (s *shift) outcome(ctx context.Context, j *job, outcomes <-chan fieldgate.ResultRequest) fieldgate.ResultRequest {
	select {
	case outcome := <-outcomes:
		return outcome
	case <-ctx.Done():
	}
	late := time.NewTimer(s.config.Grace)
	defer late.Stop()
	select {
	case outcome := <-outcomes:
		return outcome
	case <-late.C:
	}
	if cause := context.Cause(ctx); errors.Is(cause, ErrShutdown) || errors.Is(cause, context.Canceled) {
		return <-outcomes
	}
	return s.abandon(ctx, j, outcomes)
}

// abandon gives a handler up: what it gives later is dropped. Until then, commands of its
// type are refused, so that they neither meet it nor pile up behind it.
func (s *shift) abandon(ctx context.Context, j *job, outcomes <-chan fieldgate.ResultRequest) fieldgate.ResultRequest {
	id, commandType, cause := j.command.ID, j.command.Type, context.Cause(ctx)
	s.log.Error("a handler does not stop and is given up", "commandId", id, "type", commandType, "why", cause)
	s.stray(commandType, +1)
	go func() {
		<-outcomes
		s.stray(commandType, -1)
		s.log.Warn("a handler that was given up has returned", "commandId", id, "type", commandType)
	}()
	code := CodeInterrupted
	if errors.Is(cause, ErrTimeout) {
		code = CodeTimeout
	}
	return outcomeOf(ctx, Result{}, Fail(code, "%v; the handler did not stop, and may still be at work", cause))
}

func (s *shift) stray(commandType string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.strays[commandType] += n
}

// astray tells whether a handler for a type was given up and is still running.
func (s *shift) astray(commandType string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.strays[commandType] > 0
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

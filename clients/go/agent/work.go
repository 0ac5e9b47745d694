package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// A job is a command that is being done.
type job struct {
	command Command
	ctx     context.Context // of the handler
	stop    context.CancelCauseFunc
	began   time.Time // by both clocks
}

// handler gives who does the commands of a type.
func (s *shift) handler(commandType string) registered {
	r, found := s.handlers[commandType]
	switch {
	case !found:
		return refusing(CodeUnknownType, "this device knows no such type of command")
	case s.astray(commandType):
		return refusing(CodeStuck, "an earlier command of this type did not stop when it should have, and is still running")
	}
	return r
}

func refusing(code, reason string) registered {
	return registered{timeout: DefaultTimeout, handler: func(context.Context, Command) (Result, error) {
		return Result{}, Fail(code, "%s", reason)
	}}
}

// perform does a command that the journal knows, in a slot that is held for it.
func (s *shift) perform(life context.Context, command Command, r registered) {
	j := &job{command: command, began: time.Now()}
	j.ctx, j.stop = context.WithCancelCause(life)
	s.mu.Lock()
	s.jobs[command.ID] = j
	s.mu.Unlock()
	s.handling.Go(func() {
		defer s.freeSlot()
		leased, done := context.WithCancel(life)
		keeping := sync.WaitGroup{}
		keeping.Go(func() { s.keep(leased, j) })
		outcome := s.do(j, r)
		done()
		keeping.Wait()
		s.finish(life, j, r, outcome)
	})
}

// finish writes down what came of a command, and reports it.
func (s *shift) finish(life context.Context, j *job, r registered, outcome fieldgate.ResultRequest) {
	s.mu.Lock()
	delete(s.jobs, j.command.ID)
	s.mu.Unlock()
	if s.hasEnded() {
		return
	}
	if r.repeatable && errors.Is(context.Cause(j.ctx), ErrShutdown) && outcome.Status != fieldgate.ResultStatusSucceeded {
		s.leave(life, j)
		return
	}
	if err := s.journal.finish(j.command.ID, outcome); err != nil {
		s.log.Error("the outcome is reported, but could not be written down", "commandId", j.command.ID, "error", err)
	}
	s.log.Info("done", "commandId", j.command.ID, "status", outcome.Status, "durationMs", outcome.DurationMs)
	s.report(life, j.command.ID)
}

// leave gives a repeatable command back that was stopped by the shutdown.
func (s *shift) leave(life context.Context, j *job) {
	command := j.command
	command.ClaimToken = s.journal.token(command.ID)
	if err := s.journal.forget(command.ID); err != nil {
		s.log.Warn("the journal cannot be written", "error", err)
	}
	s.giveBack(life, command, "the device is shutting down")
}

// cancel stops a command because somebody wants that.
func (s *shift) cancel(commandID, reason string) {
	s.mu.Lock()
	j := s.jobs[commandID]
	s.mu.Unlock()
	if j != nil {
		j.stop(&CancelError{Reason: reason})
	}
}

func (s *shift) stopAll(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.jobs {
		j.stop(cause)
	}
}

// wallClock is what a device without a clock shows: nothing rather than nonsense.
func wallClock(t time.Time) time.Time {
	t = t.UTC().Truncate(time.Millisecond)
	if year := t.Year(); year < 1970 || year > 9999 {
		return time.Time{}
	}
	return t
}

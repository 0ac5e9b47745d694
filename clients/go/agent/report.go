package agent

import (
	"context"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// report tells the gateway what came of a command, for as long as that takes.
func (s *shift) report(life context.Context, id string) {
	s.await(+1)
	s.reporting.Go(func() {
		defer s.await(-1)
		for life.Err() == nil {
			outcome, waiting := s.journal.unreported(id)
			if !waiting {
				return
			}
			s.submit(life, id, outcome)
		}
	})
}

// submit reports one outcome under one claim. A refusal ends it as well: what was refused
// is kept, and answers should the command come again.
func (s *shift) submit(life context.Context, id string, outcome fieldgate.ResultRequest) {
	var recorded fieldgate.RecordedResult
	err := s.insist(life, "reporting", func(way calls) (err error) {
		recorded, err = way.SubmitResult(life, id, outcome)
		return err
	})
	switch code := fieldgate.CodeOf(err); {
	case err == nil:
		s.log.Info("reported", "commandId", id, "status", recorded.Status, "late", recorded.Late, "duplicate", recorded.Duplicate)
	case !settled(err):
		return // the agent ends; the outcome is kept
	case unfit(code) && !standsIn(outcome):
		s.log.Error("the gateway does not take a result", "commandId", id, "error", err)
		_ = s.journal.finish(id, unreportable(outcome, err))
		return
	default:
		s.log.Warn("the gateway does not want a result any more", "commandId", id, "error", err)
	}
	s.journal.settle(id, outcome.ClaimToken)
}

// unfit tells whether it is the result itself that was refused.
func unfit(code fieldgate.ProblemCode) bool {
	return code == fieldgate.CodeValidationFailed || code == fieldgate.CodeBodyTooLarge
}

func (s *shift) await(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting += n
}

// backlog is how many outcomes the gateway is still to hear of.
func (s *shift) backlog() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}

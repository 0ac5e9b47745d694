package agent

import (
	"context"
	"errors"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// maxRepeats is how often a repeatable command is done again: one that has killed the agent
// that often would do so for ever.
const maxRepeats = 3

// resume takes up what an earlier life has left: outcomes are reported, what was begun is
// reported as interrupted, and what may be repeated is done again.
func (s *shift) resume(ctx, life context.Context) {
	for _, left := range s.journal.all() {
		switch {
		case left.Over:
		case left.Outcome != nil:
			s.report(life, left.ID)
		case left.Again != nil && left.Repeats < maxRepeats && s.handlers[left.Type].repeatable:
			s.repeat(ctx, life, left)
		default:
			s.interrupt(life, left.ID)
		}
	}
}

// interrupt reports that nobody knows how far a command got.
func (s *shift) interrupt(life context.Context, id string) {
	s.log.Warn("a command was being done when the agent ended", "commandId", id)
	if err := s.journal.finish(id, interrupted()); err != nil {
		s.log.Error("the journal cannot be written", "error", err)
	}
	s.report(life, id)
}

// repeat does a command again, if its claim still stands.
func (s *shift) repeat(ctx, life context.Context, left entry) {
	s.handling.Go(func() {
		if !s.takeSlot(ctx) {
			return
		}
		lease, err := s.reclaim(ctx, left.ID)
		if err == nil {
			s.doAgain(life, left, lease)
			return
		}
		s.freeSlot()
		if settled(err) {
			s.giveUp(life, left.ID, err)
		}
	})
}

// doAgain does a command again that is claimed, in a slot that is held for it.
func (s *shift) doAgain(life context.Context, left entry, lease fieldgate.Lease) {
	if err := s.journal.repeat(left.ID); err != nil {
		s.freeSlot()
		s.interrupt(life, left.ID)
		return
	}
	s.log.Info("doing a command again that the end of the agent has interrupted", "commandId", left.ID)
	command := *left.Again
	command.LeaseRemainingMs = lease.LeaseRemainingMs
	s.perform(life, command, s.handler(left.Type))
}

// reclaim extends the lease of a command under its newest claim.
func (s *shift) reclaim(ctx context.Context, id string) (lease fieldgate.Lease, err error) {
	for {
		token := s.journal.token(id)
		err = s.insist(ctx, "extending a lease", func(way calls) (err error) {
			lease, err = way.Extend(ctx, id, fieldgate.ExtendRequest{
				ClaimToken: token, ExtensionMs: int(s.config.Lease.Milliseconds()),
			})
			return err
		})
		if err == nil || s.journal.token(id) == token {
			return lease, err
		}
	}
}

// giveUp deals with a repeatable command whose claim is gone. Where it can still come
// again it is forgotten, so that it is done then.
func (s *shift) giveUp(life context.Context, id string, err error) {
	var refused *fieldgate.APIError
	if errors.As(err, &refused) && refused.Code == fieldgate.CodeClaimExpired && refused.Command.Status == fieldgate.CommandStatusTimedOut {
		s.interrupt(life, id)
		return
	}
	if err := s.journal.forget(id); err != nil {
		s.log.Error("the journal cannot be written", "error", err)
	}
}

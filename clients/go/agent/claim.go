package agent

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// claimAll takes on work until the context ends, as long as there is a slot for it.
func (s *shift) claimAll(ctx, life context.Context) {
	for wait := (backoff{}); s.takeSlot(ctx); {
		asked := time.Now()
		command, found, err := s.claim(ctx, life)
		switch {
		case err != nil:
			s.freeSlot()
			if ctx.Err() == nil {
				s.log.Warn("claiming failed, trying again", "error", err)
			}
			wait.pause(ctx, err)
			continue
		case !found:
			s.freeSlot()
			s.idle(ctx, asked)
		case ctx.Err() != nil:
			s.freeSlot()
			s.giveBack(life, command, "the device is shutting down")
		default:
			if err := s.take(life, command); err != nil {
				wait.pause(ctx, err)
				continue
			}
		}
		wait = backoff{}
	}
}

// takeSlot waits until another command may be begun.
func (s *shift) takeSlot(ctx context.Context) bool {
	for ctx.Err() == nil {
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return false
		}
		if s.backlog() < maxUnreported {
			return true
		}
		s.freeSlot()
		pause(ctx, time.Second)
	}
	return false
}

func (s *shift) freeSlot() { <-s.slots }

// claim asks for one command. Over HTTP the gateway waits for one; over a socket it tells
// when there is one. The key makes sure that a claim whose answer was lost is not another
// claim, also after a death.
func (s *shift) claim(ctx, life context.Context) (command Command, found bool, err error) {
	key, err := s.journal.claimKey()
	if err != nil {
		return Command{}, false, err
	}
	way, pushes := s.uplink.now()
	request := fieldgate.ClaimRequest{Limit: 1, VisibilityTimeoutMs: int(s.config.Lease.Milliseconds())}
	if pushes {
		var done context.CancelFunc
		ctx, done = outliving(ctx, life) // the answer is near, and aborting would not undo the claim
		defer done()
	} else {
		request.WaitMs = int(s.config.PollWait.Milliseconds())
	}
	commands, err := way.Claim(ctx, request, fieldgate.WithIdempotencyKey(key))
	if fieldgate.CodeOf(err) == fieldgate.CodeIdempotencyKeyReused {
		s.journal.renewKey() // the lease was configured anew
	}
	if err != nil || len(commands) == 0 {
		return Command{}, false, err
	}
	if commands[0].ID == "" || commands[0].ClaimToken == "" {
		return Command{}, false, errors.New("the command that was handed out has no id or no token")
	}
	return commands[0], true, nil
}

// outliving gives a context that ends a while after the first one.
func outliving(ctx, life context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(life)
	unhook := context.AfterFunc(ctx, func() { time.AfterFunc(lastAnswer, cancel) })
	return longer, func() {
		unhook()
		cancel()
	}
}

// lastAnswer is how long a claim over the socket may go on when the agent is to end.
const lastAnswer = 2 * time.Second

// emptyPause is the least time between two claims over HTTP that found nothing, half of it
// at random: not every gateway, proxy or configuration lets them wait.
const emptyPause = 2 * time.Second

// idle waits until there may be work, after a claim that found none.
func (s *shift) idle(ctx context.Context, asked time.Time) {
	if _, pushes := s.uplink.now(); !pushes {
		pause(ctx, emptyPause-rand.N(emptyPause/2)-time.Since(asked))
		return
	}
	timer := time.NewTimer(lookAfter)
	defer timer.Stop()
	select {
	case <-s.wake:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// take begins the work on a command, in the slot that is held for it. An error means that
// the journal did not take it, so the command goes back: it must not run without a trace.
func (s *shift) take(life context.Context, command Command) error {
	known, found, err := s.journal.adopt(command)
	if found {
		s.freeSlot()
		s.meetAgain(life, known)
		return err
	}
	r := s.handler(command.Type)
	if err := s.journal.begin(command, r.repeatable); err != nil {
		s.freeSlot()
		s.log.Error("the journal cannot be written, so nothing is done", "error", err)
		s.giveBack(life, command, "the device cannot write its journal")
		return err
	}
	s.perform(life, command, r)
	return nil
}

// meetAgain deals with a command that this device has begun before: it is not done a second
// time, but answers under the newest claim.
func (s *shift) meetAgain(life context.Context, known entry) {
	s.log.Info("a command came that was here before", "commandId", known.ID, "done", known.Outcome != nil)
	if known.Outcome != nil {
		s.report(life, known.ID)
	}
}

// giveBack releases a command that was not begun.
func (s *shift) giveBack(life context.Context, command Command, reason string) {
	s.reporting.Go(func() {
		err := s.insist(life, "releasing", func(way calls) error {
			_, err := way.Release(life, command.ID, fieldgate.ReleaseRequest{ClaimToken: command.ClaimToken, Reason: reason})
			return err
		})
		s.log.Warn("released", "commandId", command.ID, "reason", reason, "error", err)
	})
}

package agent

import (
	"context"
	"math/rand/v2"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// keep extends the lease of a job until the context ends. All of its times are counted by
// the clock that never jumps.
func (s *shift) keep(ctx context.Context, j *job) {
	every := s.config.Lease / 3
	wait := s.remaining(j.command) / 3
	for failures := 0; pause(ctx, wait-rand.N(wait/10+1)); {
		err := s.extend(ctx, j)
		switch code := fieldgate.CodeOf(err); {
		case err == nil:
			wait, failures = every, 0
		case code == fieldgate.CodeClaimExpired:
			wait = every // the result may still count, and the claim may come anew
		case settled(err):
			j.stop(ErrClaimLost)
			return
		default:
			s.log.Warn("extending a lease failed, trying again", "commandId", j.command.ID, "error", err)
			wait = min(every, backoffBase<<min(failures, 8))
			failures++
		}
	}
}

// remaining is how long a lease lasts that was just given: never longer than what was
// asked for, whatever the answer says.
func (s *shift) remaining(command Command) time.Duration {
	asked := s.config.Lease.Milliseconds()
	return time.Duration(min(max(int64(command.LeaseRemainingMs), 0), asked)) * time.Millisecond
}

// extend extends the lease once, under the newest claim.
func (s *shift) extend(ctx context.Context, j *job) error {
	for {
		token := s.journal.token(j.command.ID)
		ctx, cancel := context.WithTimeout(ctx, s.config.Lease/3)
		way, _ := s.uplink.now()
		lease, err := way.Extend(ctx, j.command.ID, fieldgate.ExtendRequest{
			ClaimToken: token, ExtensionMs: int(s.config.Lease.Milliseconds()),
		})
		cancel()
		if err == nil && lease.CancelRequested {
			s.cancel(j.command.ID, "")
		}
		if err == nil || s.journal.token(j.command.ID) == token {
			return err
		}
	}
}

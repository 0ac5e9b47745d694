package agent

import (
	"context"
	"math/rand/v2"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// keepLease keeps extending the lease of a job until ctx ends, each time after a third of the
// lease. It measures time with the monotonic clock. If the gateway refuses the claim
// permanently, keepLease cancels the job with ErrClaimLost.
func (w *worker) keepLease(ctx context.Context, j *job) {
	interval := w.config.Lease / 3
	wait := w.remainingLease(j.command) / 3
	for failures := 0; sleep(ctx, wait-rand.N(wait/10+1)); {
		err := w.extend(ctx, j)
		switch code := fieldgate.CodeOf(err); {
		case err == nil:
			wait, failures = interval, 0
		case code == fieldgate.CodeClaimExpired:
			wait = interval // keep trying: the gateway may still accept the result, and the command may be claimed again
		case isPermanent(err):
			j.cancel(ErrClaimLost)
			return
		default:
			w.log.Warn("extending a lease failed, trying again", "command", j.command.ID, "error", err)
			wait = min(interval, backoffBase<<min(failures, 8))
			failures++
		}
	}
}

// remainingLease returns the remaining time of a lease that has just begun. It limits the
// gateway's value to the range from zero to the requested lease.
func (w *worker) remainingLease(command Command) time.Duration {
	requested := w.config.Lease.Milliseconds()
	return time.Duration(min(max(int64(command.LeaseRemainingMs), 0), requested)) * time.Millisecond
}

// extend extends the lease of a job once. If the command was claimed again meanwhile, extend
// repeats the call with the newer claim token.
func (w *worker) extend(ctx context.Context, j *job) error {
	for {
		token := w.journal.token(j.command.ID)
		ctx, cancel := context.WithTimeout(ctx, w.config.Lease/3)
		api, _ := w.uplink.current()
		extension := max(w.config.Lease, time.Duration(j.restart.Load()))
		lease, err := api.Extend(ctx, j.command.ID, fieldgate.ExtendRequest{
			ClaimToken: token, ExtensionMs: int(extension.Milliseconds()),
		})
		cancel()
		if err == nil && lease.CancelRequested {
			w.cancel(j.command.ID, "")
		}
		if err == nil || w.journal.token(j.command.ID) == token {
			return err
		}
	}
}

package agent

import (
	"context"
	"math/rand/v2"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// minResultLease is the minimum extension of a lease whose command has ended. It is long,
// because many results may wait for a slow link, and because nothing runs whose end the gateway
// would have to notice.
const minResultLease = 10 * time.Minute

// keepLease keeps extending the lease of a job until ctx ends, each time after a third of the
// lease. It measures time with the monotonic clock. If the gateway refuses the claim
// permanently, keepLease cancels the job with ErrClaimLost.
func (w *worker) keepLease(ctx context.Context, j *job) {
	interval := w.config.Lease / 3
	wait := w.remainingLease(j.command) / 3
	for failures := 0; sleep(ctx, wait-rand.N(wait/10+1)); {
		err := w.extend(ctx, j.command.ID, w.extensionOf(j))
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
			wait = min(interval, max(backoffBase<<min(failures, 8), retryAfter(err)))
			failures++
		}
	}
}

// extensionOf returns by how much the lease of a job is extended. It covers a restart that the
// handler has announced.
func (w *worker) extensionOf(j *job) time.Duration {
	return max(w.config.Lease, time.Duration(j.restart.Load()))
}

// resultExtension returns by how much the lease of a command that has ended is extended. Each
// extension of such a lease must be that long, because a shorter one would shorten the lease.
func (w *worker) resultExtension() time.Duration { return max(w.config.Lease, minResultLease) }

// keepResultLease keeps extending the lease of a command whose result is being submitted, until
// ctx ends. Otherwise the gateway would queue the command again while its result is on its way. The
// first extension is soon, because the last one may be a third of a lease ago. After a permanent
// refusal, keepResultLease waits for a newer claim of the command.
func (w *worker) keepResultLease(ctx context.Context, id string) {
	extension, delay, refused := w.resultExtension(), backoff{}, ""
	for wait := w.config.Lease / 6; sleep(ctx, wait-rand.N(wait/10+1)); {
		token := w.journal.token(id)
		if token == refused {
			continue
		}
		err := w.extend(ctx, id, extension)
		switch {
		case err == nil:
			wait, delay = extension/3, backoff{}
		case isPermanent(err):
			wait, refused = w.config.Lease/6, token
		default:
			wait = delay.delay(err)
		}
	}
}

// remainingLease returns the remaining time of a lease that has just begun. It limits the
// gateway's value to the range from zero to the requested lease.
func (w *worker) remainingLease(command Command) time.Duration {
	requested := w.config.Lease.Milliseconds()
	return time.Duration(min(max(int64(command.LeaseRemainingMs), 0), requested)) * time.Millisecond
}

// extend extends the lease of a command once. If the command was claimed again meanwhile, extend
// repeats the call with the newer claim token.
func (w *worker) extend(ctx context.Context, id string, extension time.Duration) error {
	for {
		token := w.journal.token(id)
		ctx, cancel := context.WithTimeout(ctx, w.config.Lease/3)
		api, _ := w.uplink.current()
		lease, err := api.Extend(ctx, id, fieldgate.ExtendRequest{
			ClaimToken: token, ExtensionMs: int(extension.Milliseconds()),
		})
		cancel()
		if err == nil && lease.CancelRequested {
			w.cancel(id, "")
		}
		if err == nil || w.journal.token(id) == token {
			return err
		}
	}
}

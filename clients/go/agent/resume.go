package agent

import (
	"context"
	"errors"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// maxReruns is the maximum number of reruns of an interrupted repeatable command. It is bounded
// because the command itself may crash the agent.
const maxReruns = 3

// resume handles the commands that an earlier run of the agent has left in the journal. It submits
// the recorded results, runs the repeatable commands again, and continues those that have restarted
// the device. It reports the other commands as interrupted.
func (w *worker) resume(ctx, base context.Context) {
	for _, e := range w.journal.list() {
		switch {
		case e.Submitted:
		case e.Result != nil:
			w.resubmit(base, e)
		case e.Continues && e.Command != nil && e.Reruns < maxReruns && w.handlers[e.Type].after != nil:
			w.resumeAfterRestart(ctx, base, e)
		case !e.Continues && e.Command != nil && e.Reruns < maxReruns && w.handlers[e.Type].repeatable:
			w.rerun(ctx, base, e)
		default:
			w.reportInterrupted(base, e.ID)
		}
	}
}

// resubmit submits a result that an earlier run has recorded. If the result claims a command, which
// the earlier run may have got and lost, resubmit keeps a slot for it.
func (w *worker) resubmit(base context.Context, e entry) {
	s := &slot{worker: w, asked: true}
	if e.Result.Next {
		s.acquire()
	}
	w.submit(base, e.ID, s)
}

// reportInterrupted submits a CodeInterrupted failure for a command whose progress is not
// known.
func (w *worker) reportInterrupted(base context.Context, id string) {
	w.log.Warn("found a command that the end of the agent interrupted", "command", id)
	if err := w.journal.recordResult(id, interruptedResult()); err != nil {
		w.log.Error("writing the journal failed", "error", err)
	}
	w.submitResult(base, id)
}

// rerun runs an interrupted command again in the background, if its claim is still valid.
func (w *worker) rerun(ctx, base context.Context, e entry) {
	w.handling.Go(func() {
		if !w.acquireSlot(ctx) {
			return
		}
		lease, err := w.confirmClaim(ctx, e.ID)
		if err == nil {
			w.startRerun(base, e, lease)
			return
		}
		w.releaseSlot()
		if isPermanent(err) {
			w.handleLostClaim(base, e.ID, err)
		}
	})
}

// startRerun starts an interrupted command again. It uses the slot that the caller has
// acquired.
func (w *worker) startRerun(base context.Context, e entry, lease fieldgate.Lease) {
	if err := w.journal.beginRerun(e.ID); err != nil {
		w.releaseSlot()
		w.reportInterrupted(base, e.ID)
		return
	}
	w.log.Info("running an interrupted command again", "command", e.ID)
	command, r := *e.Command, w.handlerFor(e.Type)
	command.LeaseRemainingMs, r.resumed = lease.LeaseRemainingMs, true
	w.start(base, command, r)
}

// confirmClaim extends the lease of a command under the newest claim, and returns the lease. It
// returns an error if the gateway refuses the claim permanently or if ctx ends.
func (w *worker) confirmClaim(ctx context.Context, id string) (lease fieldgate.Lease, err error) {
	for {
		token := w.journal.token(id)
		err = w.retry(ctx, "extending a lease", func(api deviceAPI) (err error) {
			lease, err = api.Extend(ctx, id, fieldgate.ExtendRequest{
				ClaimToken: token, ExtensionMs: int(w.config.Lease.Milliseconds()),
			})
			return err
		})
		if err == nil || w.journal.token(id) == token {
			return lease, err
		}
	}
}

// handleLostClaim handles a repeatable command whose claim was refused with err. If the command
// has timed out, the agent reports it as interrupted. Otherwise the agent removes the command
// from the journal, so that the command can run when it is claimed again.
func (w *worker) handleLostClaim(base context.Context, id string, err error) {
	var refused *fieldgate.APIError
	if errors.As(err, &refused) && refused.Code == fieldgate.CodeClaimExpired && refused.Command.Status == fieldgate.CommandStatusTimedOut {
		w.reportInterrupted(base, id)
		return
	}
	if err := w.journal.remove(id); err != nil {
		w.log.Error("writing the journal failed", "error", err)
	}
}

package agent

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

const (
	// claimGrace is the time for which a claim over the socket may continue after a shutdown
	// has begun.
	claimGrace = 2 * time.Second

	// emptyClaimInterval is the minimum interval between two claims over HTTP that return no
	// command. Up to half of the interval is subtracted at random. The interval is needed
	// because some gateways and proxies respond immediately, even if no command is ready.
	emptyClaimInterval = 2 * time.Second
)

// claimLoop claims and starts commands until ctx ends. It claims only when a slot is free. The
// contexts of the commands derive from base, which ends later than ctx.
func (w *worker) claimLoop(ctx, base context.Context) {
	for delay := (backoff{}); w.acquireSlot(ctx); {
		start, changed := time.Now(), w.uplink.changes()
		command, found, err := w.claim(ctx, base, changed)
		switch {
		case errors.Is(err, errUplinkChanged):
			w.releaseSlot()
			continue
		case err != nil:
			w.releaseSlot()
			if ctx.Err() == nil {
				w.log.Warn("claiming failed, trying again", "error", err)
			}
			w.pause(ctx, delay.delay(err), err, changed)
			continue
		case !found:
			w.releaseSlot()
			w.awaitCommands(ctx, start)
		case ctx.Err() != nil:
			w.releaseSlot()
			w.release(base, command, "the device is shutting down")
		default:
			if err := w.accept(base, command, true); err != nil {
				sleep(ctx, delay.delay(err))
				continue
			}
		}
		delay = backoff{}
	}
}

// acquireSlot acquires a slot. It waits until a slot is free and fewer than maxPendingResults
// results wait for submission. It returns false if ctx ends first.
func (w *worker) acquireSlot(ctx context.Context) bool {
	for logged := false; ctx.Err() == nil; {
		select {
		case w.slots <- struct{}{}:
		case <-ctx.Done():
			return false
		}
		if w.pendingResults() < maxPendingResults {
			return true
		}
		w.releaseSlot()
		if !logged {
			logged = true
			w.log.Error("claiming no commands until results are submitted", "results", w.pendingResults())
		}
		sleep(ctx, time.Second)
	}
	return false
}

func (w *worker) releaseSlot() { <-w.slots }

// claim claims one command and reports whether the gateway returned one. Over HTTP, the gateway
// responds when a command is ready. Over a socket, it responds immediately and announces
// commands later. The claim has an idempotency key, so that it can be repeated if its response is
// lost. After a crash the gateway does not return it again, because a copy of this machine's disk
// could ask for it too: the command counts as attempted. A claim over HTTP is abandoned with
// errUplinkChanged when a socket has connected: its connection may be one that has gone dark.
func (w *worker) claim(ctx, base context.Context, changed <-chan struct{}) (command Command, found bool, err error) {
	key, err := w.journal.claimKey()
	if err != nil {
		return Command{}, false, err
	}
	api, isSocket := w.uplink.current()
	request := fieldgate.ClaimRequest{Limit: 1, VisibilityTimeoutMs: int(w.config.Lease.Milliseconds())}
	if isSocket {
		// Let the call continue for claimGrace after ctx has ended. The response arrives soon,
		// and aborting the call would not undo the claim.
		var cancel context.CancelFunc
		ctx, cancel = withClaimGrace(ctx, base)
		defer cancel()
	} else {
		request.WaitMs = int(w.config.PollWait.Milliseconds())
		var stop context.CancelFunc
		ctx, stop = cancelOn(ctx, changed)
		defer stop()
	}
	commands, err := api.Claim(ctx, request, fieldgate.WithIdempotencyKey(key))
	if err != nil && errors.Is(context.Cause(ctx), errUplinkChanged) {
		return Command{}, false, errUplinkChanged
	}
	if fieldgate.CodeOf(err) == fieldgate.CodeIdempotencyKeyReused {
		w.journal.renewKey() // the configured lease has changed since the key was first used
	}
	if err != nil || len(commands) == 0 {
		return Command{}, false, err
	}
	if commands[0].ID == "" || commands[0].ClaimToken == "" {
		return Command{}, false, errors.New("the claimed command has no ID or no claim token")
	}
	return commands[0], true, nil
}

// errUplinkChanged is the error of a claim that was abandoned because the uplink has changed.
var errUplinkChanged = errors.New("the uplink has changed")

// cancelOn returns a copy of ctx that also ends, with errUplinkChanged, when changed is closed.
func cancelOn(ctx context.Context, changed <-chan struct{}) (context.Context, context.CancelFunc) {
	bound, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-changed:
			cancel(errUplinkChanged)
		case <-bound.Done():
		}
	}()
	return bound, func() { cancel(nil) }
}

// withClaimGrace returns a context derived from base. It ends when base ends, or claimGrace
// after ctx has ended.
func withClaimGrace(ctx, base context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(base)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(claimGrace, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}

// awaitCommands waits until commands may be ready. The last claim began at start and returned
// no command.
func (w *worker) awaitCommands(ctx context.Context, start time.Time) {
	if _, isSocket := w.uplink.current(); !isSocket {
		sleep(ctx, emptyClaimInterval-rand.N(emptyClaimInterval/2)-time.Since(start))
		return
	}
	timer := time.NewTimer(fallbackClaimInterval)
	defer timer.Stop()
	select {
	case <-w.wake:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// accept starts a claimed command in the slot that the caller has acquired. If the command does
// not start, accept frees the slot. byKey reports whether the command was claimed with the claim
// key, and not with a result.
func (w *worker) accept(base context.Context, command Command, byKey bool) error {
	w.admission.Lock()
	defer w.admission.Unlock()
	if found, err := w.reclaim(base, command, byKey); found {
		w.releaseSlot()
		return err
	}
	command, handler := w.prepare(base, command)
	w.start(base, command, w.record(command, handler, byKey))
	return nil
}

// prepare returns a claimed command as its statement describes it, and the handler for it. If the
// statement is not about this command, or the device does not accept its receipt, the handler refuses
// it.
func (w *worker) prepare(base context.Context, command Command) (Command, registered) {
	stated, err := command.AsStated(w.deviceID)
	switch {
	case errors.Is(err, fieldgate.ErrStatementVersion):
		return command, refuse(CodeUnsupported, "the command was described in a way that this device does not know; update its firmware")
	case err != nil:
		w.log.Error("refusing a command that does not agree with its statement", "command", command.ID, "error", err)
		return command, refuse(CodeStatementInvalid, "the command does not agree with its statement, so it did not start: "+err.Error())
	}
	if err := w.checkTrust(base, stated); err != nil {
		w.log.Error("refusing a command without a valid receipt", "command", command.ID, "error", err)
		return command, refuse(CodeReceiptInvalid, "the device does not accept the receipt of the command, so it did not start: "+err.Error())
	}
	return stated, w.handlerFor(stated.Type)
}

// reclaim handles a claimed command that is already in the journal, and reports whether it is. The
// caller holds w.admission, so that no other goroutine starts the command meanwhile.
func (w *worker) reclaim(base context.Context, command Command, byKey bool) (found bool, err error) {
	known, found, err := w.journal.reclaim(command, byKey)
	if found {
		w.handleReclaimed(base, known)
	}
	return found, err
}

// handleReclaimed handles a claimed command that is already in the journal. The command does
// not run again. Its result is submitted under the newest claim, either now or when the command
// ends.
func (w *worker) handleReclaimed(base context.Context, known entry) {
	w.log.Info("claimed a known command again", "command", known.ID, "finished", known.Result != nil)
	if known.Result != nil && !known.Submitted {
		w.submitResult(base, known.ID)
	}
}

// release releases, in the background, the claim of a command that has not started. The gateway
// then queues the command again.
func (w *worker) release(base context.Context, command Command, reason string) {
	w.submitting.Go(func() {
		err := w.retry(base, "releasing", func(api deviceAPI) error {
			_, err := api.Release(base, command.ID, fieldgate.ReleaseRequest{ClaimToken: command.ClaimToken, Reason: reason})
			return err
		})
		if err != nil {
			w.log.Warn("releasing failed", "command", command.ID, "reason", reason, "error", err)
			return
		}
		w.log.Warn("released", "command", command.ID, "reason", reason)
	})
}

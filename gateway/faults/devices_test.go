package faults_test

import (
	"context"
	"fmt"
	"time"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// Codes with which the gateway may refuse a call of a device.
var (
	lateRefusals   = []client.ProblemCode{client.CodeClaimSuperseded, client.CodeClaimExpired, client.CodeCommandFinished}
	resultRefusals = []client.ProblemCode{client.CodeClaimSuperseded, client.CodeCommandFinished}
)

// actAsDevice claims commands and processes them.
func (d *device) actAsDevice(rnd random) {
	request := client.ClaimRequest{Limit: 1 + rnd.IntN(3), VisibilityTimeoutMs: 1000 + rnd.IntN(1000)}
	if rnd.chance(30) {
		request.WaitMs = 200 + rnd.IntN(400)
	}
	for _, got := range d.claim(rnd, request) {
		d.process(rnd, got)
	}
}

// claim claims commands. Most claims have an Idempotency-Key.
func (d *device) claim(rnd random, request client.ClaimRequest) (got []client.ClaimedCommand) {
	var options []client.CallOption
	if !rnd.chance(20) {
		options = append(options, client.WithIdempotencyKey(nonce()))
	}
	began := time.Now()
	_, _ = d.retryUntilKnown(rnd, d.name, "claims", func(ctx context.Context) (err error) {
		began = time.Now()
		got, err = d.DeviceClient.Claim(ctx, request, options...)
		return err
	}, client.CodeRateLimited) // expected while claims of broken connections still wait
	took := time.Since(began)
	d.claimed.Add(int64(len(got)))
	for _, one := range got {
		d.history.record(d.name, fmt.Sprintf("claimed %s attempt %d token %s until %s", one.ID, one.Attempt, one.ClaimToken, one.VisibleUntil.Format("05.000")), func() {
			d.history.command(d.key.ID, one.ID).claims[one.ClaimToken] = true
			if request.WaitMs == 0 {
				d.history.claims = append(d.history.claims, took)
			}
		})
	}
	return got
}

// process submits a result for a claimed command, releases it, extends its lease or abandons
// it, at random.
func (d *device) process(rnd random, got client.ClaimedCommand) {
	switch n := rnd.IntN(100); {
	case rnd.chance(d.abandon):
	case n < 8:
		d.release(rnd, got)
	case n < 14: // the device abandons the command, so the lease expires
	case n < 20:
		sleep(d.t.Context(), time.Duration(got.LeaseRemainingMs)*time.Millisecond+rnd.between(0, 700*time.Millisecond))
		d.submitResult(rnd, got)
	case n < 26:
		d.submitWithWrongToken(rnd, got)
		d.submitResult(rnd, got)
	case n < 36:
		d.extend(rnd, got)
		d.submitResult(rnd, got)
	default:
		d.submitResult(rnd, got)
	}
}

// finishReady claims the ready commands of the device and submits their results.
func (d *device) finishReady(rnd random) {
	for _, got := range d.claim(rnd, client.ClaimRequest{Limit: 10, VisibilityTimeoutMs: 2000}) {
		d.submitResult(rnd, got)
	}
}

func (d *device) release(rnd random, got client.ClaimedCommand) {
	known, err := d.retryUntilKnown(rnd, d.name, "releases "+got.ID, func(ctx context.Context) error {
		_, err := d.Release(ctx, got.ID, client.ReleaseRequest{ClaimToken: got.ClaimToken, Reason: "busy"})
		return err
	}, lateRefusals...)
	if known && err == nil {
		d.history.record(d.name, "released "+got.ID+" token "+got.ClaimToken, func() {
			d.history.command(d.key.ID, got.ID).released[got.ClaimToken] = true
		})
	}
}

func (d *device) extend(rnd random, got client.ClaimedCommand) {
	known, err := d.retryUntilKnown(rnd, d.name, "extends "+got.ID, func(ctx context.Context) error {
		_, err := d.Extend(ctx, got.ID, client.ExtendRequest{ClaimToken: got.ClaimToken, ExtensionMs: 1000 + rnd.IntN(500)})
		return err
	}, lateRefusals...)
	if known && err == nil {
		d.history.record(d.name, "extended "+got.ID, nil)
	}
}

// submitWithWrongToken submits a result with a claim token that does not belong to the command.
// The gateway must refuse it.
func (d *device) submitWithWrongToken(rnd random, got client.ClaimedCommand) {
	known, err := d.retryUntilKnown(rnd, d.name, "guesses a token of "+got.ID, func(ctx context.Context) error {
		_, err := d.SubmitResult(ctx, got.ID, client.ResultRequest{ClaimToken: nonce(), Status: client.ResultStatusFailed})
		return err
	}, client.CodeInvalidClaimToken)
	if known && err == nil {
		d.history.recordViolation(got.ID, "a wrong claim token was accepted")
	}
}

// submitResult submits the result of a command. In some cases it submits the same result again,
// and then a different result, which the gateway must refuse.
func (d *device) submitResult(rnd random, got client.ClaimedCommand) {
	result := client.ResultRequest{ClaimToken: got.ClaimToken, Status: client.ResultStatusSucceeded, Output: nonce()}
	if rnd.chance(20) {
		result.Status = client.ResultStatusFailed
	}
	if !d.submit(rnd, got.ID, result) || !rnd.chance(15) {
		return
	}
	if d.submit(rnd, got.ID, result) {
		result.Output = nonce()
		if d.submit(rnd, got.ID, result) {
			d.history.recordViolation(got.ID, "a second result was accepted")
		}
	}
}

// submit submits a result and reports whether it was accepted.
func (d *device) submit(rnd random, id string, result client.ResultRequest) bool {
	var recorded client.RecordedResult
	known, err := d.retryUntilKnown(rnd, d.name, "submits the result of "+id, func(ctx context.Context) (err error) {
		recorded, err = d.SubmitResult(ctx, id, result)
		return err
	}, resultRefusals...)
	if !known || err != nil {
		d.history.record(d.name, fmt.Sprintf("submits the result of %s: %v", id, err), func() {
			d.history.command(d.key.ID, id).refused[result.Output] = client.CodeOf(err) == client.CodeCommandFinished
		})
		return false
	}
	d.history.record(d.name, fmt.Sprintf("submitted %s %s %s late=%t duplicate=%t", id, result.Status, result.Output, recorded.Late, recorded.Duplicate), func() {
		d.history.command(d.key.ID, id).results[string(result.Status)+" "+result.Output] = acceptedResult{result.Status, result.Output}
	})
	return true
}

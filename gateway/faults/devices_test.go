package faults_test

import (
	"context"
	"fmt"
	"time"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// Refusals that a device has to live with.
var (
	overtaken = []client.ProblemCode{client.CodeClaimSuperseded, client.CodeClaimExpired, client.CodeCommandFinished}
	standing  = []client.ProblemCode{client.CodeClaimSuperseded, client.CodeCommandFinished}
)

// work is what a device does next: it claims something, and sees to it.
func (d *device) work(roll dice) {
	request := client.ClaimRequest{Limit: 1 + roll.IntN(3), VisibilityTimeoutMs: 1000 + roll.IntN(1000)}
	if roll.percent(30) {
		request.WaitMs = 200 + roll.IntN(400)
	}
	for _, got := range d.claim(roll, request) {
		d.deal(roll, got)
	}
}

// claim claims, most of the time so that it can be repeated.
func (d *device) claim(roll dice, request client.ClaimRequest) (got []client.ClaimedCommand) {
	var options []client.CallOption
	if !roll.percent(20) {
		options = append(options, client.WithIdempotencyKey(nonce()))
	}
	began := time.Now()
	_, _ = d.insist(roll, d.name, "claims", func(ctx context.Context) (err error) {
		began = time.Now()
		got, err = d.DeviceClient.Claim(ctx, request, options...)
		return err
	})
	took := time.Since(began)
	d.claimed.Add(int64(len(got)))
	for _, one := range got {
		d.history.note(d.name, fmt.Sprintf("claimed %s attempt %d token %s until %s", one.ID, one.Attempt, one.ClaimToken, one.VisibleUntil.Format("05.000")), func() {
			d.history.of(d.key.ID, one.ID).claims[one.ClaimToken] = true
			if request.WaitMs == 0 {
				d.history.claims = append(d.history.claims, took)
			}
		})
	}
	return got
}

// deal sees to a claimed command as devices do, good and bad ones.
func (d *device) deal(roll dice, got client.ClaimedCommand) {
	switch n := roll.IntN(100); {
	case roll.percent(d.vanish):
	case n < 8:
		d.giveBack(roll, got)
	case n < 14: // it vanishes; the lease runs out
	case n < 20:
		pause(d.t.Context(), time.Duration(got.LeaseRemainingMs)*time.Millisecond+roll.between(0, 700*time.Millisecond))
		d.report(roll, got)
	case n < 26:
		d.guess(roll, got)
		d.report(roll, got)
	case n < 36:
		d.extend(roll, got)
		d.report(roll, got)
	default:
		d.report(roll, got)
	}
}

// finishAll works off what waits for the device, as a good device does.
func (d *device) finishAll(roll dice) {
	for _, got := range d.claim(roll, client.ClaimRequest{Limit: 10, VisibilityTimeoutMs: 2000}) {
		d.report(roll, got)
	}
}

func (d *device) giveBack(roll dice, got client.ClaimedCommand) {
	known, err := d.insist(roll, d.name, "releases "+got.ID, func(ctx context.Context) error {
		_, err := d.Release(ctx, got.ID, client.ReleaseRequest{ClaimToken: got.ClaimToken, Reason: "busy"})
		return err
	}, overtaken...)
	if known && err == nil {
		d.history.note(d.name, "released "+got.ID+" token "+got.ClaimToken, func() {
			d.history.of(d.key.ID, got.ID).released[got.ClaimToken] = true
		})
	}
}

func (d *device) extend(roll dice, got client.ClaimedCommand) {
	known, err := d.insist(roll, d.name, "extends "+got.ID, func(ctx context.Context) error {
		_, err := d.Extend(ctx, got.ID, client.ExtendRequest{ClaimToken: got.ClaimToken, ExtensionMs: 1000 + roll.IntN(500)})
		return err
	}, overtaken...)
	if known && err == nil {
		d.history.note(d.name, "extended "+got.ID, nil)
	}
}

// guess reports under a token that was never one of the command.
func (d *device) guess(roll dice, got client.ClaimedCommand) {
	known, err := d.insist(roll, d.name, "guesses "+got.ID, func(ctx context.Context) error {
		_, err := d.SubmitResult(ctx, got.ID, client.ResultRequest{ClaimToken: nonce(), Status: client.ResultStatusFailed})
		return err
	}, client.CodeInvalidClaimToken)
	if known && err == nil {
		d.history.bad(got.ID, "a token that was made up was accepted")
	}
}

// report reports what became of a command, now and then twice and with another
// result afterwards.
func (d *device) report(roll dice, got client.ClaimedCommand) {
	result := client.ResultRequest{ClaimToken: got.ClaimToken, Status: client.ResultStatusSucceeded, Output: nonce()}
	if roll.percent(20) {
		result.Status = client.ResultStatusFailed
	}
	if !d.submit(roll, got.ID, result) || !roll.percent(15) {
		return
	}
	if d.submit(roll, got.ID, result) {
		result.Output = nonce()
		if d.submit(roll, got.ID, result) {
			d.history.bad(got.ID, "a second result was accepted")
		}
	}
}

// submit tells whether the result was accepted.
func (d *device) submit(roll dice, id string, result client.ResultRequest) bool {
	var recorded client.RecordedResult
	known, err := d.insist(roll, d.name, "reports "+id, func(ctx context.Context) (err error) {
		recorded, err = d.SubmitResult(ctx, id, result)
		return err
	}, standing...)
	if !known || err != nil {
		d.history.note(d.name, fmt.Sprintf("reports %s: %v", id, err), func() {
			d.history.of(d.key.ID, id).refused[result.Output] = client.CodeOf(err) == client.CodeCommandFinished
		})
		return false
	}
	d.history.note(d.name, fmt.Sprintf("reported %s %s %s late=%t duplicate=%t", id, result.Status, result.Output, recorded.Late, recorded.Duplicate), func() {
		d.history.of(d.key.ID, id).results[string(result.Status)+" "+result.Output] = outcome{result.Status, result.Output}
	})
	return true
}

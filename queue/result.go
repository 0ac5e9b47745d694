package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// RecordedResult describes the result that SubmitResult recorded.
type RecordedResult struct {
	Status    Status
	Late      bool // the result arrived after the lease had ended
	Duplicate bool // the same result had been recorded before
}

// SubmitResult records the result of a command. The status must be Succeeded, Failed or
// Cancelled. Callers must validate the status. For any other status SubmitResult returns an
// error that is not a refusal. The same result may be submitted again. Refusals:
// command_not_found, invalid_claim_token, claim_superseded, command_finished. The last one is returned
// for another result than the one that stands. It is kept beside that one: see OtherResult.
func (q *Queue) SubmitResult(ctx context.Context, ref ClaimRef, status Status, r Result) (RecordedResult, error) {
	call, err := resultCall(ref, status, r)
	if err != nil {
		return RecordedResult{}, err
	}
	recorded, _, err := q.submitOrKeep(ctx, ref, status, r, call)
	return recorded, err
}

// submitOrKeep runs result.lua. If the command has ended with another result, it keeps the refused
// one beside it.
func (q *Queue) submitOrKeep(ctx context.Context, ref ClaimRef, status Status, r Result, call scriptCall) (RecordedResult, store.Reply, error) {
	recorded, reply, err := q.submit(ctx, ref, call)
	if fieldgate.CodeOf(err) == fieldgate.CodeCommandFinished {
		q.keepOther(ctx, ref, status, r, call.args[fingerprintArg])
	}
	return recorded, reply, err
}

// fingerprintArg is the index of the fingerprint in the args of resultCall.
const fingerprintArg = 1

// SubmitResultAndClaim is SubmitResult, and claims the device's next command in the same
// transition. It returns no lease if no command can be claimed. If the result is refused, nothing
// is claimed.
//
// The same result returns the same lease until the lease ends, also for another visibility. The
// lease therefore stays when ctx is done, like that of a claim with an Idempotency-Key.
func (q *Queue) SubmitResultAndClaim(ctx context.Context, ref ClaimRef, status Status, r Result, visibility time.Duration) (RecordedResult, []Lease, error) {
	call, err := resultCall(ref, status, r)
	if err != nil {
		return RecordedResult{}, nil, err
	}
	request := claimAfter(ref, visibility)
	if request.policy, err = q.policyOf(ctx, ref.Device.Tenant); err != nil {
		q.log.WarnContext(ctx, "claimed no command after a result, because the policy cannot be read", "tenant", ref.Device.Tenant, "error", err)
		recorded, err := q.SubmitResult(ctx, ref, status, r)
		return recorded, nil, err
	}
	tokens, err := q.newTokens(request)
	if err != nil {
		return RecordedResult{}, nil, err
	}
	claimHash, err := request.fingerprint()
	if err != nil {
		return RecordedResult{}, nil, err
	}
	call.keys = append(call.keys, request.memoryKey())
	call.last = append([]any{visibility.Milliseconds(), claimHash, settleLimit}, tokens.args...)
	recorded, reply, err := q.submitOrKeep(ctx, ref, status, r, call)
	if err != nil {
		return RecordedResult{}, nil, err
	}
	leases, err := q.nextLeases(ctx, request, reply, tokens)
	return recorded, leases, err
}

// claimAfter returns the request for the command that is claimed together with a result. The claim
// token of the result takes the place of an Idempotency-Key. A key that a client has chosen cannot
// be equal, because it contains no space.
func claimAfter(ref ClaimRef, visibility time.Duration) ClaimRequest {
	return ClaimRequest{
		Device: ref.Device, Login: ref.Login, RequestID: ref.RequestID, Limit: 1, Visibility: visibility,
		IdempotencyKey: "after " + ref.Token, afterResult: true,
	}
}

// nextLeases returns the lease in the reply of result.lua. If the claimed command was taken back,
// nextLeases claims the one behind it.
func (q *Queue) nextLeases(ctx context.Context, request ClaimRequest, reply store.Reply, t claimTokens) ([]Lease, error) {
	const first = 6 // index of the first claimed command in the reply
	leases, takenBack := q.leases(ctx, request, reply[min(first, len(reply)):], reply.Int(4), t)
	if takenBack == 0 {
		return leases, nil
	}
	c, err := q.claim(ctx, request)
	return c.leases, err
}

// resultCall returns the KEYS and ARGV with which result.lua records a result.
func resultCall(ref ClaimRef, status Status, r Result) (scriptCall, error) {
	if status != Succeeded && status != Failed && status != Cancelled {
		return scriptCall{}, fmt.Errorf("a result cannot have the status %q", status)
	}
	content, err := json.Marshal(r)
	if err != nil {
		return scriptCall{}, fmt.Errorf("encoding a result: %w", err)
	}
	resultHash, err := fingerprint(string(status), string(content))
	return scriptCall{keys: []string{store.ResultKey(ref.CommandID)}, args: []any{string(status), resultHash, content}}, err
}

// submit runs result.lua.
func (q *Queue) submit(ctx context.Context, ref ClaimRef, call scriptCall) (RecordedResult, store.Reply, error) {
	reply, s, err := q.runAsDevice(ctx, resultScript, ref, call)
	if err != nil {
		return RecordedResult{}, nil, err
	}
	q.noteQuarantined(ctx, reply.String(5))
	return RecordedResult{Status: s.Status, Late: s.Late, Duplicate: reply.Int(3) == 1}, reply, nil
}

package handlers

import (
	"context"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/queue"
)

// These defaults apply to a claim without a body.
const (
	defaultClaimLimit = 1
	defaultVisibility = 300_000 // ms
)

// ClaimCommands claims commands for the device.
func (s *Server) ClaimCommands(ctx context.Context, r generated.ClaimCommandsRequestObject) (generated.ClaimCommandsResponseObject, error) {
	leases, err := s.queue.Claim(ctx, claimFrom(ctx, r))
	if err != nil {
		return nil, err
	}
	noteClaimed(ctx, leases)
	return generated.ClaimCommands200JSONResponse(claimedCommandsOf(leases)), nil
}

func claimFrom(ctx context.Context, r generated.ClaimCommandsRequestObject) queue.ClaimRequest {
	body := generated.ClaimRequest{Limit: defaultClaimLimit, VisibilityTimeoutMs: defaultVisibility}
	if r.Body != nil {
		body = *r.Body
	}
	p, _ := device.FromContext(ctx)
	return queue.ClaimRequest{
		Device: p.Device(), Login: p.Login, RequestID: request.ID(ctx), Limit: body.Limit,
		Visibility: millis(body.VisibilityTimeoutMs), Wait: millis(body.WaitMs),
		IdempotencyKey: value(r.Params.IdempotencyKey), InstanceID: body.InstanceID,
	}
}

// noteClaimed records the claimed commands for the log.
func noteClaimed(ctx context.Context, leases []queue.Lease) {
	if len(leases) == 1 {
		request.SetCommand(ctx, leases[0].SessionID, leases[0].ID)
		return
	}
	request.SetCommand(ctx, "", strings.Join(convert(leases, func(l queue.Lease) string { return l.ID }), " "))
}

func claimedCommandsOf(leases []queue.Lease) generated.ClaimedCommands {
	return generated.ClaimedCommands{Commands: convert(leases, claimedCommandOf)}
}

// ExtendCommand extends the lease of a claimed command.
func (s *Server) ExtendCommand(ctx context.Context, r generated.ExtendCommandRequestObject) (generated.ExtendCommandResponseObject, error) {
	ref, by := extensionFrom(ctx, r)
	extended, err := s.queue.Extend(ctx, ref, by)
	if err != nil {
		return nil, err
	}
	return generated.ExtendCommand200JSONResponse(leaseOf(r.CommandID, extended)), nil
}

func extensionFrom(ctx context.Context, r generated.ExtendCommandRequestObject) (ref queue.ClaimRef, by time.Duration) {
	return claimRefFrom(ctx, r.CommandID, r.Body.ClaimToken), millis(r.Body.ExtensionMs)
}

func leaseOf(commandID string, e queue.Extension) generated.Lease {
	return generated.Lease{
		CommandID: commandID, VisibleUntil: fieldgate.At(e.VisibleUntil),
		LeaseRemainingMs: int(e.Remaining.Milliseconds()), CancelRequested: e.CancelRequested,
	}
}

// ReportProgress keeps what the device reports of a command that it runs.
func (s *Server) ReportProgress(ctx context.Context, r generated.ReportProgressRequestObject) (generated.ReportProgressResponseObject, error) {
	ref, report := reportFrom(ctx, r)
	reported, err := s.queue.ReportProgress(ctx, ref, report)
	if err != nil {
		return nil, err
	}
	return generated.ReportProgress200JSONResponse(progressReplyOf(r.CommandID, reported)), nil
}

func reportFrom(ctx context.Context, r generated.ReportProgressRequestObject) (queue.ClaimRef, queue.Report) {
	return claimRefFrom(ctx, r.CommandID, r.Body.ClaimToken), queue.Report{
		Seq: r.Body.Seq, Percent: r.Body.Percent, Message: r.Body.Message, Output: r.Body.Output,
	}
}

func progressReplyOf(commandID string, r queue.Reported) generated.ProgressReply {
	return generated.ProgressReply{
		CommandID: commandID, Seq: r.Seq, LeaseRemainingMs: int(r.Remaining.Milliseconds()), CancelRequested: r.CancelRequested,
	}
}

// ReleaseCommand releases a claimed command, so that the command returns to the queue.
func (s *Server) ReleaseCommand(ctx context.Context, r generated.ReleaseCommandRequestObject) (generated.ReleaseCommandResponseObject, error) {
	ref, reason := releaseFrom(ctx, r)
	status, err := s.queue.Release(ctx, ref, reason)
	if err != nil {
		return nil, err
	}
	return generated.ReleaseCommand200JSONResponse(releasedCommandOf(r.CommandID, status)), nil
}

func releaseFrom(ctx context.Context, r generated.ReleaseCommandRequestObject) (ref queue.ClaimRef, reason string) {
	return claimRefFrom(ctx, r.CommandID, r.Body.ClaimToken), r.Body.Reason
}

func releasedCommandOf(commandID string, status queue.Status) generated.ReleasedCommand {
	return generated.ReleasedCommand{CommandID: commandID, Status: generated.CommandStatus(status)}
}

// SubmitResult records the result of a command. On request it also claims the next command.
func (s *Server) SubmitResult(ctx context.Context, r generated.SubmitResultRequestObject) (generated.SubmitResultResponseObject, error) {
	ref, status, result := resultFrom(ctx, r)
	if r.Body.Next {
		recorded, next, err := s.queue.SubmitResultAndClaim(ctx, ref, status, result, nextLeaseFrom(r))
		if err != nil {
			return nil, err
		}
		return generated.SubmitResult200JSONResponse(resultAndNextOf(r.CommandID, recorded, next)), nil
	}
	recorded, err := s.queue.SubmitResult(ctx, ref, status, result)
	if err != nil {
		return nil, err
	}
	return generated.SubmitResult200JSONResponse(recordedResultOf(r.CommandID, recorded)), nil
}

func resultFrom(ctx context.Context, r generated.SubmitResultRequestObject) (queue.ClaimRef, queue.Status, queue.Result) {
	return claimRefFrom(ctx, r.CommandID, r.Body.ClaimToken), queue.Status(r.Body.Status), queue.Result{
		Output: r.Body.Output, Error: r.Body.Error, Data: r.Body.Data,
		ExecutedAt: r.Body.ExecutedAt.Time, DurationMs: r.Body.DurationMs,
	}
}

// nextLeaseFrom returns the length of the lease of the next command.
func nextLeaseFrom(r generated.SubmitResultRequestObject) time.Duration {
	return millis(r.Body.VisibilityTimeoutMs)
}

func recordedResultOf(commandID string, r queue.RecordedResult) generated.RecordedResult {
	return generated.RecordedResult{
		CommandID: commandID, Status: generated.CommandStatus(r.Status), Late: r.Late, Duplicate: r.Duplicate,
	}
}

func resultAndNextOf(commandID string, r queue.RecordedResult, next []queue.Lease) generated.RecordedResult {
	converted := recordedResultOf(commandID, r)
	converted.Commands = convert(next, claimedCommandOf)
	return converted
}

// GetDeviceCommand returns the state of one of the device's commands.
func (s *Server) GetDeviceCommand(ctx context.Context, r generated.GetDeviceCommandRequestObject) (generated.GetDeviceCommandResponseObject, error) {
	c, err := s.queue.GetOwn(ctx, callingDevice(ctx), r.CommandID)
	if err != nil {
		return nil, err
	}
	return generated.GetDeviceCommand200JSONResponse(deviceCommandOf(c)), nil
}

// claimRefFrom returns the claim that a request names. It also records the command for the log.
func claimRefFrom(ctx context.Context, commandID, token string) queue.ClaimRef {
	request.SetCommand(ctx, "", commandID)
	p, _ := device.FromContext(ctx)
	return queue.ClaimRef{Device: p.Device(), CommandID: commandID, Token: token, RequestID: request.ID(ctx), Login: p.Login}
}

func claimedCommandOf(l queue.Lease) generated.ClaimedCommand {
	claimed := generated.ClaimedCommand{
		ID: l.ID, SessionID: l.SessionID, Type: l.Type, Parameters: l.Parameters, Priority: l.Priority,
		Statement: encodedStatement(l.Command), Receipt: l.Receipt,
		Attempt: l.Attempt, MaxAttempts: l.MaxAttempts, ClaimToken: l.Token,
		ClaimedAt: fieldgate.At(l.ClaimedAt), VisibleUntil: fieldgate.At(l.VisibleUntil),
		LeaseRemainingMs: int(l.Remaining.Milliseconds()), DeliverBy: fieldgate.At(l.DeliverBy), RequestID: l.RequestID, Traceparent: l.Traceparent,
	}
	if l.Approval != nil {
		claimed.Approval = generated.ClaimApproval{DecidedBy: l.Approval.DecidedBy, DecidedAt: fieldgate.At(l.Approval.DecidedAt)}
	}
	return claimed
}

func deviceCommandOf(c queue.Command) generated.DeviceCommand {
	converted := generated.DeviceCommand{
		ID: c.ID, SessionID: c.SessionID, Type: c.Type, Priority: c.Priority, Status: generated.CommandStatus(c.Status),
		Attempt: c.Attempt, MaxAttempts: c.MaxAttempts, DeliverBy: fieldgate.At(c.DeliverBy),
		ClaimedAt: fieldgate.At(c.ClaimedAt), VisibleUntil: fieldgate.At(c.VisibleUntil), FinishedAt: fieldgate.At(c.FinishedAt),
		CancelRequested: c.CancelRequested, Late: c.Late,
	}
	if !c.VisibleUntil.IsZero() {
		converted.LeaseRemainingMs = int(max(0, time.Until(c.VisibleUntil)).Milliseconds())
	}
	return converted
}

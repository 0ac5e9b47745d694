package handlers

import (
	"context"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/queue"
)

// What a claim asks for when its body is left out.
const (
	defaultClaimLimit = 1
	defaultVisibility = 300_000 // ms
)

// ClaimCommands hands out commands to the device.
func (s *Server) ClaimCommands(ctx context.Context, r generated.ClaimCommandsRequestObject) (generated.ClaimCommandsResponseObject, error) {
	asked := generated.ClaimRequest{Limit: defaultClaimLimit, VisibilityTimeoutMs: defaultVisibility}
	if r.Body != nil {
		asked = *r.Body
	}
	p, _ := device.FromContext(ctx)
	leases, err := s.queue.Claim(ctx, queue.ClaimRequest{
		Device: p.Device(), Epoch: p.Epoch, RequestID: request.ID(ctx), Limit: asked.Limit,
		Visibility: millis(asked.VisibilityTimeoutMs), Wait: millis(asked.WaitMs),
		IdempotencyKey: value(r.Params.IdempotencyKey),
	})
	if err != nil {
		return nil, err
	}
	return generated.ClaimCommands200JSONResponse{Commands: convert(leases, claimedOf)}, nil
}

// ExtendCommand makes a lease longer.
func (s *Server) ExtendCommand(ctx context.Context, r generated.ExtendCommandRequestObject) (generated.ExtendCommandResponseObject, error) {
	e, err := s.queue.Extend(ctx, claimRef(ctx, r.CommandID, r.Body.ClaimToken), millis(r.Body.ExtensionMs))
	if err != nil {
		return nil, err
	}
	return generated.ExtendCommand200JSONResponse{
		CommandID: r.CommandID, VisibleUntil: fieldgate.At(e.VisibleUntil),
		LeaseRemainingMs: int(e.Remaining.Milliseconds()), CancelRequested: e.CancelRequested,
	}, nil
}

// ReleaseCommand gives a command back.
func (s *Server) ReleaseCommand(ctx context.Context, r generated.ReleaseCommandRequestObject) (generated.ReleaseCommandResponseObject, error) {
	status, err := s.queue.Release(ctx, claimRef(ctx, r.CommandID, r.Body.ClaimToken), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return generated.ReleaseCommand200JSONResponse{CommandID: r.CommandID, Status: generated.CommandStatus(status)}, nil
}

// SubmitResult records what became of a command.
func (s *Server) SubmitResult(ctx context.Context, r generated.SubmitResultRequestObject) (generated.SubmitResultResponseObject, error) {
	out, err := s.queue.SubmitResult(ctx, claimRef(ctx, r.CommandID, r.Body.ClaimToken), queue.Status(r.Body.Status), queue.Result{
		Output: r.Body.Output, Error: r.Body.Error, Data: r.Body.Data,
		ExecutedAt: r.Body.ExecutedAt.Time, DurationMs: r.Body.DurationMs,
	})
	if err != nil {
		return nil, err
	}
	return generated.SubmitResult200JSONResponse{
		CommandID: r.CommandID, Status: generated.CommandStatus(out.Status), Late: out.Late, Duplicate: out.Duplicate,
	}, nil
}

// GetDeviceCommand tells the device where one of its commands stands.
func (s *Server) GetDeviceCommand(ctx context.Context, r generated.GetDeviceCommandRequestObject) (generated.GetDeviceCommandResponseObject, error) {
	c, err := s.queue.GetOwn(ctx, callingDevice(ctx), r.CommandID)
	if err != nil {
		return nil, err
	}
	return generated.GetDeviceCommand200JSONResponse(ownCommandOf(c)), nil
}

func claimRef(ctx context.Context, commandID, token string) queue.ClaimRef {
	return queue.ClaimRef{Device: callingDevice(ctx), CommandID: commandID, Token: token, RequestID: request.ID(ctx)}
}

func claimedOf(l queue.Lease) generated.ClaimedCommand {
	claimed := generated.ClaimedCommand{
		ID: l.ID, SessionID: l.SessionID, Type: l.Type, Parameters: l.Parameters, Priority: l.Priority,
		Attempt: l.Attempt, MaxAttempts: l.MaxAttempts, ClaimToken: l.Token,
		ClaimedAt: fieldgate.At(l.ClaimedAt), VisibleUntil: fieldgate.At(l.VisibleUntil),
		LeaseRemainingMs: int(l.Remaining.Milliseconds()), DeliverBy: fieldgate.At(l.DeliverBy), RequestID: l.RequestID,
	}
	if l.Approval != nil {
		claimed.Approval = generated.ClaimApproval{DecidedBy: l.Approval.DecidedBy, DecidedAt: fieldgate.At(l.Approval.DecidedAt)}
	}
	return claimed
}

func ownCommandOf(c queue.Command) generated.DeviceCommand {
	own := generated.DeviceCommand{
		ID: c.ID, SessionID: c.SessionID, Type: c.Type, Priority: c.Priority, Status: generated.CommandStatus(c.Status),
		Attempt: c.Attempt, MaxAttempts: c.MaxAttempts, DeliverBy: fieldgate.At(c.DeliverBy),
		ClaimedAt: fieldgate.At(c.ClaimedAt), VisibleUntil: fieldgate.At(c.VisibleUntil), FinishedAt: fieldgate.At(c.FinishedAt),
		CancelRequested: c.CancelRequested, Late: c.Late,
	}
	if !c.VisibleUntil.IsZero() {
		own.LeaseRemainingMs = int(max(0, time.Until(c.VisibleUntil)).Milliseconds())
	}
	return own
}

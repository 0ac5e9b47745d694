package handlers

import (
	"context"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/queue"
)

const defaultPriority = 5

// ProposeCommand puts a command into the queue.
func (s *Server) ProposeCommand(ctx context.Context, r generated.ProposeCommandRequestObject) (generated.ProposeCommandResponseObject, error) {
	p := queue.Proposal{
		Tenant: userPrincipal(ctx).Tenant, UserID: userPrincipal(ctx).UserID, RequestID: request.ID(ctx), SessionID: r.SessionID,
		Type: r.Body.Type, Parameters: r.Body.Parameters, Priority: defaultPriority, Reason: r.Body.Reason,
		MaxAttempts: r.Body.MaxAttempts, DeliverWithin: seconds(r.Body.DeliverWithinSeconds),
		IdempotencyKey: value(r.Params.IdempotencyKey),
	}
	if r.Body.Priority != nil {
		p.Priority = *r.Body.Priority
	}
	c, err := s.queue.Propose(ctx, p)
	if err != nil {
		return nil, err
	}
	return generated.ProposeCommand201JSONResponse{
		Body: commandOf(c), Headers: generated.ProposeCommand201ResponseHeaders{Location: commandPath(c)},
	}, nil
}

// ListCommands lists the commands of a session, the oldest first.
func (s *Server) ListCommands(ctx context.Context, r generated.ListCommandsRequestObject) (generated.ListCommandsResponseObject, error) {
	list, next, err := s.queue.List(ctx, userPrincipal(ctx).Tenant, r.SessionID, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return generated.ListCommands200JSONResponse{Items: convert(list, commandOf), NextCursor: next}, nil
}

// GetCommand reads a command with its claims and its result.
func (s *Server) GetCommand(ctx context.Context, r generated.GetCommandRequestObject) (generated.GetCommandResponseObject, error) {
	c, err := s.queue.Get(ctx, userPrincipal(ctx).Tenant, r.SessionID, r.CommandID)
	if err != nil {
		return nil, err
	}
	return generated.GetCommand200JSONResponse(commandOf(c)), nil
}

// CancelCommand ends a command, or asks its device to stop.
func (s *Server) CancelCommand(ctx context.Context, r generated.CancelCommandRequestObject) (generated.CancelCommandResponseObject, error) {
	c, err := s.queue.Cancel(ctx, queue.Cancel{
		Tenant: userPrincipal(ctx).Tenant, UserID: userPrincipal(ctx).UserID, RequestID: request.ID(ctx),
		SessionID: r.SessionID, CommandID: r.CommandID, Reason: reason(r.Body),
	})
	if err != nil {
		return nil, err
	}
	return generated.CancelCommand200JSONResponse(commandOf(c)), nil
}

// RetryCommand proposes a finished command again.
func (s *Server) RetryCommand(ctx context.Context, r generated.RetryCommandRequestObject) (generated.RetryCommandResponseObject, error) {
	c, err := s.queue.Retry(ctx, queue.Retry{
		Tenant: userPrincipal(ctx).Tenant, UserID: userPrincipal(ctx).UserID, RequestID: request.ID(ctx),
		SessionID: r.SessionID, CommandID: r.CommandID, Reason: reason(r.Body),
		IdempotencyKey: value(r.Params.IdempotencyKey),
	})
	if err != nil {
		return nil, err
	}
	return generated.RetryCommand201JSONResponse{
		Body: commandOf(c), Headers: generated.RetryCommand201ResponseHeaders{Location: commandPath(c)},
	}, nil
}

// DecideCommand records a person's decision.
func (s *Server) DecideCommand(ctx context.Context, r generated.DecideCommandRequestObject) (generated.DecideCommandResponseObject, error) {
	c, err := s.queue.Decide(ctx, queue.Decision{
		Tenant: userPrincipal(ctx).Tenant, UserID: userPrincipal(ctx).UserID, RequestID: request.ID(ctx), SoleUser: userPrincipal(ctx).SoleUser,
		SessionID: r.SessionID, CommandID: r.Body.CommandID,
		Approved: r.Body.Approved, Reason: r.Body.Reason, Digest: r.Body.Digest,
	})
	if err != nil {
		return nil, err
	}
	return generated.DecideCommand200JSONResponse{Command: commandOf(c)}, nil
}

// ListApprovals lists the commands that wait for a person, the oldest first.
func (s *Server) ListApprovals(ctx context.Context, r generated.ListApprovalsRequestObject) (generated.ListApprovalsResponseObject, error) {
	list, next, err := s.queue.Pending(ctx, userPrincipal(ctx).Tenant, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	items := convert(list, func(c queue.Command) generated.Command { return withVerdict(c, userPrincipal(ctx)) })
	return generated.ListApprovals200JSONResponse{Items: items, NextCursor: next}, nil
}

// withVerdict adds whether the caller could approve the command.
func withVerdict(c queue.Command, p customer.Principal) generated.Command {
	answer, may := commandOf(c), true
	switch {
	case !p.Role.Allows(customer.Approver):
		may, answer.WhyNot = false, "Your role does not decide over commands."
	case c.UserID == p.UserID && !p.SoleUser:
		may, answer.WhyNot = false, "You proposed it: another person has to approve it."
	}
	answer.MayDecide = &may
	return answer
}

func commandPath(c queue.Command) string {
	return sessionsPath + c.SessionID + "/commands/" + c.ID
}

func commandOf(c queue.Command) generated.Command {
	return generated.Command{
		ID: c.ID, SessionID: c.SessionID, DeviceID: c.DeviceID, Type: c.Type, Parameters: c.Parameters,
		Priority: c.Priority, Status: generated.CommandStatus(c.Status), Attempt: c.Attempt, MaxAttempts: c.MaxAttempts,
		Digest: c.Digest, ProposedBy: c.UserID, RequestID: c.RequestID, Reason: c.Reason, RetryOf: c.RetryOf,
		CreatedAt: fieldgate.At(c.CreatedAt), ApproveBy: fieldgate.At(c.ApproveBy), DeliverBy: fieldgate.At(c.DeliverBy),
		ClaimedAt: fieldgate.At(c.ClaimedAt), VisibleUntil: fieldgate.At(c.VisibleUntil), FinishedAt: fieldgate.At(c.FinishedAt),
		CancelRequested: c.CancelRequested, Late: c.Late,
		Approval: approvalOf(c.Approval), Attempts: convert(c.Attempts, attemptOf), Result: resultOf(c.Result),
	}
}

func approvalOf(a *fieldgate.Approval) generated.Approval {
	if a == nil {
		return generated.Approval{}
	}
	return generated.Approval{
		Decision: generated.Decision(a.Decision), DecidedBy: a.DecidedBy, DecidedAt: fieldgate.At(a.DecidedAt), Reason: a.Reason,
	}
}

func attemptOf(a queue.Attempt) generated.CommandAttempt {
	return generated.CommandAttempt{
		Attempt: a.Number, ClaimedAt: fieldgate.At(a.ClaimedAt), EndedAt: fieldgate.At(a.EndedAt), Outcome: a.Outcome,
	}
}

func resultOf(r *queue.Result) *generated.CommandResult {
	if r == nil {
		return nil
	}
	return &generated.CommandResult{
		Output: r.Output, Error: r.Error, Data: r.Data,
		ExecutedAt: fieldgate.At(r.ExecutedAt), DurationMs: r.DurationMs,
	}
}

package handlers

import (
	"cmp"
	"context"
	"encoding/base64"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
)

const defaultPriority = 5

// ProposeCommand proposes a command.
func (s *Server) ProposeCommand(ctx context.Context, r generated.ProposeCommandRequestObject) (generated.ProposeCommandResponseObject, error) {
	c, err := s.queue.Propose(ctx, proposalFrom(ctx, r))
	if err != nil {
		return nil, err
	}
	request.SetCommand(ctx, c.SessionID, c.ID)
	return proposedResponse(c), nil
}

func proposalFrom(ctx context.Context, r generated.ProposeCommandRequestObject) queue.Proposal {
	p := queue.Proposal{
		Tenant: userPrincipal(ctx).Tenant, UserID: userPrincipal(ctx).UserID, Names: callerNames(ctx), RequestID: request.ID(ctx), Traceparent: request.SampledTraceparent(ctx), SessionID: r.SessionID,
		ByProgram: userPrincipal(ctx).IsProgram(), Role: userPrincipal(ctx).Role.String(),
		Type: r.Body.Type, Parameters: r.Body.Parameters, Priority: defaultPriority, Reason: r.Body.Reason,
		MaxAttempts: r.Body.MaxAttempts, DeliverWithin: seconds(r.Body.DeliverWithinSeconds),
		IdempotencyKey: value(r.Params.IdempotencyKey),
	}
	if r.Body.Priority != nil {
		p.Priority = *r.Body.Priority
	}
	return p
}

func proposedResponse(c queue.Command) generated.ProposeCommand201JSONResponse {
	return generated.ProposeCommand201JSONResponse{
		Body: commandOf(c), Headers: generated.ProposeCommand201ResponseHeaders{Location: commandPath(c)},
	}
}

// ListCommands lists the commands of a session.
func (s *Server) ListCommands(ctx context.Context, r generated.ListCommandsRequestObject) (generated.ListCommandsResponseObject, error) {
	order, page := commandPageFrom(r)
	list, next, err := s.queue.List(ctx, userPrincipal(ctx).Tenant, r.SessionID, order, page)
	if err != nil {
		return nil, err
	}
	return generated.ListCommands200JSONResponse(commandListOf(list, next)), nil
}

func commandPageFrom(r generated.ListCommandsRequestObject) (queue.Order, store.Page) {
	return queue.Order(value(r.Params.Order)), pageFrom(r.Params.Limit, r.Params.Cursor)
}

func commandListOf(list []queue.Command, next string) generated.CommandList {
	return generated.CommandList{Items: convert(list, listedCommandOf), NextCursor: next}
}

// ListTenantCommands lists the commands of the tenant, newest first.
func (s *Server) ListTenantCommands(ctx context.Context, r generated.ListTenantCommandsRequestObject) (generated.ListTenantCommandsResponseObject, error) {
	filter, page := commandFilterFrom(r)
	list, next, err := s.queue.Search(ctx, userPrincipal(ctx).Tenant, filter, page)
	if err != nil {
		return nil, err
	}
	return generated.ListTenantCommands200JSONResponse(commandListOf(list, next)), nil
}

func commandFilterFrom(r generated.ListTenantCommandsRequestObject) (queue.Filter, store.Page) {
	filter := queue.Filter{
		Type: value(r.Params.Type), DeviceID: value(r.Params.DeviceID), Tag: value(r.Params.Tag), SessionID: value(r.Params.SessionID),
		ProposedBy: value(r.Params.ProposedBy), Since: value(r.Params.Since), Until: value(r.Params.Until),
	}
	for _, status := range value(r.Params.Status) {
		filter.Statuses = append(filter.Statuses, queue.Status(status))
	}
	return filter, pageFrom(r.Params.Limit, r.Params.Cursor)
}

// GetCommand returns a command with its claims and its result.
func (s *Server) GetCommand(ctx context.Context, r generated.GetCommandRequestObject) (generated.GetCommandResponseObject, error) {
	c, err := s.queue.Get(ctx, userPrincipal(ctx).Tenant, r.SessionID, r.CommandID)
	if err != nil {
		return nil, err
	}
	return generated.GetCommand200JSONResponse(commandOf(c)), nil
}

// CancelCommand cancels a command. If the command is claimed, CancelCommand asks the device to
// stop.
func (s *Server) CancelCommand(ctx context.Context, r generated.CancelCommandRequestObject) (generated.CancelCommandResponseObject, error) {
	c, err := s.queue.Cancel(ctx, cancelFrom(ctx, r))
	if err != nil {
		return nil, err
	}
	return generated.CancelCommand200JSONResponse(commandOf(c)), nil
}

func cancelFrom(ctx context.Context, r generated.CancelCommandRequestObject) queue.Cancel {
	return queue.Cancel{
		Tenant: userPrincipal(ctx).Tenant, UserID: userPrincipal(ctx).UserID, Names: callerNames(ctx), RequestID: request.ID(ctx),
		SessionID: r.SessionID, CommandID: r.CommandID, Reason: reasonFrom(r.Body),
	}
}

// RetryCommand proposes a new command with the contents of a finished one.
func (s *Server) RetryCommand(ctx context.Context, r generated.RetryCommandRequestObject) (generated.RetryCommandResponseObject, error) {
	c, err := s.queue.Retry(ctx, retryFrom(ctx, r))
	if err != nil {
		return nil, err
	}
	request.SetCommand(ctx, c.SessionID, c.ID)
	return retriedResponse(c), nil
}

func retryFrom(ctx context.Context, r generated.RetryCommandRequestObject) queue.Retry {
	return queue.Retry{
		Tenant: userPrincipal(ctx).Tenant, UserID: userPrincipal(ctx).UserID, Names: callerNames(ctx), RequestID: request.ID(ctx), Traceparent: request.SampledTraceparent(ctx),
		ByProgram: userPrincipal(ctx).IsProgram(), Role: userPrincipal(ctx).Role.String(),
		SessionID: r.SessionID, CommandID: r.CommandID, Reason: reasonFrom(r.Body),
		IdempotencyKey: value(r.Params.IdempotencyKey),
	}
}

func retriedResponse(c queue.Command) generated.RetryCommand201JSONResponse {
	return generated.RetryCommand201JSONResponse{
		Body: commandOf(c), Headers: generated.RetryCommand201ResponseHeaders{Location: commandPath(c)},
	}
}

// DecideCommand records an approval or a rejection.
func (s *Server) DecideCommand(ctx context.Context, r generated.DecideCommandRequestObject) (generated.DecideCommandResponseObject, error) {
	if r.Body.Approved {
		if err := s.approvals.Check(userPrincipal(ctx)); err != nil {
			return nil, err
		}
	}
	c, err := s.queue.Decide(ctx, decisionFrom(ctx, r))
	if err != nil {
		return nil, err
	}
	request.SetCommand(ctx, c.SessionID, c.ID)
	return generated.DecideCommand200JSONResponse(decidedCommandOf(c)), nil
}

func decisionFrom(ctx context.Context, r generated.DecideCommandRequestObject) queue.Decision {
	d := callersDecision(ctx, r.SessionID, r.Body.CommandID)
	d.Approved, d.Reason, d.Digest, d.Passkey = r.Body.Approved, r.Body.Reason, r.Body.Digest, assertionFrom(r.Body.Assertion)
	return d
}

func decidedCommandOf(c queue.Command) generated.DecidedCommand {
	return generated.DecidedCommand{Command: commandOf(c)}
}

// ListApprovals lists the commands that wait for approval, oldest first.
func (s *Server) ListApprovals(ctx context.Context, r generated.ListApprovalsRequestObject) (generated.ListApprovalsResponseObject, error) {
	p := userPrincipal(ctx)
	caller := s.approvals.Check(p)
	read, refused := s.queue.Pending, func(c queue.Command) error { return cmp.Or(caller, s.queue.CheckApproval(ctx, c, signInOf(p))) }
	if value(r.Params.Status) == generated.ApprovalStatusReview {
		read, refused = s.queue.Unreviewed, func(queue.Command) error { return errOnlyReview }
	}
	list, next, err := read(ctx, p.Tenant, pageFrom(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return generated.ListApprovals200JSONResponse(approvalListOf(list, next, p, refused)), nil
}

// errOnlyReview is why no user may decide on a command of the list of reviews.
var errOnlyReview = fieldgate.Refuse(fieldgate.CodeAlreadyDecided, "This command waits for the review of its approval, and for no decision.")

// approvalListOf converts the list of approvals for p. refused returns the error with which an
// approval by p is refused for another reason than role and proposer, or nil.
func approvalListOf(list []queue.Command, next string, p customer.Principal, refused func(queue.Command) error) generated.CommandList {
	items := convert(list, func(c queue.Command) generated.Command { return pendingCommandOf(c, p, refused(c)) })
	return generated.CommandList{Items: items, NextCursor: next}
}

// pendingCommandOf converts a command like commandOf. It also sets whether p may decide on the
// command.
func pendingCommandOf(c queue.Command, p customer.Principal, refused error) generated.Command {
	pending, may := commandOf(c), true
	switch {
	case !p.Role.Allows(customer.Approver):
		may, pending.WhyNot = false, "Your role does not allow decisions: ask an approver."
	case c.UserID == p.UserID && (!p.SoleUser || c.Required > 1):
		may, pending.WhyNot = false, "You proposed this command: another user must approve it."
	case refused != nil:
		may, pending.WhyNot = false, fieldgate.DetailOf(refused)
	case hasVoteOf(c, p.UserID):
		may, pending.WhyNot = false, "You have approved this command: another user must approve it too."
	}
	pending.MayDecide = &may
	return pending
}

// GetCommandOutput returns what the device has reported while it ran a command.
func (s *Server) GetCommandOutput(ctx context.Context, r generated.GetCommandOutputRequestObject) (generated.GetCommandOutputResponseObject, error) {
	o, err := s.queue.Output(ctx, userPrincipal(ctx).Tenant, r.SessionID, r.CommandID, positionFrom(r))
	if err != nil {
		return nil, err
	}
	return generated.GetCommandOutput200JSONResponse(outputOf(o)), nil
}

func positionFrom(r generated.GetCommandOutputRequestObject) int { return value(r.Params.Since) }

func outputOf(o queue.Output) generated.CommandOutput {
	return generated.CommandOutput{
		Output: o.Text, From: o.From, NextSince: o.Next, Complete: o.Complete,
		Percent: o.Percent, Message: o.Message, Seq: o.Seq, Missed: o.Missed, ReportedAt: fieldgate.At(o.ReportedAt),
	}
}

// ProgressData returns the data of an event command.progress.
func ProgressData(p queue.Progress) map[string]any {
	data := map[string]any{"seq": p.Seq, "nextSince": p.Next}
	if p.Percent != nil {
		data["percent"] = *p.Percent
	}
	if p.Message != "" {
		data["message"] = p.Message
	}
	return data
}

func commandPath(c queue.Command) string {
	return sessionsPath + c.SessionID + "/commands/" + c.ID
}

func commandOf(c queue.Command) generated.Command {
	return generated.Command{
		ID: c.ID, SessionID: c.SessionID, DeviceID: c.DeviceID, Type: c.Type, Parameters: c.Parameters,
		Priority: c.Priority, Status: generated.CommandStatus(c.Status), Attempt: c.Attempt, MaxAttempts: c.MaxAttempts,
		Digest: c.Digest, Statement: encodedStatement(c), ProposedBy: c.UserID, ProposedByActor: userDetailsOf(c.UserID, c.Names), RequestID: c.RequestID, Traceparent: c.Traceparent, Reason: c.Reason, RetryOf: c.RetryOf,
		CreatedAt: fieldgate.At(c.CreatedAt), ApproveBy: fieldgate.At(c.ApproveBy), DeliverBy: fieldgate.At(c.DeliverBy),
		ClaimedAt: fieldgate.At(c.ClaimedAt), VisibleUntil: fieldgate.At(c.VisibleUntil), FinishedAt: fieldgate.At(c.FinishedAt), SetAsideAt: fieldgate.At(c.SetAsideAt),
		CancelRequested: c.CancelRequested, Late: c.Late,
		Policy: commandPolicyOf(c), BreakGlass: breakGlassOf(c.BreakGlass),
		Approval: commandApprovalOf(c), Attempts: convert(c.Attempts, attemptOf), Result: resultOf(c.Result),
		ResultConflict:    resultConflictOf(c.OtherResult),
		ParametersOmitted: c.ParametersOmitted, ResultOmitted: c.ResultOmitted,
	}
}

// encodedStatement returns the statement of a command as the contract has it. It is empty for a
// command without one.
func encodedStatement(c queue.Command) string {
	return base64.RawURLEncoding.EncodeToString(c.Statement)
}

// listedCommandOf converts a command like commandOf, without the statement, which would make up half
// of a list.
func listedCommandOf(c queue.Command) generated.Command {
	c.Statement = nil
	return commandOf(c)
}

func approvalOf(a *fieldgate.Approval) generated.Approval {
	if a == nil {
		return generated.Approval{}
	}
	return generated.Approval{
		Decision: generated.Decision(a.Decision), DecidedBy: a.DecidedBy, DecidedByActor: userDetailsOf(a.DecidedBy, a.Names),
		DecidedAt: fieldgate.At(a.DecidedAt), Reason: a.Reason,
	}
}

func attemptOf(a queue.Attempt) generated.CommandAttempt {
	return generated.CommandAttempt{
		Attempt: a.Number, ClaimedAt: fieldgate.At(a.ClaimedAt), EndedAt: fieldgate.At(a.EndedAt), Outcome: a.Outcome,
	}
}

// resultConflictOf converts the result that was refused. It returns the zero value if there is none.
func resultConflictOf(o *queue.OtherResult) generated.ResultConflict {
	if o == nil {
		return generated.ResultConflict{}
	}
	return generated.ResultConflict{
		Status: generated.ResultStatus(o.Status), ReceivedAt: fieldgate.At(o.ReceivedAt),
		Result: *resultOf(&o.Result), Shortened: o.Shortened,
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

package handlers

import (
	"context"
	"slices"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/queue"
)

// WithdrawVote takes back the caller's own approval. It needs the token that the approval has needed: a program
// that may not approve for its user does not undo what the user has approved.
func (s *Server) WithdrawVote(ctx context.Context, r generated.WithdrawVoteRequestObject) (generated.WithdrawVoteResponseObject, error) {
	if err := s.approvals.CheckWithdrawal(userPrincipal(ctx)); err != nil {
		return nil, err
	}
	c, err := s.queue.Withdraw(ctx, withdrawalFrom(ctx, r))
	if err != nil {
		return nil, err
	}
	return generated.WithdrawVote200JSONResponse(decidedCommandOf(c)), nil
}

func withdrawalFrom(ctx context.Context, r generated.WithdrawVoteRequestObject) queue.Decision {
	d := callersDecision(ctx, r.SessionID, r.CommandID)
	d.Reason = reasonFrom(r.Body)
	return d
}

// BreakGlass approves a command without other users.
func (s *Server) BreakGlass(ctx context.Context, r generated.BreakGlassRequestObject) (generated.BreakGlassResponseObject, error) {
	if err := s.approvals.Check(userPrincipal(ctx)); err != nil {
		return nil, err
	}
	c, err := s.queue.BreakGlass(ctx, emergencyFrom(ctx, r))
	if err != nil {
		return nil, err
	}
	return generated.BreakGlass200JSONResponse(decidedCommandOf(c)), nil
}

func emergencyFrom(ctx context.Context, r generated.BreakGlassRequestObject) queue.Decision {
	d := callersDecision(ctx, r.SessionID, r.CommandID)
	d.Reason, d.Digest, d.Passkey = r.Body.Reason, r.Body.Digest, assertionFrom(r.Body.Assertion)
	return d
}

// ReviewBreakGlass closes the review of a command that an admin has approved alone.
func (s *Server) ReviewBreakGlass(ctx context.Context, r generated.ReviewBreakGlassRequestObject) (generated.ReviewBreakGlassResponseObject, error) {
	if err := s.approvals.Check(userPrincipal(ctx)); err != nil {
		return nil, err
	}
	c, err := s.queue.ReviewBreakGlass(ctx, reviewFrom(ctx, r))
	if err != nil {
		return nil, err
	}
	return generated.ReviewBreakGlass200JSONResponse(decidedCommandOf(c)), nil
}

func reviewFrom(ctx context.Context, r generated.ReviewBreakGlassRequestObject) queue.Decision {
	d := callersDecision(ctx, r.SessionID, r.CommandID)
	d.Reason = r.Body.Comment
	return d
}

// callersDecision returns a decision of the caller on a command, without its content.
func callersDecision(ctx context.Context, sessionID, commandID string) queue.Decision {
	p := userPrincipal(ctx)
	return queue.Decision{
		Tenant: p.Tenant, UserID: p.UserID, Names: callerNames(ctx), RequestID: request.ID(ctx), SoleUser: p.SoleUser,
		SignIn: signInOf(p), AuthSessionID: p.SessionID, EarliestCutOff: p.EarliestCutOff(),
		SessionID: sessionID, CommandID: commandID,
	}
}

func signInOf(p customer.Principal) queue.SignIn {
	return queue.SignIn{Roles: p.Role.Names(), Assurance: p.Assurance, At: p.SignedInAt}
}

// hasVoteOf reports whether a user has voted on a command.
func hasVoteOf(c queue.Command, userID string) bool {
	return slices.ContainsFunc(c.Votes, func(v queue.Vote) bool { return v.UserID == userID })
}

// commandApprovalOf converts the decision on a command with its votes. It returns the zero value for a
// command that waits for the approval of one user, and for one that needs none.
func commandApprovalOf(c queue.Command) generated.Approval {
	if c.Approval == nil && c.Required <= 1 && len(c.Votes) == 0 {
		return generated.Approval{}
	}
	approval := approvalOf(c.Approval)
	approval.Required, approval.Votes = max(c.Required, 1), convert(c.Votes, voteOf)
	return approval
}

func voteOf(v queue.Vote) generated.Vote {
	vote := generated.Vote{
		User: userDetailsOf(v.UserID, v.Names), Decision: generated.Decision(v.Decision), At: fieldgate.At(v.At),
		Reason: v.Reason, Aal: v.Assurance,
	}
	if v.Passkey != nil {
		vote.Passkey = v.Passkey.CredentialID
	}
	return vote
}

func commandPolicyOf(c queue.Command) generated.CommandPolicy {
	return generated.CommandPolicy{Version: c.PolicyVersion, Rule: c.Rule}
}

// breakGlassOf converts the mark of a command that an admin has approved alone. It returns the zero value
// if there is none.
func breakGlassOf(b *queue.BreakGlass) generated.BreakGlass {
	if b == nil {
		return generated.BreakGlass{}
	}
	mark := generated.BreakGlass{By: userDetailsOf(b.UserID, b.Names), At: fieldgate.At(b.At), Reason: b.Reason}
	if r := b.Review; r != nil {
		mark.ReviewedBy, mark.ReviewedAt, mark.Comment = userDetailsOf(r.UserID, r.Names), fieldgate.At(r.At), r.Comment
	}
	return mark
}

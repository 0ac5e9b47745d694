package handlers

import (
	"context"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/generated"
)

// CutOff refuses the tokens of a user or a session that were issued before now.
func (s *Server) CutOff(ctx context.Context, r generated.CutOffRequestObject) (generated.CutOffResponseObject, error) {
	if err := s.approvals.CheckCutOff(userPrincipal(ctx)); err != nil {
		return nil, err
	}
	if _, err := s.cutOffs.CutOff(ctx, cutOffFrom(ctx, r)); err != nil {
		return nil, err
	}
	return generated.CutOff204Response{}, nil
}

func cutOffFrom(ctx context.Context, r generated.CutOffRequestObject) customer.CutOffRequest {
	p := userPrincipal(ctx)
	return customer.CutOffRequest{
		Tenant: p.Tenant, UserID: r.UserID, SessionID: r.Body.SessionID, Reason: r.Body.Reason,
		By: p.UserID, Names: callerNames(ctx), RequestID: request.ID(ctx),
	}
}

// CutOffRecord returns a cut-off in the format of the contract.
func CutOffRecord(c customer.CutOff) generated.CutOff {
	return generated.CutOff{
		UserID: c.UserID, SessionID: c.SessionID, CutOffAt: fieldgate.At(c.At),
		CutOffBy: c.By, CutOffByActor: userDetailsOf(c.By, c.Names), Reason: c.Reason,
	}
}

// ListCutOffs lists the cut-offs of the tenant.
func (s *Server) ListCutOffs(ctx context.Context, r generated.ListCutOffsRequestObject) (generated.ListCutOffsResponseObject, error) {
	list, next, err := s.cutOffs.List(ctx, userPrincipal(ctx).Tenant, pageFrom(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return generated.ListCutOffs200JSONResponse(cutOffListOf(list, next)), nil
}

func cutOffListOf(list []customer.CutOff, next string) generated.CutOffList {
	return generated.CutOffList{Items: convert(list, CutOffRecord), NextCursor: next}
}

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
	done, err := s.cutOffs.CutOff(ctx, cutOffFrom(ctx, r))
	if err != nil {
		return nil, err
	}
	return generated.CutOff200JSONResponse(CutOffRecord(done)), nil
}

func cutOffFrom(ctx context.Context, r generated.CutOffRequestObject) customer.CutOffRequest {
	return customer.CutOffRequest{
		Tenant: userPrincipal(ctx).Tenant, UserID: userPrincipal(ctx).UserID, Names: callerNames(ctx), RequestID: request.ID(ctx),
		Kind: customer.CutOffKind(r.Body.Kind), ID: r.Body.ID, Reason: r.Body.Reason,
	}
}

// CutOffRecord returns a cut-off in the format of the contract.
func CutOffRecord(c customer.CutOff) generated.CutOff {
	return generated.CutOff{
		Kind: generated.CutOffKind(c.Kind), ID: c.ID, CutOffAt: fieldgate.At(c.At),
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

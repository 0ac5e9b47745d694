package handlers

import (
	"context"

	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/quota"
)

// GetUsage returns the quotas of the tenant and what it uses of them.
func (s *Server) GetUsage(ctx context.Context, _ generated.GetUsageRequestObject) (generated.GetUsageResponseObject, error) {
	tenant := userPrincipal(ctx).Tenant
	limits, used, err := s.quotas.Usage(ctx, tenant)
	if err != nil {
		return nil, err
	}
	used.WaitingClaims = s.queue.WaitingClaims(tenant)
	return generated.GetUsage200JSONResponse(usageOf(limits, used)), nil
}

func usageOf(limits, used quota.Amounts) generated.Usage {
	return generated.Usage{Limits: limitsOf(limits), Used: amountsOf(used)}
}

// limitsOf converts limits. A limit of zero is no limit, which the response omits.
func limitsOf(a quota.Amounts) generated.UsageLimits {
	return generated.UsageLimits{
		Devices: a.Devices, OpenSessions: a.OpenSessions, ReadyCommands: a.ReadyCommands, PendingApprovals: a.PendingApprovals,
		StoredBytes: a.StoredBytes, Sockets: a.Sockets, WaitingClaims: a.WaitingClaims,
	}
}

func amountsOf(a quota.Amounts) generated.UsageAmounts {
	return generated.UsageAmounts{
		Devices: a.Devices, OpenSessions: a.OpenSessions, ReadyCommands: a.ReadyCommands, PendingApprovals: a.PendingApprovals,
		StoredBytes: a.StoredBytes, Sockets: a.Sockets, WaitingClaims: a.WaitingClaims,
	}
}

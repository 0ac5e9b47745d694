package admin

import (
	"context"
	"fmt"

	"github.com/fieldgate/fieldgate/quota"
)

// usage holds the use of the quotas by a tenant, and the limits that an operator has set for it.
// Waiting claims are counted on each instance, so their use is not known here.
type usage struct {
	Tenant    string               `json:"tenant"`
	Used      map[quota.Name]int64 `json:"used"`
	OwnLimits map[quota.Name]int64 `json:"ownLimits"` // zero: no limit
}

func readUsage(ctx context.Context, quotas *quota.Service, tenant string) (usage, error) {
	own, err := quotas.OwnLimits(ctx, tenant)
	if err != nil {
		return usage{}, err
	}
	_, amounts, err := quotas.Usage(ctx, tenant)
	if err != nil {
		return usage{}, err
	}
	used := map[quota.Name]int64{}
	for _, name := range quota.Names() {
		if name != quota.WaitingClaims {
			used[name] = *amounts.Field(name)
		}
	}
	return usage{Tenant: tenant, Used: used, OwnLimits: own}, nil
}

// use returns what is used of a quota, in words.
func (u usage) use(name quota.Name) string {
	if used, known := u.Used[name]; known {
		return fmt.Sprint(used)
	}
	return ""
}

// limit returns the limit of the tenant, in words.
func (u usage) limit(name quota.Name) string {
	limit, found := u.OwnLimits[name]
	switch {
	case !found:
		return "of the installation"
	case limit == 0:
		return "no limit"
	}
	return fmt.Sprint(limit)
}

package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fieldgate/fieldgate/store"
)

// adopted are the parts of a tenant's keys whose records adoptRecords authenticates. They are kept for longer than
// the commands that end while a record key is introduced or replaced.
var adopted = []string{"policy", "passkeys", "roster"}

// adoptRecords authenticates the policies, passkeys and rosters of all tenants with the record key while it is
// introduced or replaced. It scans the store, because no index has the tenants without devices.
func (g *Gateway) adoptRecords(ctx context.Context) (err error) {
	if g.cfg.RecordKey == "" || g.cfg.RecordKeyRequired {
		return nil
	}
	tenants := map[string]bool{}
	err = g.store.Scan(ctx, func(_ context.Context, names []string) error {
		for _, name := range names {
			if key, ok := store.ParseKey(name); ok && key.Kind == "tenant" && slices.Contains(adopted, key.Part) {
				tenants[key.ID] = true
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking for the tenants whose records need a code of the record key: %w", err)
	}
	for tenant := range tenants {
		err = errors.Join(err, g.adoptRecordsOf(ctx, tenant))
	}
	return err
}

// adoptRecordsOf authenticates the records of a tenant.
func (g *Gateway) adoptRecordsOf(ctx context.Context, tenant string) error {
	policies, errPolicies := g.policies.Adopt(ctx, tenant)
	passkeys, errPasskeys := g.passkeys.Adopt(ctx, tenant)
	versions, errRosters := g.rosters.Adopt(ctx, tenant)
	if policies+passkeys+versions > 0 {
		g.log.InfoContext(ctx, "authenticated records of a tenant with FIELDGATE_RECORD_KEY", "tenant", tenant,
			"policies", policies, "passkeys", passkeys, "rosterVersions", versions)
	}
	return errors.Join(errPolicies, errPasskeys, errRosters)
}

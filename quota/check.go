package quota

import (
	"context"
	"fmt"

	"github.com/fieldgate/fieldgate/store"
)

// CountsMatch is the invariant that a tenant and each of its devices count what their records
// count.
const CountsMatch store.Invariant = "countsMatch"

// CheckDevice returns a violation of CountsMatch if ReconcileDevice would correct the count of
// the device d.
func (s *Service) CheckDevice(ctx context.Context, d store.Device, sum func(context.Context) (int64, error)) ([]store.Violation, error) {
	missing, _, err := s.missingInDevice(ctx, d, sum)
	if err != nil || missing == 0 {
		return nil, err
	}
	return []store.Violation{{
		Invariant: CountsMatch, Damage: fmt.Sprintf("the stored bytes of a device lack %d", missing), ID: d.ID, Device: d.ID,
	}}, nil
}

// CheckTenant returns a violation of CountsMatch for each count of a tenant that ReconcileTenant
// would correct.
func (s *Service) CheckTenant(ctx context.Context, tenant string) (found []store.Violation, err error) {
	missing, _, err := s.missingInTenant(ctx, tenant)
	if err != nil {
		return nil, err
	}
	for _, name := range counted {
		if by := *missing.Field(name); by != 0 {
			found = append(found, store.Violation{
				Invariant: CountsMatch, Damage: fmt.Sprintf("the count of %s of a tenant lacks %d", name, by), ID: tenant,
			})
		}
	}
	return found, nil
}

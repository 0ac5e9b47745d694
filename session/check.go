package session

import (
	"context"
	"fmt"
	"slices"

	"github.com/fieldgate/fieldgate/store"
)

// Check returns the violations of invariants in all sessions of a device, and repairs none. It
// runs the check of the script that Reconcile runs, on each session. It also returns what the
// sessions count towards the stored bytes of their tenant.
func (s *Service) Check(ctx context.Context, d store.Device) (found []store.Violation, bytes int64, err error) {
	ids, err := s.candidates(ctx, d) // includes the session that the device's record names
	if err != nil {
		return nil, 0, fmt.Errorf("reading the sessions of a device: %w", err)
	}
	err = s.eachPage(ctx, d, func(page []string) error {
		ids = append(ids, page...)
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("reading the sessions of a device: %w", err)
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		damages, err := s.CheckOne(ctx, d, id)
		if err != nil {
			return nil, 0, fmt.Errorf("checking a session: %w", err)
		}
		found = append(found, damages...)
	}
	if bytes, err = s.countedBytes(ctx, d); err != nil {
		return nil, 0, fmt.Errorf("adding up the sessions of a device: %w", err)
	}
	return found, bytes, nil
}

// CheckOne returns the violations in one session of the device d, which no index needs to
// contain.
func (s *Service) CheckOne(ctx context.Context, d store.Device, id string) ([]store.Violation, error) {
	return s.compare(ctx, checkScript, d, id)
}

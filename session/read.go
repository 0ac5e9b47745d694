package session

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate/store"
)

// maxExamined bounds the records that one call looks at. A page may end early
// because of it, and its cursor goes on.
const maxExamined = 1000

// Get reads a session. Refusal: session_not_found.
func (s *Service) Get(ctx context.Context, tenant, id string) (Session, error) {
	if !store.OwnsID(tenant, store.KindSession, id) {
		return Session{}, errSessionNotFound
	}
	found, err := s.read(ctx, tenant, []string{id})
	if err != nil {
		return Session{}, fmt.Errorf("reading a session: %w", err)
	}
	if len(found) == 0 {
		return Session{}, errSessionNotFound
	}
	return found[0], nil
}

// Filter chooses sessions. Empty fields choose all.
type Filter struct {
	DeviceID string
	Status   Status
}

// List reads sessions, the newest first, and the cursor of the next page.
// Refusal: validation_failed for a cursor that is not ours.
func (s *Service) List(ctx context.Context, tenant string, f Filter, page store.Page) (list []Session, next string, err error) {
	index := store.Tenant(tenant).SessionsKey()
	if f.DeviceID != "" {
		if !store.OwnsID(tenant, store.KindDevice, f.DeviceID) {
			return nil, "", nil
		}
		index = store.Device{Tenant: tenant, ID: f.DeviceID}.SessionsKey()
	}
	chunk := store.Page{Cursor: page.Cursor, Limit: page.Limit}
	for examined := 0; examined < maxExamined; examined += chunk.Limit {
		ids, err := s.store.Members(ctx, store.Listing{Key: index, Newest: true}, chunk)
		if err != nil {
			return nil, "", fmt.Errorf("listing sessions: %w", err)
		}
		more := len(ids) > chunk.Limit
		found, err := s.read(ctx, tenant, ids[:min(len(ids), chunk.Limit)])
		if err != nil {
			return nil, "", fmt.Errorf("listing sessions: %w", err)
		}
		for _, one := range found {
			if f.Status != "" && one.Status != f.Status {
				continue
			}
			if list = append(list, one); len(list) == page.Limit {
				return list, cursorAfter(one.ID, more || one.ID != found[len(found)-1].ID), nil
			}
		}
		if !more {
			return list, "", nil
		}
		chunk.Cursor = store.CursorAfter(ids[chunk.Limit-1])
	}
	return list, chunk.Cursor, nil
}

func cursorAfter(id string, more bool) string {
	if !more {
		return ""
	}
	return store.CursorAfter(id)
}

// read gets the tenant's sessions by id; what is missing, or another's, is left out.
func (s *Service) read(ctx context.Context, tenant string, ids []string) ([]Session, error) {
	records := make([]*redis.MapStringStringCmd, len(ids))
	var now time.Time
	err := s.store.Do(ctx, "read_sessions", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		for i, id := range ids {
			records[i] = pipe.HGetAll(ctx, store.SessionKey(id))
		}
		clock := pipe.Time(ctx)
		_, err := pipe.Exec(ctx)
		now = clock.Val()
		return err
	})
	if err != nil {
		return nil, err
	}
	var found []Session
	for i, id := range ids {
		if fields := records[i].Val(); fields["tenant"] == tenant {
			found = append(found, decode(id, fields, now))
		}
	}
	return found, nil
}

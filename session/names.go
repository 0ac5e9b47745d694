package session

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate/store"
)

// nameFields are the fields of the record of a session that decide whether it has names of a user.
var nameFields = []string{"tenant", "created_by", "created_name", "created_email"}

// EraseNames erases the name and the e-mail address of a user from the sessions with these ids that
// the user has opened. The id of the user stays. If the tenant is not empty, sessions of others are
// left as they are. It returns the number of sessions that had a name, and that of the records that
// cannot be read. A dry run only counts.
func (s *Service) EraseNames(ctx context.Context, tenant string, ids []string, userID string, dryRun bool) (erased, unreadable int, err error) {
	named, unreadable, err := s.withNames(ctx, tenant, ids, store.ActorUser(userID))
	if err != nil || dryRun || len(named) == 0 {
		return len(named), unreadable, err
	}
	// The user who has opened a session never changes, so that no script has to compare it again.
	err = s.store.Do(ctx, "erase_session_names", func(ctx context.Context, c store.Client) error {
		_, err := c.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, id := range named {
				pipe.HDel(ctx, store.SessionKey(id), "created_name", "created_email")
			}
			return nil
		})
		return err
	})
	if err != nil {
		return 0, unreadable, fmt.Errorf("erasing names from sessions: %w", err)
	}
	return len(named), unreadable, nil
}

// withNames returns the ids of the sessions that have a name or an e-mail address of the actor.
func (s *Service) withNames(ctx context.Context, tenant string, ids []string, actor string) (named []string, unreadable int, err error) {
	records := make([]*redis.SliceCmd, len(ids))
	err = s.store.Do(ctx, "read_session_names", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		for i, id := range ids {
			records[i] = pipe.HMGet(ctx, store.SessionKey(id), nameFields...)
		}
		return store.ExecReads(ctx, pipe, store.WrongType)
	})
	if err != nil {
		return nil, 0, fmt.Errorf("reading the names in sessions: %w", err)
	}
	for i, record := range records {
		fields := store.Reply(record.Val())
		switch {
		case record.Err() != nil:
			unreadable++
		case tenant != "" && fields.String(0) != tenant:
		case fields.String(1) == actor && fields.String(2)+fields.String(3) != "":
			named = append(named, ids[i])
		}
	}
	return named, unreadable, nil
}

// EraseAnswerNames erases the names of a user from an answer that is stored for a repeated request to
// open a session. The key is one of store.IdempotencyKeys. It reports whether the answer had a name, and
// returns false for the answer to another request. A dry run only reports.
func (s *Service) EraseAnswerNames(ctx context.Context, key, userID string, dryRun bool) (bool, error) {
	reply, err := s.store.Run(ctx, eraseOpenedNamesScript, []string{key}, store.ActorUser(userID), dryRun)
	if err != nil {
		return false, fmt.Errorf("erasing names from a stored answer: %w", err)
	}
	return reply.Int(2) == 1, nil
}

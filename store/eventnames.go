package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// These bound the work of one script that erases names from events, and of a run.
const (
	namesBatch    = 200         // number of events that one script copies or one round trip reads
	namesAttempts = 5           // number of copies that a run begins if events are deleted meanwhile
	copyKept      = time.Minute // time after which the copy of an interrupted run expires
)

var eraseEventNamesScript = ownScripts.Script("lua/erase_event_names.lua")

var (
	errCopyLost      = errors.New("another run erases names from the same events, or this one was paused: run the command again")
	errStreamChanges = errors.New("events are deleted from the same stream: run the command again when nothing else is erased")
)

// EraseEventNames erases the name and the e-mail address of a user from the events of a stream, and
// returns the number of events that had one. The events keep their ids, their actor and everything
// else. The gateway may add events meanwhile, and clients may read them. A dry run only counts. The
// key is Tenant.StreamKey or Device.TimelineKey.
func (s *Store) EraseEventNames(ctx context.Context, key, userID string, dryRun bool) (int, error) {
	actor := ActorUser(userID)
	found, err := s.countEventNames(ctx, key, actor)
	if err != nil {
		return 0, fmt.Errorf("reading a stream of events: %w", err)
	}
	if found == 0 || dryRun {
		return found, nil
	}
	for range namesAttempts {
		erased, err := s.copyWithoutNames(ctx, key, actor)
		if !errors.Is(err, errStreamChanges) {
			return erased, err
		}
	}
	return 0, errStreamChanges
}

// countEventNames returns the number of events of an actor that have a name or an e-mail address.
func (s *Store) countEventNames(ctx context.Context, key, actor string) (found int, err error) {
	for from := "-"; ; {
		var events []redis.XMessage
		err := s.Do(ctx, "read_event_names", func(ctx context.Context, c Client) (err error) {
			events, err = c.XRangeN(ctx, key, from, "+", namesBatch).Result()
			return err
		})
		if err != nil {
			return 0, err
		}
		for _, entry := range events {
			if e := ParseEvent(entry); e.Actor == actor && (e.Name != "" || e.Email != "") {
				found++
			}
		}
		if len(events) < namesBatch {
			return found, nil
		}
		from = "(" + events[len(events)-1].ID
	}
}

// copyWithoutNames replaces a stream by its copy without the names of an actor. It returns
// errStreamChanges if the copy has to be made again.
func (s *Store) copyWithoutNames(ctx context.Context, key, actor string) (erased int, err error) {
	token, from := rand.Text(), StreamID{}.String()
	for {
		reply, err := s.Run(ctx, eraseEventNamesScript, []string{key, copyKey(key)},
			actor, token, from, namesBatch, copyKept.Milliseconds())
		if err != nil {
			return 0, fmt.Errorf("copying a stream of events: %w", err)
		}
		from, erased = reply.String(3), erased+int(reply.Int(4))
		switch reply.String(2) {
		case "replaced":
			return erased, nil
		case "changed":
			return 0, errStreamChanges
		case "lost":
			return 0, errCopyLost
		}
	}
}

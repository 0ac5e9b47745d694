package queue

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fieldgate/fieldgate/store"
)

// namesBatch is the maximum number of commands from which one script erases names.
const namesBatch = 50

// ErasedNames counts the records of EraseNames and EraseAnswerNames.
type ErasedNames struct {
	Erased     int // records that had a name of the user
	Unreadable int // records that name the user and cannot be read, so that they stay as they are
}

// EraseNames erases the name and the e-mail address of a user from the commands of a device that the
// user has proposed or decided on. The id of the user stays. A dry run only counts.
func (q *Queue) EraseNames(ctx context.Context, d store.Device, userID string, dryRun bool) (done ErasedNames, err error) {
	actor := store.ActorUser(userID)
	var ids []string
	err = q.eachState(ctx, d, func(id, raw string) {
		switch s, err := decodeState(raw); {
		case err != nil && strings.Contains(raw, actor):
			done.Unreadable++
		case err == nil && s.hasNamesOf(actor):
			ids = append(ids, id)
		}
	})
	if err != nil {
		return ErasedNames{}, fmt.Errorf("reading the commands of a device: %w", err)
	}
	if dryRun {
		done.Erased = len(ids)
		return done, nil
	}
	scope := store.NewScope(d, store.ActorSystem, "", q.cfg.Retention)
	for batch := range slices.Chunk(ids, namesBatch) {
		args := []any{actor}
		for _, id := range batch {
			args = append(args, id)
		}
		reply, err := q.store.Run(ctx, eraseNamesScript, d.Keys(), scope.Args(args...)...)
		if err != nil {
			return done, fmt.Errorf("erasing names from commands: %w", err)
		}
		done.Erased += int(reply.Int(2))
		done.Unreadable += int(reply.Int(3))
	}
	return done, nil
}

// hasNamesOf reports whether the state has a name or an e-mail address of the actor.
func (s state) hasNamesOf(actor string) bool {
	has := func(by, name, email string) bool { return by == actor && name+email != "" }
	if a := s.Approval; a != nil && has(a.By, a.Name, a.Email) {
		return true
	}
	if g := s.Glass; g != nil && (has(g.By, g.Name, g.Email) || has(g.Reviewer, g.ReviewerName, g.ReviewerEmail)) {
		return true
	}
	isVoter := func(v approvalState) bool { return has(v.By, v.Name, v.Email) }
	return has(s.Proposer, s.Name, s.Email) || slices.ContainsFunc(s.Votes, isVoter)
}

// EraseAnswerNames erases the names of a user from an answer that is stored for a repeated proposal.
// The key is one of store.IdempotencyKeys. It does nothing if the answer is that to another request. A
// dry run only counts.
func (q *Queue) EraseAnswerNames(ctx context.Context, key, userID string, dryRun bool) (ErasedNames, error) {
	reply, err := q.store.Run(ctx, eraseAnswerNamesScript, []string{key}, store.ActorUser(userID), dryRun)
	if err != nil {
		return ErasedNames{}, fmt.Errorf("erasing names from a stored answer: %w", err)
	}
	return ErasedNames{Erased: int(reply.Int(2)), Unreadable: int(reply.Int(3))}, nil
}

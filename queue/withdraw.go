package queue

import (
	"context"

	"github.com/fieldgate/fieldgate/store"
)

// Withdraw takes back the user's own approval of a command, which then waits for another one. Only the
// ids, the reason and the fields about the user's token are used. A repetition changes nothing, unless another
// user has withdrawn a vote meanwhile. Refusals: session_not_found, command_not_found, unauthorized for a user
// who was cut off, already_claimed, command_finished, vote_not_found for a user without a vote.
func (q *Queue) Withdraw(ctx context.Context, d Decision) (Command, error) {
	c, err := q.Get(ctx, d.Tenant, d.SessionID, d.CommandID)
	if err != nil {
		return Command{}, err
	}
	return q.runOnDecided(ctx, withdrawScript, c, d, d.Reason)
}

// runOnDecided runs a script that changes what was decided on a command. The arguments precede those that
// identify the user's token.
func (q *Queue) runOnDecided(ctx context.Context, script *store.Script, c Command, d Decision, args ...any) (Command, error) {
	scope, keys := q.scopeOf(c, d.UserID, d.Names, d.RequestID), []string{store.Tenant(d.Tenant).CutOffsKey()}
	return q.runAsUser(ctx, script, c, scope, keys, append(args, d.AuthSessionID, d.EarliestCutOff.UnixMilli())...)
}

package queue_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// withoutMACs returns a change that also removes the MACs, as a writer may whose gateway has no record
// key of its own.
func withoutMACs(change func(w *watched, id string)) func(w *watched, id string) {
	return func(w *watched, id string) {
		change(w, id)
		w.editState(id, func(state map[string]any) {
			delete(state, "mac")
			if approval, approved := state["approval"].(map[string]any); approved {
				delete(approval, "mac")
			}
			for _, vote := range votesOf(state) {
				delete(vote.(map[string]any), "mac")
			}
		})
	}
}

// TestClaim_WithoutMACStatementIsCompared changes one part of a record whose MACs are gone. The digest
// and the statement are still compared with the rest of the record. A writer who changes all of them
// alike is only noticed with a record key.
func TestClaim_WithoutMACStatementIsCompared(t *testing.T) {
	t.Parallel()
	later := time.Now().Add(24 * 365 * time.Hour)
	changes := map[string]func(w *watched, id string){
		"attempts": setField("max", 9), "deadline": setField("deliver_by", later.UnixMilli()), "priority": setField("priority", 9),
		"proposer": setField("proposer", "user:mallory"), "digest": setField("digest", strings.Repeat("0", 64)),
		"no digest":       func(w *watched, id string) { w.editState(id, func(s map[string]any) { delete(s, "digest") }) },
		"parameters":      editStatement(`example.com`, `evil.example`),
		"stated attempts": withDigest(editStatement(`"maxAttempts":1`, `"maxAttempts":2`)),
		"stated priority": withDigest(editStatement(`"priority":5`, `"priority":6`)),
		"stated deadline": withDigest(editStatement(`"deliverBy":"20`, `"deliverBy":"21`)),
		"stated proposer": withDigest(editStatement(`"id":"`+proposer, `"id":"mallory`)),
		"stated version":  withDigest(editStatement(`"version":1}`, `"version":2}`)),
		"statement of another": func(w *watched, id string) {
			other := w.cancel(w.propose(review))
			w.overwriteField(id+":body", string(other.Statement))
			setField("digest", other.Digest)(w, id)
		},
	}
	eachWatched(t, func(w *watched) {
		for what, change := range changes {
			c := w.propose(review)
			w.approve(c)
			withoutMACs(change)(w, c.ID)
			require.Empty(t, w.claim(), what)
			w.requireSetAside(c.ID, what)
		}
	})
}

// TestClaim_NoStoredFieldChangesWhatRuns changes each stored field of an approved command. The device
// gets what was approved, or nothing.
func TestClaim_NoStoredFieldChangesWhatRuns(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(w *watched) {
		fields := w.state(w.approve(w.propose(review)).ID)
		w.claimOne()
		for name := range fields {
			c := w.approve(w.propose(review))
			w.editState(c.ID, func(state map[string]any) { state[name] = changedValue(state[name]) })
			leases := w.claim()
			w.requireApproved(c, leases, name)
			if len(leases) > 0 {
				w.submitResult(leases[0], queue.Succeeded)
			}
		}
		for _, change := range []string{"", "{}", "x"} {
			c := w.approve(w.propose(review))
			w.overwriteField(c.ID+":body", change)
			require.Empty(t, w.claim(), change)
		}
	}, withRecordKey)
}

// changedValue returns another value of the same type.
func changedValue(value any) any {
	switch value := value.(type) {
	case string:
		return value + "x"
	case json.Number:
		n, _ := value.Int64()
		return n + 1
	case bool:
		return !value
	case map[string]any:
		changed := map[string]any{}
		for name, member := range value {
			changed[name] = changedValue(member)
		}
		return changed
	}
	return nil
}

// requireApproved requires that each lease is on the command as it was approved.
func (w *watched) requireApproved(c queue.Command, leases []queue.Lease, what string) {
	w.t.Helper()
	for _, l := range leases {
		require.Equal(w.t, []any{c.ID, c.Statement, c.Parameters, c.MaxAttempts, c.DeliverBy, c.Priority, c.UserID, c.Digest},
			[]any{l.ID, l.Statement, l.Parameters, l.MaxAttempts, l.DeliverBy, l.Priority, l.UserID, l.Digest}, what)
	}
}

// votesOf returns the stored votes of a command in a state.
func votesOf(state map[string]any) []any {
	votes, _ := state["votes"].([]any)
	return votes
}

// voteTamperings returns changes of a command that two users must approve, by a writer of the store who
// has no key.
func voteTamperings() map[string]func(state map[string]any) {
	by := func(user string) map[string]any {
		return map[string]any{"by": "user:" + user, "at": time.Now().UnixMilli()}
	}
	approvedBy := func(user string) map[string]any {
		vote := by(user)
		vote["decision"] = "approved"
		return vote
	}
	return map[string]func(state map[string]any){
		"a vote removed":             func(s map[string]any) { delete(s, "votes") },
		"fewer required":             func(s map[string]any) { delete(s, "votes"); delete(s, "required") },
		"one required":               func(s map[string]any) { delete(s, "votes"); s["required"] = 1 },
		"a vote doubled":             func(s map[string]any) { s["votes"] = []any{s["approval"]} },
		"a vote doubled beside":      func(s map[string]any) { s["votes"] = append(votesOf(s), votesOf(s)[0]) },
		"a vote of the proposer":     func(s map[string]any) { s["votes"] = []any{by(proposer)} },
		"the decision of a proposer": func(s map[string]any) { s["approval"] = approvedBy(proposer) },
		"an admin alone": func(s map[string]any) {
			delete(s, "votes")
			s["approval"].(map[string]any)["glass"] = true
			s["glass"] = by("dora")
		},
	}
}

// TestClaim_SetsForgedVotesAside changes the votes of an approved command, with and without a record key.
// Without one, the MACs are removed too.
func TestClaim_SetsForgedVotesAside(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(w *watched) {
		for what, forge := range voteTamperings() {
			c := w.propose(review)
			w.voteOf(c, "bob")
			w.voteOf(c, "carol")
			withoutMACs(func(w *watched, id string) { w.editState(id, forge) })(w, c.ID)
			require.Empty(t, w.claim(), what)
			require.Equal(t, queue.Queued, w.statusOf(c.ID), what)
			require.Contains(t, w.quarantined(), w.dueMember(c.ID), what)
		}
	}, requiring(twoApprovals))
}

// TestClaim_SetsForgedVotesAsideByTheirMACs lets a writer of the store invent votes, where each has to have a
// MAC.
func TestClaim_SetsForgedVotesAsideByTheirMACs(t *testing.T) {
	t.Parallel()
	changes := voteTamperings()
	changes["a vote added"] = func(s map[string]any) {
		s["votes"] = []any{map[string]any{"by": "user:mallory", "at": 1}}
	}
	changes["the MAC of another user's vote"] = func(s map[string]any) {
		votesOf(s)[0].(map[string]any)["by"] = "user:mallory"
	}
	changes["a stronger sign-in"] = func(s map[string]any) {
		votesOf(s)[0].(map[string]any)["aal"] = "aal3"
	}
	changes["a higher role"] = func(s map[string]any) {
		votesOf(s)[0].(map[string]any)["roles"] = "approver admin"
	}
	changes["another sign-in"] = func(s map[string]any) {
		votesOf(s)[0].(map[string]any)["age"] = time.Hour.Milliseconds()
	}
	changes["no sign-in"] = func(s map[string]any) {
		delete(votesOf(s)[0].(map[string]any), "roles")
		delete(votesOf(s)[0].(map[string]any), "age")
	}
	changes["another reason"] = func(s map[string]any) {
		s["approval"].(map[string]any)["reason"] = "agreed"
	}
	changes["more required than was vouched for"] = func(s map[string]any) { s["required"] = 3 }
	eachWatched(t, func(w *watched) {
		for what, forge := range changes {
			c := w.propose(review)
			w.voteOf(c, "bob")
			w.voteOf(c, "carol")
			w.editState(c.ID, forge)
			require.Empty(t, w.claim(), what)
			require.Contains(t, w.quarantined(), w.dueMember(c.ID), what)
		}
	}, requiring(twoApprovals), withRecordKey)
}

// TestClaim_RepetitionNeedsAllVotes removes a vote of a claimed command.
func TestClaim_RepetitionNeedsAllVotes(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(w *watched) {
		c := w.propose(review)
		w.voteOf(c, "bob")
		w.voteOf(c, "carol")
		w.claimOne(claimKey("k"))
		w.editState(c.ID, func(state map[string]any) { delete(state, "votes") })
		require.Empty(t, w.claim(claimKey("k")))
		w.requireSetAside(c.ID, "repetition")
	}, requiring(twoApprovals))
}

// TestGet_ShowsNoForgedVote reads commands whose votes were changed in the store, before and after the claim that
// sets them aside, in each way in which a user reads them.
func TestGet_ShowsNoForgedVote(t *testing.T) {
	t.Parallel()
	changes := voteTamperings()
	changes["a vote added"] = func(s map[string]any) {
		s["votes"] = append(votesOf(s), map[string]any{"by": "user:mallory", "at": 1})
	}
	changes["a stronger sign-in"] = func(s map[string]any) { votesOf(s)[0].(map[string]any)["aal"] = "aal3" }
	changes["another approver"] = func(s map[string]any) { s["approval"].(map[string]any)["by"] = "user:mallory" }
	eachWatched(t, func(w *watched) {
		for what, forge := range changes {
			c := w.propose(review)
			w.voteOf(c, "bob")
			w.voteOf(c, "carol")
			w.editState(c.ID, forge)
			for _, shown := range w.everyRead(c) {
				w.requireTrueVotes(shown, what)
				require.Zero(t, shown.SetAsideAt, what)
			}
			require.Empty(t, w.claim(), what)
			for _, shown := range w.everyRead(c) {
				w.requireTrueVotes(shown, what)
				require.WithinDuration(t, time.Now(), shown.SetAsideAt, time.Minute, what)
			}
			cancelled := w.cancel(c)
			w.requireTrueVotes(cancelled, what)
			require.Zero(t, w.get(c.ID).SetAsideAt, "%s: the command has ended", what)
		}
	}, requiring(twoApprovals), withRecordKey)
}

// everyRead returns a command from each read that a user has.
func (w *watched) everyRead(c queue.Command) []queue.Command {
	w.t.Helper()
	listed, _, err := w.queue.List(w.t.Context(), c.Tenant, c.SessionID, queue.NewestFirst, store.Page{Limit: 1})
	require.NoError(w.t, err)
	found, _, err := w.queue.Search(w.t.Context(), c.Tenant, queue.Filter{}, store.Page{Limit: 1})
	require.NoError(w.t, err)
	all := append([]queue.Command{w.get(c.ID)}, append(listed, found...)...)
	require.Len(w.t, all, 3)
	_, err = w.queue.Decide(w.t.Context(), w.vote(c, "erin", true))
	if refused := requireRefusal(w.t, err, fieldgate.CodeAlreadyDecided); refused.Approval != nil {
		require.Equal(w.t, "carol", refused.Approval.DecidedBy)
	}
	return all
}

// requireTrueVotes requires that a command shows no vote but those of bob and carol, as they have made them.
func (w *watched) requireTrueVotes(c queue.Command, what string) {
	w.t.Helper()
	seen := map[string]bool{}
	for _, v := range c.Votes {
		require.False(w.t, seen[v.UserID], what)
		require.Contains(w.t, []string{"bob", "carol"}, v.UserID, what)
		require.Equal(w.t, "aal2", v.Assurance, what)
		require.False(w.t, v.Alone, what)
		seen[v.UserID] = true
	}
	if c.Approval != nil {
		require.Equal(w.t, "carol", c.Approval.DecidedBy, what)
	}
	require.Nil(w.t, c.BreakGlass, what)
}

// TestGet_ShowsVotesOfAnEarlierKey requires that the history of a command stays after the record key was replaced.
func TestGet_ShowsVotesOfAnEarlierKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t), requiring(twoApprovals))
	c, waiting := f.propose(review), f.propose(review)
	f.voteOf(c, "bob")
	f.voteOf(c, "carol")
	f.voteOf(waiting, "bob")
	f.submitResult(f.claimOne(), queue.Succeeded)
	strict := f.underRule(twoApprovals)
	require.Equal(t, []string{"bob", "carol"}, voters(strict.get(c.ID)))
	require.Empty(t, voters(strict.get(waiting.ID)), "the votes of a command that may run are proven, or not shown")
}

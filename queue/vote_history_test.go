package queue_test

import (
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/queue/model"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// These are the numbers of one history of votes. Its users vote on a few commands at a time.
const (
	voteCommands   = 40
	voteOperations = 400 // of each user
	votesNeeded    = 2
)

// votingUsers are the users of a history. The place of each is its bit in a set.
var votingUsers = []string{"bob", "carol", "dora", "erin"}

// TestVotes_HistoriesAreLinearizable lets users approve and withdraw, and a device claim, at the same time on
// two instances. It then searches for an order of the operations that explains every response, and in which
// each command is claimed at an instant at which as many users approve it as the rule requires.
func TestVotes_HistoriesAreLinearizable(t *testing.T) {
	t.Parallel()
	url := storetest.Start(t).URL()
	f := newFixture(t, storetest.Connect(t, store.Config{URL: url}), requiring(twoApprovals), withRecordKey)
	other := *f
	other.store = storetest.Connect(t, store.Config{URL: url})
	h := &voteHistory{f: f, instances: []*fixture{f, other.underRule(twoApprovals)}, began: time.Now(), of: map[string][]porcupine.Operation{}}
	for range voteCommands {
		h.commands = append(h.commands, f.propose(review))
	}
	var users sync.WaitGroup
	for n := range votingUsers {
		users.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(n)))
			for i := range voteOperations {
				h.vote(n, h.commands[min(i*voteCommands/voteOperations+rng.IntN(2), voteCommands-1)], rng.IntN(3) == 0)
				if rng.IntN(12) == 0 {
					h.claim(n)
				}
			}
		})
	}
	users.Wait()
	require.Greater(t, h.claimed, voteCommands/4)
	for id, operations := range h.of {
		result := porcupine.CheckOperationsTimeout(voteModel(), operations, checkTimeout)
		require.Equal(t, porcupine.Ok, result, "no order explains the responses about %s: %+v", id, operations)
	}
}

// voteHistory records what users have done to the commands of a device.
type voteHistory struct {
	f         *fixture
	instances []*fixture
	commands  []queue.Command
	began     time.Time

	mu      sync.Mutex
	of      map[string][]porcupine.Operation // by the id of the command
	claimed int
}

// voteOperation is one operation on a command, and its response. A claim has no user.
type voteOperation struct {
	kind   model.Kind
	user   int // place in votingUsers
	code   fieldgate.Code
	status queue.Status
	votes  uint // set of the users who approve
	found  bool // the claim returned the command
}

// vote approves a command as a user, or withdraws the user's approval.
func (h *voteHistory) vote(n int, c queue.Command, withdraw bool) {
	f := h.instances[n%len(h.instances)]
	op, act := voteOperation{kind: model.Approve, user: n}, f.queue.Decide
	if withdraw {
		op.kind, act = model.Withdraw, f.queue.Withdraw
	}
	call := time.Since(h.began)
	after, err := act(f.t.Context(), f.vote(c, votingUsers[n], true))
	var refused *fieldgate.Error
	if err != nil && !assert.ErrorAs(f.t, err, &refused) {
		return
	}
	if errors.As(err, &refused) {
		op.code = refused.Code
	}
	op.status = after.Status
	for _, v := range after.Votes {
		op.votes |= 1 << slices.Index(votingUsers, v.UserID)
	}
	h.record(n, c.ID, call, op)
}

// claim claims a command. If there is none, no command was ready.
func (h *voteHistory) claim(n int) {
	f := h.instances[n%len(h.instances)]
	call := time.Since(h.began)
	leases, err := f.queue.Claim(f.t.Context(), queue.ClaimRequest{Device: f.device, Limit: 1, Visibility: time.Hour})
	if !assert.NoError(f.t, err) {
		return
	}
	for _, l := range leases {
		h.record(n, l.ID, call, voteOperation{kind: model.Claim, found: true})
	}
	for _, c := range h.commands {
		if len(leases) == 0 {
			h.record(n, c.ID, call, voteOperation{kind: model.Claim})
		}
	}
}

func (h *voteHistory) record(n int, command string, call time.Duration, op voteOperation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if op.found {
		h.claimed++
	}
	h.of[command] = append(h.of[command], porcupine.Operation{
		ClientId: n, Input: op, Call: int64(call), Return: int64(time.Since(h.began)),
	})
}

// voteState is the state of a command in the model of votes.
type voteState struct {
	votes     uint
	withdrawn int // the last user who has withdrawn an approval, or -1
	claimed   bool
}

func (s voteState) status() queue.Status {
	switch {
	case s.claimed:
		return queue.Claimed
	case bits.OnesCount(s.votes) >= votesNeeded:
		return queue.Queued
	}
	return queue.PendingApproval
}

// voteModel returns a porcupine model of the votes on one command.
func voteModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return voteState{withdrawn: -1} },
		Step: func(state, input, _ any) (bool, any) {
			next, isLegal := state.(voteState).after(input.(voteOperation))
			return isLegal, next
		},
		DescribeOperation: func(input, _ any) string { return fmt.Sprintf("%+v", input) },
	}
}

// after returns the state after an operation, and reports whether the response was right.
func (s voteState) after(op voteOperation) (voteState, bool) {
	has, status := s.votes&(1<<op.user) != 0, s.status()
	switch {
	case op.kind == model.Claim:
		isReady := status == queue.Queued
		s.claimed = s.claimed || op.found
		return s, op.found == isReady
	case op.code == fieldgate.CodeAlreadyDecided:
		return s, op.kind == model.Approve && !has && status != queue.PendingApproval
	case op.code == fieldgate.CodeAlreadyClaimed:
		return s, op.kind == model.Withdraw && s.claimed
	case op.code == fieldgate.CodeVoteNotFound:
		return s, op.kind == model.Withdraw && !s.claimed && !has && s.withdrawn != op.user
	case op.code != "":
		return s, false
	}
	isLegal := has || status == queue.PendingApproval
	if op.kind == model.Withdraw {
		isLegal = !s.claimed && (has || s.withdrawn == op.user)
		s.votes, s.withdrawn = s.votes&^(1<<op.user), op.user
	} else {
		s.votes |= 1 << op.user
	}
	return s, isLegal && op.votes == s.votes && op.status == s.status()
}

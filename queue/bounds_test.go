package queue_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func (f *fixture) proposeMany(commandType string, n int) (commands []queue.Command) {
	f.t.Helper()
	for range n {
		commands = append(commands, f.propose(commandType))
	}
	return commands
}

func (f *fixture) requireQueueFull(commandType string) {
	f.t.Helper()
	_, err := f.queue.Propose(f.t.Context(), f.proposal(commandType))
	require.Positive(f.t, requireRefusal(f.t, err, fieldgate.CodeDeviceQueueFull).RetryAfter)
}

func TestPropose_LimitsReadyCommands(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.proposeMany(auto, 100)
		f.requireQueueFull(auto)
		f.requireQueueFull(review) // refused too, because the command would be ready after its approval
		require.Len(t, f.listAll(f.session.ID, 200), 100, "a refused proposal leaves no command")
		f.claimOne()
		f.propose(auto)
		f.withDevice(f.newDevice(f.device.Tenant)).propose(auto)
	})
}

func TestPropose_LimitsPendingApprovals(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		pending := f.proposeMany(review, 100)
		f.requireQueueFull(review)
		f.propose(auto)
		f.approve(pending[0])
		f.propose(review)
	})
}

// parametersOf returns a change that sets parameters of the given size in bytes.
func parametersOf(size int) func(*queue.Proposal) {
	return func(p *queue.Proposal) {
		p.Parameters = json.RawMessage(`{"a":"` + strings.Repeat("x", size-len(`{"a":""}`)) + `"}`)
	}
}

func TestPropose_LimitsParameters(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	largest := f.propose(auto, parametersOf(32<<10))
	require.Equal(t, largest.Parameters, f.claimOne().Parameters)

	p := f.proposal(auto)
	parametersOf(32<<10 + 1)(&p)
	_, err := f.queue.Propose(t.Context(), p)
	require.Equal(t, "/parameters", requireRefusal(t, err, fieldgate.CodeValidationFailed).Fields[0].Pointer)
}

func TestPropose_DefaultsToNoParameters(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	f.propose(auto, func(p *queue.Proposal) { p.Parameters = nil })
	require.Equal(t, `{}`, string(f.claimOne().Parameters))
}

func TestList_OmitsResultsAndLargeParameters(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		large, small := f.propose(review, parametersOf(4<<10+1)), f.propose(review, parametersOf(4<<10))
		require.Equal(t, []string{large.Digest, small.Digest}, []string{digest(t, large), digest(t, small)})
		listed, pending := f.list(), f.pending()
		require.Equal(t, listed, pending)
		require.Equal(t, []bool{true, false}, []bool{listed[0].ParametersOmitted, listed[1].ParametersOmitted})
		require.Equal(t, `{}`, string(listed[0].Parameters))
		require.Equal(t, small, listed[1])
		listed[0].Parameters, listed[0].ParametersOmitted, listed[0].Statement = large.Parameters, false, large.Statement
		require.Equal(t, large, listed[0], "a list leaves out more than the parameters and the statement")

		f.approve(large)
		f.submitResult(f.claimOne(), queue.Succeeded)
		listed = f.list()
		require.Equal(t, []bool{true, false}, []bool{listed[0].ResultOmitted, listed[1].ResultOmitted})
		require.Nil(t, listed[0].Result)
		whole := f.get(large.ID)
		require.Equal(t, large.Parameters, whole.Parameters)
		require.Equal(t, "done", whole.Result.Output)
		require.False(t, whole.ParametersOmitted || whole.ResultOmitted)
	})
}

// list returns the first page of the commands of the session.
func (f *fixture) list() []queue.Command {
	f.t.Helper()
	listed, _, err := f.queue.List(f.t.Context(), f.device.Tenant, f.session.ID, "", store.Page{Limit: 50})
	require.NoError(f.t, err)
	return listed
}

// TestList_OmitsLargeParametersOfOlderRecords lists a command whose record has no digest and
// no head, as older releases stored it.
func TestList_OmitsLargeParametersOfOlderRecords(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		c := f.propose(auto, parametersOf(32<<10))
		f.makeOlder(c.ID)
		require.Equal(t, c, f.get(c.ID))
		listed := f.list()
		require.Len(t, listed, 1)
		require.True(t, listed[0].ParametersOmitted)
		require.Equal(t, `{}`, string(listed[0].Parameters))
		require.Equal(t, c.Digest, listed[0].Digest)
	})
}

// makeOlder changes a command's record as if an older release had stored it. It removes the
// fields that older releases did not store.
func (f *fixture) makeOlder(id string) {
	f.t.Helper()
	f.editState(id, func(state map[string]any) { delete(state, "digest") })
	f.do(func(ctx context.Context, c store.Client) error {
		return c.HDel(ctx, f.device.CommandsKey(), id+":head").Err()
	})
}

func TestList_PageEndsBeforeItsBytes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	var want []string
	for range 20 {
		c := f.propose(auto, parametersOf(32<<10))
		f.makeOlder(c.ID)
		want = append(want, c.ID)
	}
	page, next, err := f.queue.List(t.Context(), f.device.Tenant, f.session.ID, "", store.Page{Limit: 200})
	require.NoError(t, err)
	require.NotEmpty(t, next)
	require.Len(t, page, 15, "the records of 15 commands are less than 512 KiB, those of 16 are more")
	require.ElementsMatch(t, want, f.listAll(f.session.ID, 200))
}

package queue_test

import (
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
		f.requireQueueFull(review) // approving it would add one more ready command
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

func TestPropose_LimitsParameters(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	parameters := func(size int) func(*queue.Proposal) {
		return func(p *queue.Proposal) {
			p.Parameters = json.RawMessage(`{"a":"` + strings.Repeat("x", size-len(`{"a":""}`)) + `"}`)
		}
	}
	largest := f.propose(auto, parameters(32<<10))
	require.Equal(t, largest.Parameters, f.claimOne().Parameters)

	p := f.proposal(auto)
	parameters(32<<10 + 1)(&p)
	_, err := f.queue.Propose(t.Context(), p)
	require.Equal(t, "/parameters", requireRefusal(t, err, fieldgate.CodeValidationFailed).Fields[0].Pointer)
}

func TestPropose_DefaultsToNoParameters(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	f.propose(auto, func(p *queue.Proposal) { p.Parameters = nil })
	require.Equal(t, `{}`, string(f.claimOne().Parameters))
}

func TestList_LargeResultsEndPageEarly(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	large := queue.Result{Output: strings.Repeat("x", 256<<10)}
	var want []string
	for range 30 {
		f.propose(auto)
		lease := f.claimOne()
		_, err := f.queue.SubmitResult(t.Context(), f.ref(lease), queue.Succeeded, large)
		require.NoError(t, err)
		want = append(want, lease.ID)
	}
	page, next, err := f.queue.List(t.Context(), f.device.Tenant, f.session.ID, store.Page{Limit: 200})
	require.NoError(t, err)
	require.NotEmpty(t, next)
	require.Less(t, len(page), 30)
	require.ElementsMatch(t, want, f.listAll(f.session.ID, 200))
}

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

func (b *bench) fill(commandType string, n int) []queue.Command {
	b.t.Helper()
	var made []queue.Command
	for range n {
		made = append(made, b.propose(commandType))
	}
	return made
}

func (b *bench) queueFull(commandType string) {
	b.t.Helper()
	_, err := b.queue.Propose(b.t.Context(), b.proposal(commandType))
	require.Positive(b.t, refused(b.t, err, fieldgate.CodeDeviceQueueFull).RetryAfter)
}

func TestADevicesLineIsBounded(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		b.fill(auto, 100)
		b.queueFull(auto)
		b.queueFull(review) // it would stand in the same line once somebody approves it
		require.Len(t, b.listAll(b.session.ID, 200), 100, "what is refused leaves nothing behind")
		b.take()
		b.propose(auto)
		b.beside(b.newDevice(b.device.Tenant)).propose(auto)
	})
}

func TestWhatWaitsForAPersonIsBounded(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		pending := b.fill(review, 100)
		b.queueFull(review)
		b.propose(auto)
		b.approve(pending[0])
		b.propose(review)
	})
}

func TestParametersAreBounded(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Redis(t))
	parameters := func(size int) func(*queue.Proposal) {
		return func(p *queue.Proposal) {
			p.Parameters = json.RawMessage(`{"a":"` + strings.Repeat("x", size-len(`{"a":""}`)) + `"}`)
		}
	}
	largest := b.propose(auto, parameters(32<<10))
	require.Equal(t, largest.Parameters, b.take().Parameters)

	p := b.proposal(auto)
	parameters(32<<10 + 1)(&p)
	_, err := b.queue.Propose(t.Context(), p)
	require.Equal(t, "/parameters", refused(t, err, fieldgate.CodeValidationFailed).Fields[0].Pointer)
}

func TestAProposalWithoutParametersHasNone(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Redis(t))
	b.propose(auto, func(p *queue.Proposal) { p.Parameters = nil })
	require.Equal(t, `{}`, string(b.take().Parameters))
}

func TestAPageOfHeavyResultsEndsEarlyAndGoesOn(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Redis(t))
	heavy := queue.Result{Output: strings.Repeat("x", 256<<10)}
	var want []string
	for range 30 {
		b.propose(auto)
		lease := b.take()
		_, err := b.queue.SubmitResult(t.Context(), b.hold(lease), queue.Succeeded, heavy)
		require.NoError(t, err)
		want = append(want, lease.ID)
	}
	page, next, err := b.queue.List(t.Context(), b.device.Tenant, b.session.ID, store.Page{Limit: 200})
	require.NoError(t, err)
	require.NotEmpty(t, next)
	require.Less(t, len(page), 30)
	require.ElementsMatch(t, want, b.listAll(b.session.ID, 200))
}

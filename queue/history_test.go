package queue_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/queue/model"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// These are the numbers of clients and operations of one history.
const (
	historyClients    = 6
	historyOperations = 334 // number of operations of each client; 2,004 in one history
	historyCommands   = 100
)

// checkTimeout is the maximum duration of the search for an order that explains all operations
// on one command. The search usually takes milliseconds.
const checkTimeout = 5 * time.Minute

// TestLease_HistoriesAreLinearizable runs concurrent clients on two instances. They claim,
// extend, release and cancel the same commands and submit results. The test then searches for
// an order of the operations that explains every response and gives each command one lease at
// a time. In every other history, responses are lost and connections break, so an operation
// may or may not have happened. The environment variable FIELDGATE_HISTORIES sets the number
// of histories; the default is 6.
func TestLease_HistoriesAreLinearizable(t *testing.T) {
	t.Parallel()
	histories, err := strconv.Atoi(os.Getenv("FIELDGATE_HISTORIES"))
	if err != nil {
		histories = 6
	}
	server := storetest.Start(t)
	for i := range histories {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			h := newHistory(t, server, i%2 == 1)
			h.run(uint64(i))
			h.check(t)
		})
	}
}

// history records the operations of concurrent clients on the commands of one device.
type history struct {
	*fixture
	proxy   *storetest.Proxy // drops replies and connections; nil if the history has no faults
	queues  []*queue.Queue   // one queue for each instance
	started time.Time

	mu         sync.Mutex
	leases     []queue.Lease                    // all leases that were claimed
	operations map[string][]porcupine.Operation // operations by the id of the command
	commands   []queue.Command
	unknown    int // number of operations whose response was lost
}

func newHistory(t *testing.T, server *storetest.Server, faults bool) *history {
	h := &history{started: time.Now(), operations: map[string][]porcupine.Operation{}}
	h.fixture = newFixture(t, storetest.Connect(t, store.Config{URL: server.URL()}))
	addr := server.Addr()
	if faults {
		h.proxy = storetest.NewProxy(t)
		h.proxy.ForwardTo(addr)
		addr = h.proxy.Addr()
	}
	for range 2 {
		// Calls must not time out. Otherwise the store could still run a script after
		// op.latest.
		s := storetest.Connect(t, store.Config{URL: "redis://" + addr, Timeout: time.Minute})
		h.queues = append(h.queues, queue.New(queue.Config{Store: s, Logger: slog.New(slog.DiscardHandler)}))
	}
	for range historyCommands {
		h.commands = append(h.commands, h.propose(auto, maxAttempts(leaseAttempts)))
	}
	return h
}

// run runs the clients and a sweeper at the same time.
func (h *history) run(seed uint64) {
	var clients, sweeper sync.WaitGroup
	for n := range historyClients {
		clients.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(n)))
			for range historyOperations {
				h.setFault(rng)
				h.runOperation(n, rng)
			}
		})
	}
	done := make(chan struct{})
	sweeper.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				h.sweep()
			}
		}
	})
	clients.Wait()
	close(done)
	sweeper.Wait()
}

// setFault makes the proxy drop replies or connections from time to time. In between it turns
// the fault off.
func (h *history) setFault(rng *rand.Rand) {
	if h.proxy == nil {
		return
	}
	fault := storetest.NoFault
	switch rng.IntN(12) {
	case 0:
		fault = storetest.LoseReply
	case 1:
		fault = storetest.DropRequest
	}
	h.proxy.Inject(fault)
}

// runOperation runs one random operation of client n.
func (h *history) runOperation(n int, rng *rand.Rand) {
	span := time.Duration(3+rng.IntN(25)) * time.Millisecond
	lease, found := h.pickLease(rng)
	q := h.queues[n%len(h.queues)]
	if kind := rng.IntN(20); !found || kind < 8 {
		key := ""
		if kind%2 == 0 {
			key = fmt.Sprintf("key-%d-%d", n, rng.IntN(6))
		}
		// The span has only a few possible values, so that a client often repeats the same request
		// with the same key.
		span = span.Truncate(16*time.Millisecond) + 4*time.Millisecond
		h.runClaim(n, q, queue.ClaimRequest{Device: h.device, Limit: 1 + kind/2%2, Visibility: span, IdempotencyKey: key})
	} else {
		h.runOnLease(n, q, lease, kind, span)
	}
}

// pickLease picks one of the newest leases. Often the picked lease has already expired.
func (h *history) pickLease(rng *rand.Rand) (queue.Lease, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.leases) == 0 {
		return queue.Lease{}, false
	}
	from := max(0, len(h.leases)-10)
	return h.leases[from+rng.IntN(len(h.leases)-from)], true
}

// runClaim claims commands and records an operation for each command that the claim returned.
// A claim that returned no command shows that none was ready, so runClaim then records an
// operation for every command.
func (h *history) runClaim(n int, q *queue.Queue, r queue.ClaimRequest) {
	call, earliest := h.clock()
	leases, err := q.Claim(context.Background(), r)
	span := r.Visibility.Milliseconds()
	op := operation{kind: model.Claim, key: r.IdempotencyKey, visible: earliest + span, span: span}
	if fieldgate.CodeOf(err) == fieldgate.CodeIdempotencyKeyReused {
		return
	}
	h.recordClaim(n, call, op, leases, err)
}

// recordClaim records what a claim returned.
func (h *history) recordClaim(n int, call int64, op operation, leases []queue.Lease, err error) {
	if len(leases) == 0 {
		for _, c := range h.commands {
			h.record(n, c.ID, call, op, err)
		}
		return
	}
	for _, l := range leases {
		op.command, op.token, op.attempt, op.visible = l.ID, l.Token, l.Attempt, l.VisibleUntil.UnixMilli()
		op.at = op.visible - l.Remaining.Milliseconds()
		h.record(n, l.ID, call, op, nil)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leases = append(h.leases, leases...)
}

// runOnLease runs one operation on the lease l: it extends or releases the lease, submits a
// result, or cancels the command.
func (h *history) runOnLease(n int, q *queue.Queue, l queue.Lease, kind int, span time.Duration) {
	ctx, ref := context.Background(), h.ref(l)
	call, earliest := h.clock()
	op := operation{command: l.ID, token: l.Token}
	var err error
	switch {
	case kind < 12:
		var e queue.Extension
		e, err = q.Extend(ctx, ref, span)
		op.kind, op.status, op.span = model.Extend, model.Claimed, span.Milliseconds()
		op.visible = earliest + op.span
		if err == nil {
			op.visible = e.VisibleUntil.UnixMilli()
			op.at = op.visible - e.Remaining.Milliseconds()
		}
	case kind < 15:
		var status queue.Status
		status, err = q.Release(ctx, ref, "")
		op.kind, op.status = model.Release, model.Status(status)
	case kind < 16:
		var c queue.Command
		c, err = q.Cancel(ctx, cancelOf(l.Command))
		op.kind, op.token, op.status = model.Cancel, "", model.Status(c.Status)
	default:
		var recorded queue.RecordedResult
		op.kind, op.result = model.SubmitResult, strconv.Itoa(kind)
		if recorded, err = h.submit(n, q, ref, op.result, span); err != nil {
			break
		}
		op.status, op.late, op.duplicate = model.Status(recorded.Status), recorded.Late, recorded.Duplicate
	}
	h.record(n, l.ID, call, op, err)
}

// submit submits a result. Every other result claims the next command too, and submit then records
// the claim. Without a response the claim is unknown as well.
func (h *history) submit(n int, q *queue.Queue, ref queue.ClaimRef, output string, span time.Duration) (queue.RecordedResult, error) {
	ctx, result := context.Background(), queue.Result{Output: output}
	if output == "16" || output == "17" {
		return q.SubmitResult(ctx, ref, queue.Succeeded, result)
	}
	call, earliest := h.clock()
	recorded, leases, err := q.SubmitResultAndClaim(ctx, ref, queue.Succeeded, result, span)
	if err != nil && !isUnknown(err) {
		return recorded, err // a result that is refused claims nothing
	}
	claim := operation{kind: model.Claim, key: "after " + ref.Token, visible: earliest + span.Milliseconds(), span: span.Milliseconds()}
	h.recordClaim(n, call, claim, leases, err)
	return recorded, err
}

// isUnknown reports whether an operation may have happened although it returned err.
func isUnknown(err error) bool {
	var refusal *fieldgate.Error
	return err != nil && (!errors.As(err, &refusal) || refusal.Code == fieldgate.CodeStoreUnavailable)
}

// clock returns two timestamps. The first is the time since the start of the history, in ns. The
// second is a Unix time in ms. An operation that starts now cannot happen before that time.
func (h *history) clock() (call, earliest int64) {
	return int64(time.Since(h.started)), time.Now().UnixMilli() - 1
}

// record adds an operation and its response to the history.
func (h *history) record(n int, command string, call int64, op operation, err error) {
	var refusal *fieldgate.Error
	op.code = "ok"
	switch {
	case err == nil:
	case errors.As(err, &refusal) && !isUnknown(err):
		op.code = string(refusal.Code)
		if refusal.Command != nil {
			op.status, op.attempt = model.Status(refusal.Command.Status), refusal.Command.Attempt
		}
	default:
		op.unknown, op.code = true, ""
	}
	op.latest = time.Now().UnixMilli() + 1
	h.mu.Lock()
	defer h.mu.Unlock()
	if op.unknown {
		h.unknown++
	}
	h.operations[command] = append(h.operations[command], porcupine.Operation{
		ClientId: n, Input: op, Call: call, Return: int64(time.Since(h.started)),
	})
}

// check requires that, for each command, some order of the operations explains every response.
func (h *history) check(t *testing.T) {
	total := 0
	for command, operations := range h.operations {
		total += len(operations)
		result := porcupine.CheckOperationsTimeout(leaseModel(), operations, checkTimeout)
		for i := 0; result != porcupine.Ok && i < len(operations); i++ {
			t.Logf("%d-%d us: %+v", operations[i].Call/1000, operations[i].Return/1000, operations[i].Input)
		}
		require.Equal(t, porcupine.Ok, result, "no order of the operations explains the responses about %s", command)
	}
	require.False(t, h.proxy != nil && h.unknown == 0, "no response was lost")
	t.Logf("%d clients, %d operations, recorded %d times for %d commands: %v",
		historyClients, historyClients*historyOperations, total, historyCommands, h.tally())
}

// tally counts the operations by the type of response.
func (h *history) tally() map[string]int {
	tally := map[string]int{}
	for _, operations := range h.operations {
		for _, recorded := range operations {
			op := recorded.Input.(operation)
			switch {
			case op.unknown:
				tally["unknown"]++
			case op.late:
				tally["late"]++
			case op.kind == model.Claim && op.command != "":
				tally["claimed"]++
			case op.code != "ok":
				tally[op.code]++
			}
		}
	}
	return tally
}

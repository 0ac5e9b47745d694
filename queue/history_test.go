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

// What a history is made of.
const (
	historyClients  = 6
	historyDeeds    = 334 // of each client: 2,004 in all
	historyCommands = 100
)

// TestLeasesAreLinearizable has clients of two instances claim, extend, release,
// report and cancel the same commands at the same time, and looks for an order in
// which a single lease for each command explains every answer. In every other
// history replies are lost and connections break: such a deed may have happened or
// not. FIELDGATE_HISTORIES says how many histories; 6 where it does not.
func TestLeasesAreLinearizable(t *testing.T) {
	t.Parallel()
	histories, err := strconv.Atoi(os.Getenv("FIELDGATE_HISTORIES"))
	if err != nil {
		histories = 6
	}
	server := storetest.Start(t)
	for i := range histories {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			h := newHistory(t, server, i%2 == 1)
			h.live(uint64(i))
			h.check(t)
		})
	}
}

// history is what many clients did with the commands of one device.
type history struct {
	*bench
	wire   *storetest.Wire // breaks, where it is not nil
	queues []*queue.Queue  // one of each instance
	begun  time.Time

	mu       sync.Mutex
	leases   []queue.Lease
	deeds    map[string][]porcupine.Operation // by command
	commands []queue.Command
	unknown  int
}

func newHistory(t *testing.T, server *storetest.Server, faults bool) *history {
	h := &history{begun: time.Now(), deeds: map[string][]porcupine.Operation{}}
	h.bench = newBench(t, storetest.Connect(t, store.Config{URL: server.URL()}))
	addr := server.Addr()
	if faults {
		h.wire = storetest.NewWire(t)
		h.wire.To(addr)
		addr = h.wire.Addr()
	}
	for range 2 {
		s := storetest.Connect(t, store.Config{URL: "redis://" + addr})
		h.queues = append(h.queues, queue.New(queue.Config{Store: s, Logger: slog.New(slog.DiscardHandler)}))
	}
	for range historyCommands {
		h.commands = append(h.commands, h.propose(auto, attempts(leaseAttempts)))
	}
	return h
}

// live lets the clients act, and a sweeper beside them.
func (h *history) live(seed uint64) {
	var clients, sweeper sync.WaitGroup
	for n := range historyClients {
		clients.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(n)))
			for range historyDeeds {
				h.fail(rng)
				h.act(n, rng)
			}
		})
	}
	over := make(chan struct{})
	sweeper.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
				h.sweep()
			}
		}
	})
	clients.Wait()
	close(over)
	sweeper.Wait()
}

// fail breaks the wire for what is under way, now and then, or mends it.
func (h *history) fail(rng *rand.Rand) {
	if h.wire == nil {
		return
	}
	fault := storetest.None
	switch rng.IntN(12) {
	case 0:
		fault = storetest.Lose
	case 1:
		fault = storetest.Drop
	}
	h.wire.Set(fault)
}

// act does one thing at random as the client n.
func (h *history) act(n int, rng *rand.Rand) {
	visible := time.Duration(3+rng.IntN(25)) * time.Millisecond
	lease, found := h.some(rng)
	q := h.queues[n%len(h.queues)]
	if kind := rng.IntN(20); !found || kind < 8 {
		key := ""
		if kind%2 == 0 {
			key = fmt.Sprintf("key-%d-%d", n, rng.IntN(6))
		}
		// Few different requests, so that a key often comes with the same one.
		visible = visible.Truncate(16*time.Millisecond) + 4*time.Millisecond
		h.claims(n, q, queue.ClaimRequest{Device: h.device, Limit: 1 + kind/2%2, Visibility: visible, IdempotencyKey: key})
	} else {
		h.write(n, q, lease, kind, visible)
	}
}

// some picks one of the newest leases: often one that has ended.
func (h *history) some(rng *rand.Rand) (queue.Lease, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.leases) == 0 {
		return queue.Lease{}, false
	}
	from := max(0, len(h.leases)-10)
	return h.leases[from+rng.IntN(len(h.leases)-from)], true
}

// claims claims, and notes it for every command that it gave. One that gave
// nothing says something about all of them.
func (h *history) claims(n int, q *queue.Queue, r queue.ClaimRequest) {
	call, earliest := h.clock()
	leases, err := q.Claim(context.Background(), r)
	d := deed{kind: model.Claim, key: r.IdempotencyKey, visible: earliest + r.Visibility.Milliseconds(), lasts: r.Visibility.Milliseconds()}
	if fieldgate.CodeOf(err) == fieldgate.CodeIdempotencyKeyReused {
		return
	}
	if len(leases) == 0 {
		for _, c := range h.commands {
			h.note(n, c.ID, call, d, err)
		}
		return
	}
	for _, l := range leases {
		d.command, d.token, d.attempt, d.visible = l.ID, l.Token, l.Attempt, l.VisibleUntil.UnixMilli()
		d.at = d.visible - l.Remaining.Milliseconds()
		h.note(n, l.ID, call, d, nil)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leases = append(h.leases, leases...)
}

// write does something with a claim, or cancels its command.
func (h *history) write(n int, q *queue.Queue, l queue.Lease, kind int, visible time.Duration) {
	ctx, hold := context.Background(), h.hold(l)
	call, earliest := h.clock()
	d := deed{command: l.ID, token: l.Token}
	var err error
	switch {
	case kind < 12:
		var x queue.Extension
		x, err = q.Extend(ctx, hold, visible)
		d.kind, d.status, d.lasts = model.Extend, model.Claimed, visible.Milliseconds()
		d.visible = earliest + d.lasts
		if err == nil {
			d.visible = x.VisibleUntil.UnixMilli()
			d.at = d.visible - x.Remaining.Milliseconds()
		}
	case kind < 15:
		var status queue.Status
		status, err = q.Release(ctx, hold, "")
		d.kind, d.status = model.Release, model.Status(status)
	case kind < 16:
		var c queue.Command
		c, err = q.Cancel(ctx, cancelOf(l.Command))
		d.kind, d.token, d.status = model.Cancel, "", model.Status(c.Status)
	default:
		var out queue.RecordedResult
		out, err = q.SubmitResult(ctx, hold, queue.Succeeded, queue.Result{Output: strconv.Itoa(kind)})
		d.kind, d.result, d.status, d.late, d.repeated = model.SubmitResult, strconv.Itoa(kind), model.Status(out.Status), out.Late, out.Duplicate
	}
	h.note(n, l.ID, call, d, err)
}

// clock is the moment before a deed: of the history, and in Unix ms.
func (h *history) clock() (call, earliest int64) {
	return int64(time.Since(h.begun)), time.Now().UnixMilli() - 1
}

// note keeps a deed with its answer.
func (h *history) note(n int, command string, call int64, d deed, err error) {
	var refusal *fieldgate.Error
	d.code = "ok"
	switch {
	case err == nil:
	case errors.As(err, &refusal) && refusal.Code != fieldgate.CodeStoreUnavailable:
		d.code = string(refusal.Code)
		if refusal.Command != nil {
			d.status, d.attempt = model.Status(refusal.Command.Status), refusal.Command.Attempt
		}
	default:
		d.unknown, d.code = true, ""
	}
	d.latest = time.Now().UnixMilli() + 1
	h.mu.Lock()
	defer h.mu.Unlock()
	if d.unknown {
		h.unknown++
	}
	h.deeds[command] = append(h.deeds[command], porcupine.Operation{
		ClientId: n, Input: d, Call: call, Return: int64(time.Since(h.begun)),
	})
}

// check looks for an order that explains all that was answered.
func (h *history) check(t *testing.T) {
	total := 0
	for command, deeds := range h.deeds {
		total += len(deeds)
		result := porcupine.CheckOperationsTimeout(leaseModel(), deeds, 30*time.Second)
		for i := 0; result != porcupine.Ok && i < len(deeds); i++ {
			t.Logf("%d-%d us: %+v", deeds[i].Call/1000, deeds[i].Return/1000, deeds[i].Input)
		}
		require.Equal(t, porcupine.Ok, result, "no order of the deeds explains what was answered about %s", command)
	}
	require.False(t, h.wire != nil && h.unknown == 0, "no reply was lost")
	t.Logf("%d clients, %d deeds, seen %d times by %d commands: %v", historyClients, historyClients*historyDeeds, total, historyCommands, h.tally())
}

// tally counts what was answered, by what was asked.
func (h *history) tally() map[string]int {
	tally := map[string]int{}
	for _, deeds := range h.deeds {
		for _, one := range deeds {
			d := one.Input.(deed)
			switch {
			case d.unknown:
				tally["unknown"]++
			case d.late:
				tally["late"]++
			case d.kind == model.Claim && d.command != "":
				tally["claimed"]++
			case d.code != "ok":
				tally[d.code]++
			}
		}
	}
	return tally
}

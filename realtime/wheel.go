package realtime

import (
	"math/rand/v2"
	"time"
)

// turns is how many parts the interval of a wheel has.
const turns = 25

// wheel spreads the sockets over an interval, so that what is done to each of them once
// in it is even work. It belongs to the hub's lock.
type wheel struct {
	step  time.Duration // from one turn to the next
	began time.Time
	taken int // turns since then that were taken
	slots [turns]map[*Socket]struct{}
}

func newWheel(interval time.Duration) *wheel {
	w := &wheel{step: interval / turns, began: time.Now()}
	for i := range w.slots {
		w.slots[i] = map[*Socket]struct{}{}
	}
	return w
}

// newTurn draws a socket's turn.
func newTurn() uint8 { return uint8(rand.IntN(turns)) }

func (w *wheel) add(s *Socket) { w.slots[s.turn][s] = struct{}{} }

func (w *wheel) remove(s *Socket) { delete(w.slots[s.turn], s) }

// due gives the sockets whose turn has come since it was asked last: a busy machine may
// have let a turn or two go by, but each comes once however many went.
func (w *wheel) due(now time.Time) (some []*Socket) {
	reached := int(now.Sub(w.began) / w.step)
	w.taken = max(w.taken, reached-turns)
	for ; w.taken < reached; w.taken++ {
		for s := range w.slots[w.taken%turns] {
			some = append(some, s)
		}
	}
	return some
}

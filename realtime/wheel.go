package realtime

import (
	"math/rand/v2"
	"time"
)

// wheelSlots is the number of slots in a wheel.
const wheelSlots = 25

// wheel is a timer wheel. Its method due returns each socket once per interval. The
// sockets are spread over the interval, so that the load is even. The hub's lock guards
// the wheel.
type wheel struct {
	step      time.Duration // time between two slots
	startedAt time.Time
	taken     int // slots that due has returned since startedAt
	slots     [wheelSlots]map[*Socket]struct{}
}

func newWheel(interval time.Duration) *wheel {
	w := &wheel{step: interval / wheelSlots, startedAt: time.Now()}
	for i := range w.slots {
		w.slots[i] = map[*Socket]struct{}{}
	}
	return w
}

// randomSlot returns a random slot for a new socket.
func randomSlot() uint8 { return uint8(rand.IntN(wheelSlots)) }

func (w *wheel) add(s *Socket) { w.slots[s.slot][s] = struct{}{} }

func (w *wheel) remove(s *Socket) { delete(w.slots[s.slot], s) }

// due returns the sockets in the slots whose time came since the previous call. It
// returns each socket once, even if the previous call was more than one interval ago.
func (w *wheel) due(now time.Time) (batch []*Socket) {
	reached := int(now.Sub(w.startedAt) / w.step)
	w.taken = max(w.taken, reached-wheelSlots)
	for ; w.taken < reached; w.taken++ {
		for s := range w.slots[w.taken%wheelSlots] {
			batch = append(batch, s)
		}
	}
	return batch
}

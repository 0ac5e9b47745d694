package store

import (
	"sync"
	"time"
)

// sweepAllEvery is the interval between two sweeps of all partitions. It bounds the delay of a
// member whose partition was not marked as changed: its wake-up was lost, or a program without a
// sweeper added it.
const sweepAllEvery = 10 * time.Second

// dueTimes remembers when the first member of each partition is due, so that the sweeper of an idle
// instance does not read every partition each time. A member that is due earlier may be added at
// any time: by a script of this instance, or by one of another instance, which publishes a wake-up.
// Both mark the partition as changed, so that the next sweep reads it.
type dueTimes struct {
	mu         sync.Mutex
	partitions [Partitions]dueTime
	sweptAll   time.Time // time of the last sweep of all partitions; zero if all have to be read
}

// dueTime describes one partition.
type dueTime struct {
	changed bool      // the first member may be due earlier than next
	next    time.Time // time, by the local clock, at which the first member is due; zero if there is none
}

// take returns the partitions to sweep at the time now: those that were marked as changed, those
// whose first member is due, and all partitions if the last sweep of all began at least every ago.
// It removes the marks, so a partition that could not be read has to be marked again.
func (d *dueTimes) take(now time.Time, every time.Duration) (from []Partition) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := now.Sub(d.sweptAll) >= every
	if all {
		d.sweptAll = now
	}
	for p := range d.partitions {
		known := &d.partitions[p]
		if all || known.changed || !known.next.IsZero() && !now.Before(known.next) {
			known.changed = false
			from = append(from, Partition(p))
		}
	}
	return from
}

// set records the time at which the first member of p is due. The zero time means that p has no
// members.
func (d *dueTimes) set(p Partition, next time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.partitions[p].next = next
}

// mark marks p as changed.
func (d *dueTimes) mark(p Partition) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.partitions[p].changed = true
}

// markAll makes the next sweep read all partitions.
func (d *dueTimes) markAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sweptAll = time.Time{}
}

// note marks the partition of the tenant of a wake-up. It marks all partitions for the zero Wake,
// because wake-ups may have been lost.
func (d *dueTimes) note(w Wake) {
	switch {
	case w == Wake{}:
		d.markAll()
	case w.CommandID != "": // progress makes nothing due
	case w.Tenant != "":
		d.mark(PartitionOf(w.Tenant))
	}
}

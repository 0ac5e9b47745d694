package store

import "context"

// Invariant names a condition that holds after every sequence of operations and failures,
// and for any readings of the clocks. The published guarantees, the tests and the metric
// of violations use the same names.
type Invariant string

// These are the invariants of all records. Packages queue and session define more.
const (
	// NothingLost: an accepted command is kept until its retention ends. Until the
	// command ends, exactly one index contains it, according to its status: the ready
	// queue, the pending approvals or the leases. No index contains a command that has
	// ended.
	NothingLost Invariant = "nothingLost"

	// NothingForgotten: each command or session with a deadline has an entry in the due
	// index. The time of the entry is not later than the deadline.
	NothingForgotten Invariant = "nothingForgotten"
)

// Violation is a violation of an invariant that was found in the store.
type Violation struct {
	Invariant Invariant
	Damage    string // description of the violation, for the log
	ID        string // id of the command, session or other record
	Device    string
}

// ReportViolation logs the violation v and passes its invariant to Config.Violated.
func (s *Store) ReportViolation(ctx context.Context, v Violation) {
	s.log.ErrorContext(ctx, "repaired a violated invariant",
		"invariant", v.Invariant, "damage", v.Damage, "id", v.ID, "device", v.Device)
	s.violated(string(v.Invariant))
}

package store

import "context"

// Invariant names a condition that holds after every sequence of operations and failures,
// and for any readings of the clocks. The published guarantees, the tests and the metric
// of violations use the same names.
type Invariant string

// The invariants of all records. Packages queue and session have further ones.
const (
	// NothingLost: an accepted command is kept until its retention ends. It is in exactly
	// the one index that belongs to its status: the ready queue, the pending approvals or
	// the leases. A command that has ended is in none of them.
	NothingLost Invariant = "nothingLost"

	// NothingForgotten: a command or session that a deadline will change has an entry in
	// the due index, no later than that deadline.
	NothingForgotten Invariant = "nothingForgotten"
)

// Violation is an invariant that was found violated and has been repaired.
type Violation struct {
	Invariant Invariant
	Damage    string // what was found, in words
	ID        string // id of the command or session
	Device    string
}

// ReportViolation logs the violation v and passes its invariant to Config.Violated.
func (s *Store) ReportViolation(ctx context.Context, v Violation) {
	s.log.ErrorContext(ctx, "repaired a violated invariant",
		"invariant", v.Invariant, "damage", v.Damage, "id", v.ID, "device", v.Device)
	s.violated(string(v.Invariant))
}

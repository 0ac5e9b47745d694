package store

import "context"

// Names of the invariants that a violation is counted under: what must be true of
// the store between any two scripts, whatever happened.
const (
	NothingLost        = "nothingLost"        // what was accepted stands where something will find it
	NoDoubleLease      = "noDoubleLease"      // what one claim holds, no other can get
	NothingUnapproved  = "nothingUnapproved"  // what waits for a person is not in the line
	FinishedIsFinal    = "finishedIsFinal"    // what has ended is in no structure of the living
	OrderIsKept        = "orderIsKept"        // by priority, then in the order of the proposals
	EveryEntryIsBacked = "everyEntryIsBacked" // every entry of a structure has its record
	OneSession         = "oneSession"         // a device and its session name each other
)

// Violation is an invariant that was found broken, and what was mended.
type Violation struct {
	Invariant string
	Damage    string // what was found, in words
	ID        string // of the command or session
	Device    string
}

// Violated says that an invariant was found broken: in the log, and to
// Config.Violated.
func (s *Store) Violated(ctx context.Context, v Violation) {
	s.log.ErrorContext(ctx, "an invariant was broken and is mended",
		"invariant", v.Invariant, "damage", v.Damage, "id", v.ID, "device", v.Device)
	s.violated(v.Invariant)
}

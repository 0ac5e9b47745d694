package store

import "context"

// Violation is a promise that was found broken, and what was mended.
type Violation struct {
	Invariant string // the name of the promise
	Damage    string // what was found, in words
	ID        string // of the command or session
	Device    string
}

// Violated says that a promise was found broken: in the log, and to
// Config.Violated.
func (s *Store) Violated(ctx context.Context, v Violation) {
	s.log.ErrorContext(ctx, "an invariant was broken and is mended",
		"invariant", v.Invariant, "damage", v.Damage, "id", v.ID, "device", v.Device)
	s.violated(v.Invariant)
}

package store

import "time"

// EmbeddedAddr tells where the embedded server of a store listens.
func EmbeddedAddr(s *Store) string { return s.embedded.server.Addr() }

// SetSilenceTimeout sets how long Listen trusts a connection that says nothing.
func SetSilenceTimeout(s *Store, d time.Duration) { s.alive = d }

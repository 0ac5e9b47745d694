package store

import "time"

// EmbeddedAddr tells where the embedded server of a store listens.
func EmbeddedAddr(s *Store) string { return s.embedded.server.Addr() }

// TrustSilence sets how long Listen trusts a connection that says nothing.
func TrustSilence(s *Store, d time.Duration) { s.alive = d }

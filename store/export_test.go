package store

import "time"

// EmbeddedAddr tells where the embedded server of a store listens.
func EmbeddedAddr(s *Store) string { return s.embedded.server.Addr() }

// TrustSilence sets how long Listen trusts a connection that says nothing.
func TrustSilence(s *Store, d time.Duration) { s.alive = d }

// DueMember returns the member of the due index for something that is due.
func DueMember(d Due) string { return d.member() }

// ParseDue parses a member of the due index of a partition.
func ParseDue(p Partition, member string) (Due, bool) { return parseDue(p, member) }

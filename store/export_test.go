package store

import "time"

// EmbeddedAddr returns the address of the store's embedded server.
func EmbeddedAddr(s *Store) string { return s.embedded.server.Addr() }

// SetSilenceTimeout sets the time without a message after which Listen pings its
// connection.
func SetSilenceTimeout(s *Store, d time.Duration) { s.silenceTimeout = d }

// DueMember returns the text of d in the due index.
func DueMember(d Due) string { return d.member() }

// ParseDue parses a member of p's due index.
func ParseDue(p Partition, member string) (Due, bool) { return parseDue(p, member) }

package store

import "time"

// EmbeddedAddr returns the address of the embedded server of a store.
func EmbeddedAddr(s *Store) string { return s.embedded.server.Addr() }

// SetSilenceTimeout sets how long a connection of Listen may be silent before it is
// pinged.
func SetSilenceTimeout(s *Store, d time.Duration) { s.silenceTimeout = d }

// DueMember returns the member of the due index of a due record.
func DueMember(d Due) string { return d.member() }

// ParseDue parses a member of the due index of a partition.
func ParseDue(p Partition, member string) (Due, bool) { return parseDue(p, member) }

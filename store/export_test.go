package store

import "time"

// EmbeddedAddr returns the address of the store's embedded server.
func EmbeddedAddr(s *Store) string { return s.embedded.server.Addr() }

// SetSilenceTimeout sets the time without a message after which Listen
// publishes a probe.
func SetSilenceTimeout(s *Store, d time.Duration) { s.silenceTimeout = d }

// DueMember returns the member of the due index for d.
func DueMember(d Due) string { return d.Member() }

// ParseDue parses a member of p's due index.
func ParseDue(p Partition, member string) (Due, bool) { return parseDue(p, member) }

// SetWatchEvery sets the interval between two checks of Watch.
func SetWatchEvery(s *Store, d time.Duration) { s.watchEvery = d }

// SetSweepAllEvery sets the interval between two sweeps of all partitions.
func SetSweepAllEvery(s *Store, d time.Duration) { s.sweepAllEvery = d }

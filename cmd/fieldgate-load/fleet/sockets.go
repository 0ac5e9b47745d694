package fleet

import (
	"sync"
	"time"

	"github.com/fieldgate/fieldgate/cmd/fieldgate-load/report"
)

// sockets counts the open sockets of devices. It is safe for concurrent use.
type sockets struct {
	mu      sync.Mutex
	counted report.Sockets
	known   map[*device]bool // devices whose socket was open once
	full    time.Time        // when the last socket opened that was missing
}

// add counts a device that keeps a socket.
func (s *sockets) add() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counted.Devices++
}

// opened counts a connection of a device, and returns the name of the act: the first connection of
// a device includes its login.
func (s *sockets) opened(d *device) (act string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counted.Open++
	if s.counted.Open == s.counted.Devices {
		s.full = time.Now()
	}
	if s.known[d] {
		return "reconnect"
	}
	if s.known == nil {
		s.known = map[*device]bool{}
	}
	s.known[d] = true
	return "connect"
}

// lost counts a connection that ended.
func (s *sockets) lost() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counted.Open--
	s.counted.Lost++
	s.counted.Least = min(s.counted.Least, s.counted.Open)
}

// allOpen reports whether n sockets are open.
func (s *sockets) allOpen(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counted.Open >= n
}

// begin starts to count a phase.
func (s *sockets) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counted.Lost, s.counted.Least = 0, s.counted.Open
}

// end returns the counts of a phase with a disturbance at a time, which is zero if there was none.
func (s *sockets) end(disturbed time.Time) report.Sockets {
	s.mu.Lock()
	defer s.mu.Unlock()
	counted := s.counted
	if !disturbed.IsZero() && counted.Lost > 0 && counted.Open == counted.Devices {
		counted.AllBack = max(s.full.Sub(disturbed), 0)
	}
	return counted
}

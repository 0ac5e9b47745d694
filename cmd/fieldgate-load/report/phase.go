package report

import "time"

// Phase reports a phase of a scenario.
type Phase struct {
	Name    string         `json:"name"`
	Seconds float64        `json:"seconds"`
	Acts    map[string]Act `json:"acts"`
	Sockets Sockets        `json:"sockets"`
	Network Network        `json:"network"`

	// Usage is what the processes used that the program started, on Linux only.
	Usage []Usage `json:"usage,omitempty"`

	// Failure is why the phase did not do what its scenario says, or empty.
	Failure string `json:"failure,omitempty"`
}

// Sockets are the sockets of devices in a phase.
type Sockets struct {
	Devices int `json:"devices"` // devices that keep a socket
	Open    int `json:"open"`    // at the end of the phase
	Least   int `json:"least"`   // at their lowest
	Lost    int `json:"lost"`    // connections that ended in the phase

	// AllBack is the time from the storm, the roll or the kill of the phase until all sockets were
	// open again, in nanoseconds. It is zero if no socket was lost, or if not all were open again.
	AllBack time.Duration `json:"allBack"`
}

// Network is the payload of all connections of the fleet, in bytes: what TCP carries, without its
// own headers.
type Network struct {
	FromGateway int64 `json:"fromGateway"`
	ToGateway   int64 `json:"toGateway"`
}

// Usage reports the resources of one process in a phase.
type Usage struct {
	Name  string  `json:"name"`
	Cores float64 `json:"cores"` // processor time for each second
	RSS   int64   `json:"rss"`   // resident memory at the end of the phase, in bytes
	Data  int64   `json:"data"`  // used_memory of a Redis server, in bytes
}

// Merge adds what another process of the fleet has seen in the same phase.
func (p *Phase) Merge(other Phase) {
	p.Name, p.Seconds = other.Name, max(p.Seconds, other.Seconds)
	if p.Acts == nil {
		p.Acts = map[string]Act{}
	}
	for name, act := range other.Acts {
		sum := p.Acts[name]
		sum.merge(act)
		p.Acts[name] = sum
	}
	p.Sockets.merge(other.Sockets)
	p.Network.FromGateway += other.Network.FromGateway
	p.Network.ToGateway += other.Network.ToGateway
	if p.Failure == "" {
		p.Failure = other.Failure
	}
}

// merge adds the sockets of another process. Least is the sum of the lowest numbers, which may have
// been lowest at different times.
func (s *Sockets) merge(other Sockets) {
	s.Devices += other.Devices
	s.Open += other.Open
	s.Least += other.Least
	s.Lost += other.Lost
	s.AllBack = max(s.AllBack, other.AllBack)
}

// Ledger counts the commands that the fleet has proposed, by their end.
type Ledger struct {
	Accepted    int            `json:"accepted"`    // commands that the gateway accepted
	Unknown     int            `json:"unknown"`     // proposals without a response until the end
	Ended       map[string]int `json:"ended"`       // accepted commands by their last status
	Redelivered int            `json:"redelivered"` // claims after a lease had expired

	// Violations are by kind. There must be none.
	Violations map[string]int `json:"violations"`

	// Examples describe some of the violations.
	Examples []string `json:"examples,omitempty"`
}

// maxExamples limits the number of violations that are described.
const maxExamples = 10

// Violate counts a violation.
func (l *Ledger) Violate(kind, example string) {
	if l.Violations == nil {
		l.Violations = map[string]int{}
	}
	l.Violations[kind]++
	if len(l.Examples) < maxExamples {
		l.Examples = append(l.Examples, kind+": "+example)
	}
}

// Merge adds the ledger of another process.
func (l *Ledger) Merge(other Ledger) {
	l.Accepted += other.Accepted
	l.Unknown += other.Unknown
	l.Redelivered += other.Redelivered
	l.Ended = added(l.Ended, other.Ended)
	l.Violations = added(l.Violations, other.Violations)
	l.Examples = append(l.Examples, other.Examples...)
	l.Examples = l.Examples[:min(len(l.Examples), maxExamples)]
}

// added returns sum with the counts of other.
func added(sum, other map[string]int) map[string]int {
	if sum == nil {
		sum = map[string]int{}
	}
	for key, n := range other {
		sum[key] += n
	}
	return sum
}

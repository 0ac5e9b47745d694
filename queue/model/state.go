package model

import (
	"cmp"
	"maps"
	"slices"
)

// Status is where a command stands in its life.
type Status string

// The states of a command. From Succeeded on they are final.
const (
	PendingApproval Status = "pending_approval"
	Queued          Status = "queued"
	Claimed         Status = "claimed"
	Succeeded       Status = "succeeded"
	Failed          Status = "failed"
	TimedOut        Status = "timed_out"
	Rejected        Status = "rejected"
	Cancelled       Status = "cancelled"
	Expired         Status = "expired"
)

// Final tells whether the command has come to its end. What was never proposed has not.
func (s Status) Final() bool { return s != "" && s != PendingApproval && s != Queued && s != Claimed }

// Bounds of the design. Moments and spans are milliseconds.
const (
	Hour         int64 = 3600 * 1000
	ExecutionCap       = 12 * Hour      // from the first claim that counts
	ClaimsCap          = 2000           // also of those that were given back
	Decide             = 24 * Hour      // how long a command waits for a person
	Memory             = 24 * Hour      // of a proposal's Idempotency-Key
	Retention          = 30 * 24 * Hour // of a command that has ended
	Bound              = 100            // of the line, and of the inbox, of a device
	pastTokens         = 20             // earlier claims that are told from guesses
)

// Command is all that decides what may happen to a command next, and what has.
type Command struct {
	ID        string
	Session   string
	Proposer  string
	Reviewed  bool // a person has to approve it
	Priority  int
	Max       int // attempts
	Seq       int // the order of the proposals
	ApproveBy int64
	DeliverBy int64

	Status   Status
	Attempt  int   // claims that count
	Claims   int   // all of them
	First    int64 // the first claim that counts; zero: none
	Visible  int64 // end of the lease, of a claimed command
	Finished int64
	Token    string   // the newest claim's
	Past     []string // earlier ones
	Returned bool     // the newest claim was given back
	Cancel   bool     // somebody wanted it cancelled while it was claimed
	Late     bool
	Approval Approval
	Result   string   // what stands: the status and the content; empty: none
	Timeline []string // the events, without "command."
}

// Approval is a person's decision; the zero one is none.
type Approval struct{ Decision, By string }

// Session is a time in which commands are proposed and delivered.
type Session struct {
	Status string // active, closed or expired
	Until  int64
	Ended  int64
}

// State is everything about one device at one moment.
type State struct {
	Now      int64
	Device   string // active, suspended or decommissioned
	Session  string // the device's, until it has been ended; empty: none
	Sessions map[string]Session
	Commands map[string]Command
	Index    Index
}

// Index is how a device's commands are found.
type Index struct {
	Ready   []string // the line, its head first
	Pending []string // what waits for a person, the oldest first
	Cancels []string // claimed, and wanted cancelled; sorted
	Leases  map[string]int64
	Due     map[string]int64 // of commands and sessions
}

// moment is when time changes the command next, if nothing else does.
func (c Command) moment() int64 {
	switch c.Status {
	case PendingApproval:
		return c.ApproveBy
	case Queued:
		if c.First != 0 {
			return min(c.DeliverBy, c.First+ExecutionCap)
		}
		return c.DeliverBy
	case Claimed:
		return c.Visible
	}
	return c.Finished + Retention
}

// before orders the line: by priority, then by the order of the proposals.
func (c Command) before(other Command) int {
	return cmp.Or(cmp.Compare(other.Priority, c.Priority), cmp.Compare(c.Seq, other.Seq))
}

// sessionOver tells whether nothing of the command may be delivered any more.
func (s State) sessionOver(c Command) bool {
	return s.Device == "decommissioned" || s.Session != c.Session || s.Sessions[c.Session].Until <= s.Now
}

// indexed gives the index that the commands and sessions ought to have.
func (s State) indexed() Index {
	index := Index{Leases: map[string]int64{}, Due: map[string]int64{}}
	for _, c := range s.inOrder() {
		switch {
		case c.Status == PendingApproval:
			index.Pending = append(index.Pending, c.ID)
		case c.Status == Queued:
			index.Ready = append(index.Ready, c.ID)
		case c.Status == Claimed:
			index.Leases[c.ID] = c.Visible
			if c.Cancel {
				index.Cancels = append(index.Cancels, c.ID)
			}
		}
		index.Due[c.ID] = c.moment()
	}
	slices.SortFunc(index.Ready, func(a, b string) int { return s.Commands[a].before(s.Commands[b]) })
	slices.Sort(index.Cancels)
	for id, session := range s.Sessions {
		index.Due[id] = session.moment()
	}
	return index
}

func (s Session) moment() int64 {
	if s.Status == "active" {
		return s.Until
	}
	return s.Ended + Retention
}

// inOrder gives the commands in the order in which they were proposed.
func (s State) inOrder() []Command {
	return slices.SortedFunc(maps.Values(s.Commands), func(a, b Command) int { return cmp.Compare(a.Seq, b.Seq) })
}

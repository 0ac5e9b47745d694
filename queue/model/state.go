package model

import (
	"cmp"
	"maps"
	"slices"
)

// Status is the state of a command in its life cycle.
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

// Final reports whether a command in this state has ended. The zero Status is that of a
// command that was not proposed yet, and is not final.
func (s Status) Final() bool { return s != "" && s != PendingApproval && s != Queued && s != Claimed }

// Limits of the design. Times are in milliseconds.
const (
	Hour           int64 = 3600 * 1000
	ExecutionCap         = 12 * Hour      // from the first claim that counts to the end of the last lease
	MaxClaims            = 2000           // released ones included
	ApproveWithin        = 24 * Hour      // the time in which a command may be approved or rejected
	IdempotencyTTL       = 24 * Hour      // of a proposal's Idempotency-Key
	Retention            = 30 * 24 * Hour // of a command or session that has ended
	MaxReady             = 100            // ready commands of a device; pending ones too
	pastTokens           = 20             // earlier claim tokens that are remembered as superseded
)

// Command is the state of a command that decides which operations are possible, and its
// timeline.
type Command struct {
	ID          string
	Session     string
	Proposer    string
	Reviewed    bool // it needs approval
	Priority    int
	MaxAttempts int
	Seq         int // the order of the proposals
	ApproveBy   int64
	DeliverBy   int64

	Status          Status
	Attempt         int      // claims that count
	Claims          int      // all claims
	FirstClaim      int64    // when the first claim that counts began; zero: none
	VisibleUntil    int64    // end of the newest lease
	FinishedAt      int64    // zero before the command has ended
	Token           string   // of the newest claim
	PastTokens      []string // of earlier claims, the oldest first
	Released        bool     // the newest claim was released
	CancelRequested bool     // a user cancelled it while it was claimed
	Late            bool     // the result arrived after its lease had ended
	Approval        Approval
	Result          string   // status and output of the recorded result; empty: none
	Timeline        []string // the types of its events, without "command."
}

// Approval is a user's decision. The zero Approval means that there is none.
type Approval struct{ Decision, By string }

// Session is a support session, in which commands are proposed and delivered.
type Session struct {
	Status  string // active, closed or expired
	Expires int64
	Ended   int64
}

// State is the state of one device, its sessions and its commands.
type State struct {
	Now      int64
	Device   string // active, suspended or decommissioned
	Session  string // the device's open session; empty: none
	Sessions map[string]Session
	Commands map[string]Command
	Index    Index
}

// Index holds the indexes by which the queue finds a device's commands.
type Index struct {
	Ready   []string         // ready commands, in the order in which they will be claimed
	Pending []string         // commands pending approval, the oldest first
	Cancels []string         // claimed commands that a user cancelled; sorted
	Leases  map[string]int64 // when each lease ends
	Due     map[string]int64 // the next deadline of each command and session
}

// nextDeadline returns the time at which the command changes unless an operation changes
// it before.
func (c Command) nextDeadline() int64 {
	switch c.Status {
	case PendingApproval:
		return c.ApproveBy
	case Queued:
		if c.FirstClaim != 0 {
			return min(c.DeliverBy, c.FirstClaim+ExecutionCap)
		}
		return c.DeliverBy
	case Claimed:
		return c.VisibleUntil
	}
	return c.FinishedAt + Retention
}

// compare orders ready commands: by priority, then by the order of the proposals.
func (c Command) compare(other Command) int {
	return cmp.Or(cmp.Compare(other.Priority, c.Priority), cmp.Compare(c.Seq, other.Seq))
}

// sessionEnded reports whether the command's session has ended, so that the command can no
// longer be delivered.
func (s State) sessionEnded(c Command) bool {
	return s.Device == "decommissioned" || s.Session != c.Session || s.Sessions[c.Session].Expires <= s.Now
}

// expectedIndex returns the indexes that follow from the commands and sessions.
func (s State) expectedIndex() Index {
	index := Index{Leases: map[string]int64{}, Due: map[string]int64{}}
	for _, c := range s.commandsInOrder() {
		switch c.Status {
		case PendingApproval:
			index.Pending = append(index.Pending, c.ID)
		case Queued:
			index.Ready = append(index.Ready, c.ID)
		case Claimed:
			index.Leases[c.ID] = c.VisibleUntil
			if c.CancelRequested {
				index.Cancels = append(index.Cancels, c.ID)
			}
		}
		index.Due[c.ID] = c.nextDeadline()
	}
	slices.SortFunc(index.Ready, func(a, b string) int { return s.Commands[a].compare(s.Commands[b]) })
	slices.Sort(index.Cancels)
	for id, session := range s.Sessions {
		index.Due[id] = session.nextDeadline()
	}
	return index
}

func (s Session) nextDeadline() int64 {
	if s.Status == "active" {
		return s.Expires
	}
	return s.Ended + Retention
}

// commandsInOrder returns the commands in the order in which they were proposed.
func (s State) commandsInOrder() []Command {
	return slices.SortedFunc(maps.Values(s.Commands), func(a, b Command) int { return cmp.Compare(a.Seq, b.Seq) })
}

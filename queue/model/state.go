package model

import (
	"cmp"
	"maps"
	"slices"
)

// Status is the state of a command in its life cycle.
type Status string

// The states of a command. Succeeded and all states after it are final.
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

// Final reports whether a command in this state has ended. The zero Status is not final. It
// means that the command has not been proposed yet.
func (s Status) Final() bool { return s != "" && s != PendingApproval && s != Queued && s != Claimed }

// These are the limits of the queue. Times are in milliseconds.
const (
	Hour           int64 = 3600 * 1000
	ExecutionCap         = 12 * Hour      // maximum time from the first claim that was not released to the end of the last lease
	MaxClaims            = 2000           // maximum number of claims of a command, including released claims
	ApproveWithin        = 24 * Hour      // time within which a command may be approved or rejected
	IdempotencyTTL       = 24 * Hour      // time for which a proposal's Idempotency-Key is remembered
	Retention            = 30 * 24 * Hour // time for which a command or session is kept after it has ended
	MaxReady             = 100            // maximum number of ready commands of a device, and separately of its pending commands
	pastTokens           = 20             // number of earlier claim tokens that are remembered as superseded
)

// Command holds the timeline of a command, and the part of its state that determines which
// operations are possible.
type Command struct {
	ID          string
	Session     string
	Type        Type
	Proposer    string
	Reviewed    bool // the command needs approval
	Required    int  // number of users who must approve; zero means one
	Priority    int
	MaxAttempts int
	Seq         int // position of the command in the order of proposals
	ApproveBy   int64
	DeliverBy   int64

	Status          Status
	Attempt         int      // number of claims, excluding released ones
	Claims          int      // number of all claims, including released ones
	FirstClaim      int64    // time of the first claim that was not released; zero if there is none
	VisibleUntil    int64    // end of the newest lease
	FinishedAt      int64    // zero before the command has ended
	Token           string   // token of the newest claim
	PastTokens      []string // tokens of earlier claims, the oldest first
	Released        bool     // the newest claim was released
	CancelRequested bool     // a user cancelled the command while it was claimed
	Late            bool     // the result arrived after the lease had ended
	Approval        Approval
	Votes           []string // users who have approved before the last one, the oldest first
	Broken          string   // admin who has approved the command alone; empty if none has
	Withdrawn       string   // user who was the last to withdraw an approval
	Result          string   // status and output of the recorded result; empty if no result is recorded
	Timeline        []string // types of the command's events, without the prefix "command."
}

// Approval is the decision that ended the wait. The zero Approval means that the command still waits.
type Approval struct {
	Decision, By string
	Glass        bool // an admin has approved without the other users
}

// approvers returns the users who have approved the command, apart from an admin who has done so alone.
func (c Command) approvers() []string {
	if c.Approval.Decision == "approved" && !c.Approval.Glass {
		return append(slices.Clip(c.Votes), c.Approval.By)
	}
	return c.Votes
}

// Session is a support session. A command is proposed in a session, and may be delivered only
// until the session ends.
type Session struct {
	Status  string // active, closed or expired
	Expires int64
	Ended   int64
}

// State is the state of one device, its sessions and its commands.
type State struct {
	Now      int64
	Policy   Policy
	Device   string // active, suspended or decommissioned
	Instance string // instance of the device that may act: the newest; empty before one has claimed
	Conflict bool   // two instances of the device use its identity
	Session  string // id of the device's open session; empty if no session is open
	Sessions map[string]Session
	Commands map[string]Command
	Index    Index
}

// Index holds the indexes in which the queue finds the commands of a device.
type Index struct {
	Ready   []string         // ready commands, in the order in which they will be claimed
	Pending []string         // commands that are pending approval, the oldest first
	Cancels []string         // claimed commands that a user cancelled, sorted by id
	Leases  map[string]int64 // end of each lease, by the id of the command
	Due     map[string]int64 // next deadline of each command and session, by id
}

// nextDeadline returns the time at which the command changes if no operation changes it
// earlier.
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

// compare orders ready commands by priority. Commands of equal priority are in the order of
// their proposals.
func (c Command) compare(other Command) int {
	return cmp.Or(cmp.Compare(other.Priority, c.Priority), cmp.Compare(c.Seq, other.Seq))
}

// sessionEnded reports whether the command's session has ended or the device is
// decommissioned. The command may then no longer be delivered.
func (s State) sessionEnded(c Command) bool {
	return s.Device == "decommissioned" || s.Session != c.Session || s.Sessions[c.Session].Expires <= s.Now
}

// isHeld reports whether a command may not be claimed until a user resolves the conflict of the
// device's instances.
func (s State) isHeld(c Command) bool { return c.Reviewed && s.Conflict }

// expectedIndex computes the indexes that the store must contain for the commands and sessions
// of s.
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

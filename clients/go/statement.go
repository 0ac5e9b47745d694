package fieldgate

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/fieldgate/fieldgate/clients/go/internal/exact"
)

// A Statement is the complete description of a command. The gateway encodes it once, when the command is
// proposed. Its bytes are what users approve and what the device runs.
type Statement struct {
	Digest      string // SHA-256 of the bytes, in hexadecimal
	Tenant      string
	SessionID   string
	CommandID   string
	Device      StatementDevice
	Type        string
	Parameters  json.RawMessage // as the proposal wrote them
	Priority    int
	MaxAttempts int
	DeliverBy   time.Time
	Reason      string // may be empty
	RetryOf     string // ID of the command that this one repeats; empty if it repeats none
	Proposer    StatementProposer
	Policy      StatementPolicy
}

// A StatementDevice is the device of a command, as it was called when the command was proposed.
type StatementDevice struct {
	ID           string
	Name         string
	ExternalID   string // may be empty
	SerialNumber string // may be empty
	Tags         Tags
}

// A StatementProposer is the user who proposed a command. Kind is "person", or "program" if an OAuth
// client acted for the user.
type StatementProposer struct {
	ID   string
	Kind string
}

// A StatementPolicy is the rule of the policy that applied to a proposal.
type StatementPolicy struct {
	Effect  string // "auto" or "review"
	Rule    string // pattern of the rule; empty if none matched
	Version string // identifies the rules

	// Approvals is the number of users who had to approve. It is 0 if one was sufficient, or none needed.
	Approvals int

	// BreakGlass reports whether an admin was allowed to approve alone.
	BreakGlass bool
}

// statementVersion is the version of the format that this package reads.
const statementVersion = 1

// ErrStatementVersion is the error of ParseStatement for a statement in a format of a later version. It
// may have members that must not be ignored.
var ErrStatementVersion = errors.New("the statement has a version that this program does not know")

// ParseStatement decodes the statement of a command: the member Statement of a [Command] or a
// [ClaimedCommand]. Names must be exact, and no name may be given twice. Members that it does not know
// are ignored.
func ParseStatement(encoded string) (Statement, error) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return Statement{}, fmt.Errorf("decoding a statement: %w", err)
	}
	sum := sha256.Sum256(text)
	s := Statement{Digest: hex.EncodeToString(sum[:])}
	if err := s.parse(text); err != nil {
		return Statement{}, fmt.Errorf("parsing a statement: %w", err)
	}
	return s, nil
}

func (s *Statement) parse(text []byte) error {
	members, err := exact.Members(text)
	if err != nil {
		return err
	}
	version := 0
	if err := assign(members, map[string]any{"version": &version}); err != nil {
		return err
	}
	if version != statementVersion {
		return ErrStatementVersion
	}
	var device, proposer, policy json.RawMessage
	err = assign(members, map[string]any{
		"tenant": &s.Tenant, "session": &s.SessionID, "command": &s.CommandID, "type": &s.Type,
		"parameters": &s.Parameters, "priority": &s.Priority, "maxAttempts": &s.MaxAttempts, "deliverBy": &s.DeliverBy,
		"reason": &s.Reason, "retryOf": &s.RetryOf, "device": &device, "proposer": &proposer, "policy": &policy,
	})
	if err == nil && s.Parameters == nil {
		err = errors.New("it has no parameters")
	}
	return errors.Join(err, decodeMembers(device, map[string]any{
		"id": &s.Device.ID, "name": &s.Device.Name, "externalId": &s.Device.ExternalID,
		"serialNumber": &s.Device.SerialNumber, "tags": &s.Device.Tags,
	}), decodeMembers(proposer, map[string]any{
		"id": &s.Proposer.ID, "kind": &s.Proposer.Kind,
	}), decodeMembers(policy, map[string]any{
		"effect": &s.Policy.Effect, "rule": &s.Policy.Rule, "version": &s.Policy.Version,
		"approvals": &s.Policy.Approvals, "breakGlass": &s.Policy.BreakGlass,
	}))
}

// decodeMembers decodes the members of an object for which targets has a pointer, by their names.
func decodeMembers(text []byte, targets map[string]any) error {
	members, err := exact.Members(text)
	if err != nil {
		return err
	}
	return assign(members, targets)
}

// assign decodes the members for which targets has a pointer, by their names.
func assign(members map[string]json.RawMessage, targets map[string]any) error {
	for name, target := range targets {
		if value, found := members[name]; found {
			if err := json.Unmarshal(value, target); err != nil {
				return fmt.Errorf("the member %q: %w", name, err)
			}
		}
	}
	return nil
}

// AsStated returns a claimed command as its statement describes it, for the device that claimed it. The
// copies beside the statement are not used: only the statement is what users have approved. AsStated
// returns an error if the statement is that of another device, or of another command or session, or
// if it cannot be parsed. The device must then not run the command.
//
// A gateway of an earlier version sends no statement. AsStated then returns the command as it is.
func (c ClaimedCommand) AsStated(deviceID string) (ClaimedCommand, error) {
	if c.Statement == "" {
		return c, nil
	}
	s, err := ParseStatement(c.Statement)
	if err != nil {
		return ClaimedCommand{}, err
	}
	for what, differs := range map[string]bool{
		"device": s.Device.ID != deviceID, "command": s.CommandID != c.ID, "session": s.SessionID != c.SessionID,
		"type": s.Type != c.Type, "number of attempts": s.MaxAttempts != c.MaxAttempts,
	} {
		if differs {
			return ClaimedCommand{}, fmt.Errorf("the statement is about another %s than the claim", what)
		}
	}
	c.Parameters, c.Priority, c.DeliverBy = s.Parameters, s.Priority, s.DeliverBy
	return c, nil
}

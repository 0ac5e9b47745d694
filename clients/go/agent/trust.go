package agent

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// Trust holds the conditions under which the device runs commands. A command that fails the check never
// runs, and is reported as failed with [CodeReceiptInvalid]. Set Trust from a file of the device's owner:
// an attacker who can write to the store of the gateway then cannot run what the owner does not want.
type Trust struct {
	// Mode names the party that decides whether a command was approved. Default: TrustGateway.
	Mode TrustMode

	// Keys are the keys of the gateway. If there are any, each command needs a receipt that one of them
	// has signed and that is about this command and this device. If the policy required a review, the
	// receipt needs as many votes as the policy required, or that of an admin who was allowed to approve
	// alone. Default: no keys, and a command that Require does not name runs as it was claimed.
	Keys fieldgate.ReceiptKeys

	// Roster has the keys of the users who may approve. The agent follows it: it asks the gateway for later
	// versions, accepts one only if users of the version before have signed it, and keeps the newest in
	// StateFile.roster. Default: none.
	Roster fieldgate.Roster

	// Require is what commands need in addition, by their types. A name is a type, a prefix followed by
	// "*" ("remediation.*"), or "*". All entries that match apply. Default: nothing.
	Require map[string]Requirement

	// Now returns the current time. A receipt is refused after its end, by this clock. A device whose
	// clock is behind accepts it for longer, but runs no command twice that Require names or that a user has
	// approved. Default: time.Now.
	Now func() time.Time
}

// A TrustMode names the party that decides whether a command was approved.
type TrustMode string

// The modes of a device.
const (
	// TrustGateway believes the votes in a receipt that the gateway has signed.
	TrustGateway TrustMode = "gateway"

	// TrustApprovers counts an approval for Require only if its user has signed the command with a passkey
	// of the roster. The gateway, and an attacker who controls it, cannot make one.
	TrustApprovers TrustMode = "approvers"
)

// A Requirement holds the conditions under which a device runs a command.
type Requirement struct {
	// Approvals is the least number of users who have approved the command. One who has proposed it does
	// not count, also where the gateway lets the only user of a customer approve. An admin who has broken the
	// glass in an emergency does not count either.
	Approvals int

	// Evidence is the proof that makes an approval count. Default: EvidenceReceipt in the mode TrustGateway, and
	// EvidencePasskey in the mode TrustApprovers, which allows no other.
	Evidence Evidence
}

// Evidence is a kind of proof that makes an approval count.
type Evidence string

// The kinds of evidence.
const (
	EvidenceReceipt Evidence = "receipt" // the gateway says so in a receipt
	EvidencePasskey Evidence = "passkey" // the user has signed the command with a passkey of the roster
)

// expiryLeeway is the time after the end of a receipt during which a command still starts. It covers the
// way of the command to the device and small differences of clocks.
const expiryLeeway = 5 * time.Minute

func (t Trust) withDefaults() Trust {
	if t.Now == nil {
		t.Now = time.Now
	}
	t.Mode = cmp.Or(t.Mode, TrustGateway)
	evidence := EvidenceReceipt
	if t.Mode == TrustApprovers {
		evidence = EvidencePasskey
	}
	t.Require = maps.Clone(t.Require)
	for pattern, requirement := range t.Require {
		requirement.Evidence = cmp.Or(requirement.Evidence, evidence)
		t.Require[pattern] = requirement
	}
	return t
}

func (t Trust) validate() error {
	switch {
	case t.Mode != TrustGateway && t.Mode != TrustApprovers:
		return fmt.Errorf("agent: Trust.Mode must be %s or %s", TrustGateway, TrustApprovers)
	case t.Mode == TrustApprovers && (len(t.Require) == 0 || !t.hasRoster()):
		return errors.New("agent: the mode approvers needs Trust.Require, and Trust.Roster with the keys of the approvers")
	case t.Mode == TrustGateway && len(t.Require) > 0 && len(t.Keys) == 0:
		return errors.New("agent: Trust.Require needs Trust.Keys, because the votes are in the receipts, or the mode approvers")
	}
	usesRoster := false
	for pattern, requirement := range t.Require {
		usesRoster = usesRoster || requirement.Evidence == EvidencePasskey
		if pattern == "" || strings.Contains(strings.TrimSuffix(pattern, "*"), "*") {
			return fmt.Errorf("agent: %q in Trust.Require is not a type, a prefix with *, or *", pattern)
		}
		if err := t.validateRequirement(requirement); err != nil {
			return fmt.Errorf("agent: %q in Trust.Require: %w", pattern, err)
		}
	}
	if t.hasRoster() && !usesRoster {
		return errors.New("agent: nothing in Trust.Require uses Trust.Roster: require passkeys, or the mode approvers")
	}
	return nil
}

func (t Trust) validateRequirement(required Requirement) error {
	switch {
	case required.Approvals < 1:
		return errors.New("the Approvals must be at least 1")
	case required.Evidence != EvidenceReceipt && required.Evidence != EvidencePasskey:
		return fmt.Errorf("the Evidence must be %s or %s", EvidenceReceipt, EvidencePasskey)
	case required.Evidence == EvidenceReceipt && t.Mode == TrustApprovers:
		return errors.New("in the mode approvers, only passkeys are evidence")
	case required.Evidence == EvidencePasskey && !t.hasRoster():
		return errors.New("passkeys need Trust.Roster with the keys of the approvers")
	case required.Evidence == EvidencePasskey && required.Approvals > len(t.Roster.Approvers):
		return fmt.Errorf("the roster has only %s", count(len(t.Roster.Approvers), "user"))
	}
	return nil
}

func (t Trust) hasRoster() bool { return t.Roster.Version > 0 }

// Check returns an error that says why a claimed command must not run. An agent checks each command by
// itself. Use Check in a program that claims without an agent, and compare the statement with the claim:
// see [fieldgate.ClaimedCommand.AsStated].
func (t Trust) Check(command Command, deviceID string) error {
	t = t.withDefaults()
	if err := t.validate(); err != nil {
		return err
	}
	return t.check(command, deviceID)
}

// check returns an error that says why a claimed command must not run.
func (t Trust) check(command Command, deviceID string) error {
	if len(t.Keys) == 0 && !t.concerns(command) {
		return nil
	}
	if command.Receipt == "" || command.Statement == "" {
		return errors.New("the gateway has sent no receipt")
	}
	receipt, err := t.parse(command.Receipt)
	if err != nil {
		return err
	}
	switch {
	case receipt.Encoded != command.Statement:
		return errors.New("the receipt is about another command")
	case receipt.Statement.Device.ID != deviceID:
		return errors.New("the receipt is about another device")
	case t.isPast(receipt.ExpiresAt):
		return errors.New("the receipt has expired")
	case t.guards(command) && receipt.Statement.DeliverBy.After(receipt.IssuedAt.Add(maxDelivery+expiryLeeway)):
		return errors.New("the deadline of the command is more than a day after the receipt was issued, and no gateway allows that")
	}
	return t.checkVotes(receipt)
}

// concerns reports whether an entry of Require matches the type of a claimed command. Both the claim and
// its statement count: the gateway must not choose a type here and run another one.
func (t Trust) concerns(command Command) bool {
	statement, _ := fieldgate.ParseStatement(command.Statement)
	for pattern := range t.Require {
		if matches(pattern, command.Type) || matches(pattern, statement.Type) {
			return true
		}
	}
	return false
}

// guards reports whether a command that the device accepts must not run again before its deadline, however
// often its receipt is sent. With keys, these are also the commands that needed an approval by the policy of the
// gateway. The others, which may be many, are not guarded.
func (t Trust) guards(command Command) bool {
	if t.concerns(command) {
		return true
	}
	statement, err := fieldgate.ParseStatement(command.Statement)
	return len(t.Keys) > 0 && err == nil && statement.Policy.Effect != "auto"
}

// parse decodes a receipt. If there are keys of the gateway, one of them must have signed it.
func (t Trust) parse(compact string) (fieldgate.Receipt, error) {
	if len(t.Keys) == 0 {
		return fieldgate.ParseUnverifiedReceipt(compact)
	}
	return t.Keys.ParseReceipt(compact)
}

func (t Trust) isPast(end time.Time) bool { return t.Now().After(end.Add(expiryLeeway)) }

func (t Trust) checkVotes(receipt fieldgate.Receipt) error {
	if err := checkPolicy(receipt); err != nil {
		return err
	}
	for pattern, required := range t.Require {
		if !matches(pattern, receipt.Statement.Type) {
			continue
		}
		if err := t.checkRequirement(receipt, required); err != nil {
			return err
		}
	}
	return nil
}

func (t Trust) checkRequirement(receipt fieldgate.Receipt, required Requirement) error {
	if required.Evidence == EvidencePasskey {
		return t.checkPasskeys(receipt, required.Approvals)
	}
	if n := receipt.Approvers(); n < required.Approvals {
		return fmt.Errorf("this device requires %s for it, and it has %d", count(required.Approvals, "approval"), n)
	}
	return nil
}

// checkPasskeys returns an error unless enough users have signed the command with their passkeys. Only what
// they have signed counts: the deadline is that of the statement, and not that of the receipt.
func (t Trust) checkPasskeys(receipt fieldgate.Receipt, required int) error {
	if t.isPast(receipt.Statement.DeliverBy) {
		return errors.New("the command has expired")
	}
	users, reasons := map[string]bool{}, error(nil)
	for _, vote := range receipt.Votes {
		if err := t.Roster.VerifyVote(receipt.Statement, vote); err != nil {
			reasons = errors.Join(reasons, fmt.Errorf("the vote of %q: %w", vote.UserID, err))
			continue
		}
		users[vote.UserID] = true
	}
	if len(users) < required {
		return errors.Join(fmt.Errorf("this device requires %s with passkeys of version %d of its roster, and it has %d",
			count(required, "approval"), t.Roster.Version, len(users)), reasons)
	}
	return nil
}

// checkPolicy returns an error if the votes are not those that the policy required at the proposal.
func checkPolicy(receipt fieldgate.Receipt) error {
	rule, alone := receipt.Statement.Policy, false
	for _, vote := range receipt.Votes {
		switch {
		case vote.Decision == "break_glass" && (rule.BreakGlass || rule.Effect == "auto"): // the rule of an auto command became stricter
			alone = true
		case vote.Decision == "break_glass":
			return errors.New("an admin has approved the command alone, and its rule does not allow that")
		case vote.Decision != "approved":
			return errors.New("a user has rejected the command")
		}
	}
	switch approvers := receipt.Approvers(); {
	case rule.Effect != "auto" && len(receipt.Votes) == 0:
		return errors.New("nobody has approved the command")
	case !alone && rule.Approvals > 1 && approvers < rule.Approvals:
		return fmt.Errorf("its rule requires %d approvals, and it has %d", rule.Approvals, approvers)
	}
	return nil
}

// matches reports whether a pattern of Trust.Require matches a type of command.
func matches(pattern, commandType string) bool {
	prefix, open := strings.CutSuffix(pattern, "*")
	return pattern == commandType || open && strings.HasPrefix(commandType, prefix)
}

// count returns a number with a noun, such as "1 approval" or "2 approvals".
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

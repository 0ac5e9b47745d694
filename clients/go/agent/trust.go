package agent

import (
	"errors"
	"fmt"
	"strings"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// Trust holds the conditions under which the device runs commands. A command that fails the check never
// runs, and is reported as failed with [CodeReceiptInvalid]. Set Trust from a file of the device's owner:
// an attacker who can write to the store of the gateway then cannot run what the owner does not want.
type Trust struct {
	// Keys are the keys of the gateway. If there are any, each command needs a receipt that one of them
	// has signed and that is about this command and this device. If the policy required a review, the
	// receipt needs a vote. Default: no keys, and a command runs as it was claimed.
	Keys fieldgate.ReceiptKeys

	// Require is what commands need in addition, by their types. A name is a type, a prefix followed by
	// "*" ("remediation.*"), or "*". All entries that match apply. Default: nothing.
	Require map[string]Requirement

	// Now returns the current time. A receipt is refused after its end, by this clock. A device whose
	// clock is behind accepts it for longer, but runs no command twice. Default: time.Now.
	Now func() time.Time
}

// A Requirement holds the conditions under which a device runs a command.
type Requirement struct {
	// Approvals is the least number of users who have approved the command. One who has proposed it does
	// not count, also where the gateway lets the only user of a customer approve, and in an emergency.
	Approvals int
}

// expiryLeeway is the time after the end of a receipt during which a command still starts. It covers the
// way of the command to the device and small differences of clocks.
const expiryLeeway = 5 * time.Minute

func (t Trust) withDefaults() Trust {
	if t.Now == nil {
		t.Now = time.Now
	}
	return t
}

func (t Trust) validate() error {
	if len(t.Require) > 0 && len(t.Keys) == 0 {
		return errors.New("agent: Trust.Require needs Trust.Keys, because the votes are in the receipts")
	}
	for pattern, requirement := range t.Require {
		if pattern == "" || strings.Contains(strings.TrimSuffix(pattern, "*"), "*") {
			return fmt.Errorf("agent: %q in Trust.Require is not a type, a prefix with *, or *", pattern)
		}
		if requirement.Approvals < 1 {
			return fmt.Errorf("agent: the Approvals of %q in Trust.Require must be at least 1", pattern)
		}
	}
	return nil
}

// check returns an error that says why a claimed command must not run.
func (t Trust) check(command Command, deviceID string) error {
	if len(t.Keys) == 0 {
		return nil
	}
	if command.Receipt == "" || command.Statement == "" {
		return errors.New("the gateway has sent no receipt")
	}
	receipt, err := t.Keys.ParseReceipt(command.Receipt)
	if err != nil {
		return err
	}
	switch {
	case receipt.Encoded != command.Statement:
		return errors.New("the receipt is about another command")
	case receipt.Statement.Device.ID != deviceID:
		return errors.New("the receipt is about another device")
	case t.Now().After(receipt.ExpiresAt.Add(expiryLeeway)):
		return errors.New("the receipt has expired")
	}
	return t.checkVotes(receipt)
}

func (t Trust) checkVotes(receipt fieldgate.Receipt) error {
	for _, vote := range receipt.Votes {
		if vote.Decision != "approved" {
			return errors.New("a user has rejected the command")
		}
	}
	if effect := receipt.Statement.Policy.Effect; effect != "auto" && len(receipt.Votes) == 0 {
		return errors.New("nobody has approved the command")
	}
	for pattern, required := range t.Require {
		if matches(pattern, receipt.Statement.Type) && receipt.Approvers() < required.Approvals {
			return fmt.Errorf("this device requires %d approvals for it, and it has %d", required.Approvals, receipt.Approvers())
		}
	}
	return nil
}

// matches reports whether a pattern of Trust.Require matches a type of command.
func matches(pattern, commandType string) bool {
	prefix, open := strings.CutSuffix(pattern, "*")
	return pattern == commandType || open && strings.HasPrefix(commandType, prefix)
}

package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/clients/go/agent"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-agent/settings"
	"github.com/fieldgate/fieldgate/diagnosis"
)

// newTrust returns what the owner of the device requires of commands.
func newTrust(s settings.Settings) (agent.Trust, error) {
	require, err := parseRequirements(s.RequireApprovals)
	if err != nil {
		return agent.Trust{}, err
	}
	trust := agent.Trust{Mode: agent.TrustMode(s.Trust), Require: require}
	if err := checkApprovers(s); err != nil {
		return agent.Trust{}, err
	}
	if err := readRoster(s.Roster, &trust); err != nil {
		return agent.Trust{}, err
	}
	if s.ReceiptKeys == "" {
		return trust, nil
	}
	set, err := os.ReadFile(s.ReceiptKeys)
	if err != nil {
		return agent.Trust{}, fmt.Errorf("reading the keys of receipts: %w", err)
	}
	trust.Keys, err = fieldgate.ParseReceiptKeys(set)
	return trust, err
}

// checkApprovers checks that nothing is missing that the mode approvers needs. The agent would refuse it too, with
// the names of its fields.
func checkApprovers(s settings.Settings) error {
	switch {
	case agent.TrustMode(s.Trust) != agent.TrustApprovers:
		return nil
	case s.Roster == "":
		return errors.New("FIELDGATE_TRUST=approvers needs FIELDGATE_ROSTER: the file with the keys of the approvers")
	case len(s.RequireApprovals) == 0:
		return errors.New("FIELDGATE_TRUST=approvers needs FIELDGATE_REQUIRE_APPROVALS, such as remediation.*=2: without it, nothing would need an approval")
	default:
		return nil
	}
}

// parseRequirements parses what types of commands require, such as "remediation.*=2". It is an error to name a
// pattern twice, because one of the two would be ignored.
func parseRequirements(entries []string) (map[string]agent.Requirement, error) {
	require := make(map[string]agent.Requirement)
	for _, entry := range entries {
		pattern, text, found := strings.Cut(entry, "=")
		pattern = strings.TrimSpace(pattern)
		if !found {
			return nil, fmt.Errorf("the required approvals: %q is not TYPE=N", entry)
		}
		if _, twice := require[pattern]; twice {
			return nil, fmt.Errorf("the approvals that %q requires are set twice", pattern)
		}
		requirement, err := parseRequirement(text)
		if err != nil {
			return nil, fmt.Errorf("the approvals that %q requires: %w", pattern, err)
		}
		require[pattern] = requirement
	}
	return require, nil
}

// parseRequirement parses a number of approvals, with the evidence after a colon, such as "2:passkey".
func parseRequirement(text string) (agent.Requirement, error) {
	number, evidence, _ := strings.Cut(text, ":")
	approvals, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil {
		return agent.Requirement{}, fmt.Errorf("%q is not a number, or a number with :passkey", text)
	}
	return agent.Requirement{Approvals: approvals, Evidence: agent.Evidence(strings.TrimSpace(evidence))}, nil
}

// readRoster reads the roster that the owner of the device has pinned, if there is one.
func readRoster(name string, trust *agent.Trust) error {
	if name == "" {
		return nil
	}
	chain, err := os.ReadFile(name)
	if err == nil {
		trust.Roster, err = fieldgate.ParseRoster(chain)
	}
	if err != nil {
		return fmt.Errorf("reading the roster of the approvers: %w", err)
	}
	return nil
}

// checkTrust returns who decides what the device runs, and what it requires of commands.
func checkTrust(trust agent.Trust) []diagnosis.Finding {
	findings := []diagnosis.Finding{diagnosis.Good("trust", "the mode is %s", trust.Mode)}
	for _, pattern := range slices.Sorted(maps.Keys(trust.Require)) {
		findings = append(findings, checkRequirement(trust.Mode, pattern, trust.Require[pattern]))
	}
	if len(trust.Keys) > 0 {
		findings = append(findings, diagnosis.Good("receipts", "each command needs a receipt that the gateway has signed; number of its keys: %d", len(trust.Keys)))
	}
	if trust.Roster.Version > 0 {
		findings = append(findings, diagnosis.Good("approvals", "the file has version %d of the roster of %s, with %d users, of whom %d sign the next version",
			trust.Roster.Version, trust.Roster.Tenant, len(trust.Roster.Approvers), trust.Roster.Threshold))
	}
	return findings
}

// checkRequirement returns what commands of a type need. A pattern that matches no type is a warning: commands
// of the type that its author meant would run without the approvals.
func checkRequirement(mode agent.TrustMode, pattern string, required agent.Requirement) diagnosis.Finding {
	if pattern != strings.ToLower(pattern) {
		return diagnosis.Warn("requirement", "%q matches no command, because types have no upper-case letters: correct FIELDGATE_REQUIRE_APPROVALS", pattern)
	}
	evidence := agent.EvidenceReceipt
	if mode == agent.TrustApprovers || required.Evidence == agent.EvidencePasskey {
		evidence = agent.EvidencePasskey
	}
	return diagnosis.Good("requirement", "%s=%d:%s", pattern, required.Approvals, evidence)
}

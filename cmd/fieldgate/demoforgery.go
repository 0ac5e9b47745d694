package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/clients/go/agent"
	"github.com/fieldgate/fieldgate/clients/go/passkeytest"
)

// refuseForgery approves a command in the name of bob, without his passkey. The gateway believes it, and the
// device does not.
func (d *demo) refuseForgery() error {
	trust, err := d.pinApprovers()
	if err != nil {
		return err
	}
	cache, err := createCache()
	if err != nil {
		return err
	}
	defer os.RemoveAll(cache)
	proposed, err := d.propose("remediation.clear_cache", map[string]any{"directory": cache})
	if err != nil {
		return err
	}
	d.detail("carol proposes %s again; mallory has stolen bob's sign-in, and approves it as bob", proposed.Type)
	decided, err := d.approver.Decide(d.ctx, d.session, client.DecisionRequest{CommandID: proposed.ID, Approved: true, Digest: proposed.Digest})
	if err != nil {
		return fmt.Errorf("approving: %w", err)
	}
	d.detail("the gateway cannot know better: the command is %s, and bob is said to have approved it", decided.Status)
	got := <-d.claim(longClaim)
	if got.err != nil || len(got.commands) == 0 {
		return errors.Join(errors.New("the device did not receive the command"), got.err)
	}
	if err := d.refuse(trust, got.commands[0]); err != nil {
		return err
	}
	d.detail("the %d files are still there", count(cache))
	return nil
}

// pinApprovers returns the trust of a device whose owner has pinned the roster with bob's passkey. It is one in
// software, which only this process has.
func (d *demo) pinApprovers() (agent.Trust, error) {
	bob, err := d.approver.Me(d.ctx)
	if err != nil {
		return agent.Trust{}, fmt.Errorf("reading who bob is: %w", err)
	}
	passkey := passkeytest.New("localhost", d.url)
	version := passkeytest.Roster{
		Tenant: bob.Tenant, Version: 1, Threshold: 1, Users: map[string][]*passkeytest.Passkey{bob.UserID: {passkey}},
	}
	roster, err := client.ParseRoster(passkeytest.Chain(version.Sign(passkey)))
	if err != nil {
		return agent.Trust{}, err
	}
	d.detail("the owner of the device has pinned who may approve remediations there, in a file: bob, with his passkey")
	return agent.Trust{
		Mode: agent.TrustApprovers, Roster: roster,
		Require: map[string]agent.Requirement{"remediation.*": {Approvals: 1, Evidence: agent.EvidencePasskey}},
	}, nil
}

// refuse checks the command as an agent does, and reports that it did not start.
func (d *demo) refuse(trust agent.Trust, c client.ClaimedCommand) error {
	forged := trust.Check(c, d.deviceID)
	if forged == nil {
		return errors.New("the device has accepted an approval that bob has not signed")
	}
	d.detail("the device claims it, checks the approval itself, and does not run it:")
	for line := range strings.Lines(forged.Error()) {
		d.detail("  %s", strings.TrimSpace(line))
	}
	stored, err := d.device.SubmitResult(d.ctx, c.ID, client.ResultRequest{
		ClaimToken: c.ClaimToken, Status: client.ResultStatusFailed,
		Error: forged.Error(), Data: []byte(`{"code":"` + agent.CodeReceiptInvalid + `"}`),
	})
	if err != nil {
		return fmt.Errorf("submitting the result: %w", err)
	}
	d.detail("  %s: %s", stored.Status, agent.CodeReceiptInvalid)
	return nil
}

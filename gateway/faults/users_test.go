package faults_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// These are command types. With the built-in policy, a command of type auto is queued at
// once, and a command of type review only after an approval.
const (
	auto   = "diagnostic.dns"
	review = "remediation.restart"
)

func nonce() string { return rand.Text() }

func asRefusal(err error, refusal **client.APIError) bool { return errors.As(err, refusal) }

// actAsAlice proposes a command, cancels one or closes the session, at random.
func (d *device) actAsAlice(rnd random) {
	switch n := rnd.IntN(100); {
	case n < 50:
		d.proposeOne(rnd, auto, rnd.IntN(4))
	case n < 75:
		d.proposeOne(rnd, review, 0)
	case n < 90:
		d.cancelOne(rnd)
	case n < 93:
		d.closeSession(rnd)
	}
}

// proposeOne proposes a command. Its parameters contain a nonce, by which the
// verification finds a second command of the same proposal.
func (d *device) proposeOne(rnd random, kind string, attempts int) {
	session, _ := d.currentSession()
	key, priority := nonce(), rnd.IntN(10)
	request := client.ProposeCommandRequest{
		Type: kind, Parameters: json.RawMessage(fmt.Sprintf(`{"nonce":%q}`, key)), Priority: &priority, MaxAttempts: attempts,
	}
	d.history.record("alice", joinWords("proposes", kind, key), func() { d.history.attempted[key] = true })
	var made client.Command
	known, err := d.retryUntilKnown(rnd, "alice", "proposes "+key, func(ctx context.Context) (err error) {
		made, err = d.alice.Propose(ctx, session, request, client.WithIdempotencyKey(key))
		return err
	}, client.CodeSessionClosed, client.CodeDeviceQueueFull)
	if !known || err != nil {
		return
	}
	d.rememberCommand(made.ID)
	d.history.record("alice", joinWords("proposed", key, made.ID, string(made.Status)), func() {
		d.history.nonces[key] = made.ID
		c := d.history.command(d.key.ID, made.ID)
		c.proposed, c.review, c.max = true, kind == review, made.MaxAttempts
	})
}

func (d *device) cancelOne(rnd random) {
	session, recent := d.currentSession()
	if len(recent) == 0 {
		return
	}
	id := recent[rnd.IntN(len(recent))]
	var made client.Command
	known, err := d.retryUntilKnown(rnd, "alice", "cancels "+id, func(ctx context.Context) (err error) {
		made, err = d.alice.Cancel(ctx, session, id, "not needed")
		return err
	}, client.CodeCommandFinished)
	if known && err == nil {
		d.history.record("alice", joinWords("cancelled", id, string(made.Status)), func() {
			if made.Status == client.CommandStatusCancelled {
				d.history.command(d.key.ID, id).cancelled = true
			}
		})
	}
}

func (d *device) closeSession(rnd random) {
	session, _ := d.currentSession()
	known, err := d.retryUntilKnown(rnd, "alice", "closes "+session, func(ctx context.Context) error {
		_, err := d.alice.CloseSession(ctx, session, "done")
		return err
	})
	if known && err == nil {
		d.history.record("alice", "closed "+session, nil)
	}
	d.openSession(d.t.Context())
}

// actAsBob reads the commands that wait for an approval, and approves or rejects them.
func (c *tenant) actAsBob(rnd random) {
	var waiting client.CommandList
	known, err := c.retryUntilKnown(rnd, "bob", "lists approvals", func(ctx context.Context) (err error) {
		waiting, err = c.bob.Approvals(ctx, client.ListApprovalsParams{})
		return err
	})
	if !known || err != nil {
		return
	}
	for _, one := range waiting.Items {
		c.decide(rnd, one, rnd.chance(75))
	}
}

func (c *tenant) decide(rnd random, one client.Command, approved bool) {
	decision := client.DecisionRequest{CommandID: one.ID, Approved: approved, Digest: one.Digest, Reason: "looked at it"}
	var made client.Command
	known, err := c.deviceOf(one.DeviceID).retryUntilKnown(rnd, "bob", "decides "+one.ID, func(ctx context.Context) (err error) {
		made, err = c.bob.Decide(ctx, one.SessionID, decision)
		return err
	}, client.CodeAlreadyDecided, client.CodeSessionClosed, client.CodeApprovalExpired, client.CodeCommandFinished)
	if !known || err != nil {
		c.history.record("bob", fmt.Sprintf("decides %s (%t): %v", one.ID, approved, err), nil)
		return
	}
	c.history.record("bob", fmt.Sprintf("decided %s (%t): %s", one.ID, approved, made.Status), func() {
		history := c.history.command(one.DeviceID, one.ID)
		if history.decision != nil && *history.decision != approved {
			c.history.violations = append(c.history.violations, finding{inconsistent, one.ID, "two decisions were accepted"})
		}
		history.decision = &approved
	})
}

func (c *tenant) deviceOf(id string) *device {
	for _, d := range c.devices {
		if d.key.ID == id {
			return d
		}
	}
	return &device{tenant: c}
}

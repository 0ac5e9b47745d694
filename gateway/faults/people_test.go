package faults_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// Types of commands: the policy asks a person about the second.
const (
	auto   = "diagnostic.dns"
	review = "remediation.restart"
)

func nonce() string { return rand.Text() }

func asRefusal(err error, refusal **client.APIError) bool { return errors.As(err, refusal) }

// propose is what Alice does next about a device.
func (d *device) propose(roll dice) {
	switch n := roll.IntN(100); {
	case n < 50:
		d.proposeOne(roll, auto, roll.IntN(4))
	case n < 75:
		d.proposeOne(roll, review, 0)
	case n < 90:
		d.cancelOne(roll)
	case n < 93:
		d.closeSession(roll)
	}
}

// proposeOne proposes a command. Its parameters name the proposal, so that a second
// command of one proposal is found.
func (d *device) proposeOne(roll dice, kind string, attempts int) {
	session, _ := d.current()
	key, priority := nonce(), roll.IntN(10)
	request := client.ProposeCommandRequest{
		Type: kind, Parameters: json.RawMessage(fmt.Sprintf(`{"nonce":%q}`, key)), Priority: &priority, MaxAttempts: attempts,
	}
	d.history.note("alice", words("proposes", kind, key), func() { d.history.tried[key] = true })
	var made client.Command
	known, err := d.insist(roll, "alice", "proposes "+key, func(ctx context.Context) (err error) {
		made, err = d.alice.Propose(ctx, session, request, client.WithIdempotencyKey(key))
		return err
	}, client.CodeSessionClosed, client.CodeDeviceQueueFull)
	if !known || err != nil {
		return
	}
	d.remember(made.ID)
	d.history.note("alice", words("proposed", key, made.ID, string(made.Status)), func() {
		d.history.nonces[key] = made.ID
		c := d.history.of(d.key.ID, made.ID)
		c.proposed, c.review, c.max = true, kind == review, made.MaxAttempts
	})
}

func (d *device) cancelOne(roll dice) {
	session, recent := d.current()
	if len(recent) == 0 {
		return
	}
	id := recent[roll.IntN(len(recent))]
	var made client.Command
	known, err := d.insist(roll, "alice", "cancels "+id, func(ctx context.Context) (err error) {
		made, err = d.alice.Cancel(ctx, session, id, "not needed")
		return err
	}, client.CodeCommandFinished)
	if known && err == nil {
		d.history.note("alice", words("cancelled", id, string(made.Status)), func() {
			if made.Status == client.CommandStatusCancelled {
				d.history.of(d.key.ID, id).cancelled = true
			}
		})
	}
}

func (d *device) closeSession(roll dice) {
	session, _ := d.current()
	known, err := d.insist(roll, "alice", "closes "+session, func(ctx context.Context) error {
		_, err := d.alice.CloseSession(ctx, session, "done")
		return err
	})
	if known && err == nil {
		d.history.note("alice", "closed "+session, nil)
	}
	d.open(d.t.Context())
}

// decideSome is what Bob does next: he looks at what waits, and decides.
func (c *customer) decideSome(roll dice) {
	var waiting client.CommandList
	known, err := c.insist(roll, "bob", "looks", func(ctx context.Context) (err error) {
		waiting, err = c.bob.Approvals(ctx, client.ListApprovalsParams{})
		return err
	})
	if !known || err != nil {
		return
	}
	for _, one := range waiting.Items {
		c.decide(roll, one, roll.percent(75))
	}
}

func (c *customer) decide(roll dice, one client.Command, approved bool) {
	decision := client.DecisionRequest{CommandID: one.ID, Approved: approved, Digest: one.Digest, Reason: "looked at it"}
	var made client.Command
	known, err := c.deviceOf(one.DeviceID).insist(roll, "bob", "decides "+one.ID, func(ctx context.Context) (err error) {
		made, err = c.bob.Decide(ctx, one.SessionID, decision)
		return err
	}, client.CodeAlreadyDecided, client.CodeSessionClosed, client.CodeApprovalExpired, client.CodeCommandFinished)
	if !known || err != nil {
		c.history.note("bob", fmt.Sprintf("decides %s (%t): %v", one.ID, approved, err), nil)
		return
	}
	c.history.note("bob", fmt.Sprintf("decided %s (%t): %s", one.ID, approved, made.Status), func() {
		told := c.history.of(one.DeviceID, one.ID)
		if told.decision != nil && *told.decision != approved {
			c.history.wrong = append(c.history.wrong, finding{wrong, one.ID, "two decisions were accepted"})
		}
		told.decision = &approved
	})
}

func (c *customer) deviceOf(id string) *device {
	for _, d := range c.devices {
		if d.key.ID == id {
			return d
		}
	}
	return &device{customer: c}
}

package fleet

import (
	"context"
	mathrand "math/rand/v2"
	"time"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// Types of commands. By default, the policy of the gateway approves the first without a user, and
// requires an approval of the second.
const (
	typeAutomatic = "diagnostic.load"
	typeReviewed  = "load.reviewed"
)

// tenant is a tenant with its users and devices.
type tenant struct {
	player   *player
	admin    *client.CustomerClient
	operator *client.CustomerClient
	approver *client.CustomerClient
	devices  []*device
}

func newTenant(p *player, id string) *tenant {
	as := func(user, role string) *client.CustomerClient {
		return p.gateways[mathrand.IntN(len(p.gateways))].Customer(p.part.Issuer.source(id, user, role))
	}
	return &tenant{player: p, admin: as("admin", "admin"), operator: as("operator", "operator"), approver: as("approver", "approver")}
}

// choose returns a registered device without a visit, chosen at random, and marks it as
// visited. It returns nil if it finds none in some tries.
func (t *tenant) choose(rnd *mathrand.Rand) *device {
	for range 10 {
		d := t.devices[rnd.IntN(len(t.devices))]
		if d.client.Load() != nil && !d.visited.Swap(true) {
			return d
		}
	}
	return nil
}

// visit opens a session on a device, proposes commands, waits until all have ended, and closes the
// session. It is counted as a visit if each step succeeds.
func (t *tenant) visit(ctx context.Context, d *device, reviewed []bool) {
	defer d.visited.Store(false)
	began := time.Now()
	err := t.visitDevice(ctx, d, reviewed)
	t.player.tally.Add("visit", time.Since(began), err)
}

// visitDevice sends the calls of a visit. For each command, reviewed reports whether it requires an
// approval.
func (t *tenant) visitDevice(ctx context.Context, d *device, reviewed []bool) error {
	session, err := t.openSession(ctx, d)
	if err != nil {
		return err
	}
	var results []<-chan struct{}
	for _, review := range reviewed {
		result, err := t.propose(ctx, session, review)
		if err != nil {
			return err
		}
		results = append(results, result)
	}
	for _, result := range results {
		select {
		case <-result:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return t.player.until(ctx, "close session", func(ctx context.Context) error {
		_, err := t.operator.CloseSession(ctx, session.ID, "")
		return err
	})
}

func (t *tenant) openSession(ctx context.Context, d *device) (session client.Session, err error) {
	key := withKey()
	err = t.player.until(ctx, "open session", func(ctx context.Context) (err error) {
		session, err = t.operator.OpenSession(ctx, client.OpenSessionRequest{DeviceID: d.id, Type: client.SessionTypeDiagnostic}, key)
		return err
	})
	return session, err
}

// propose proposes a command, and approves it if the gateway requires that. It returns a channel
// that is closed when the command has a result.
func (t *tenant) propose(ctx context.Context, session client.Session, review bool) (<-chan struct{}, error) {
	request, key := client.ProposeCommandRequest{Type: typeAutomatic, Reason: "a load test"}, withKey()
	if review {
		request.Type = typeReviewed
	}
	var proposed client.Command
	var sent time.Time
	err := t.player.until(ctx, "propose", func(ctx context.Context) (err error) {
		if sent.IsZero() {
			sent = time.Now()
		}
		proposed, err = t.operator.Propose(ctx, session.ID, request, key)
		return err
	})
	if err != nil {
		if ctx.Err() != nil {
			t.player.ledger.unanswered()
		}
		return nil, err
	}
	result := t.player.ledger.accepted(t, proposed, sent)
	if proposed.Status != client.CommandStatusPendingApproval {
		return result, nil
	}
	return result, t.approve(ctx, proposed)
}

// approve approves a command. A refusal because it is decided already is the response to a repeated
// request, since each command has one approver here.
func (t *tenant) approve(ctx context.Context, c client.Command) error {
	t.player.ledger.deciding(c.ID)
	return t.player.until(ctx, "approve", func(ctx context.Context) error {
		_, err := t.approver.Decide(ctx, c.SessionID, client.DecisionRequest{CommandID: c.ID, Approved: true, Digest: c.Digest})
		if client.CodeOf(err) == client.CodeAlreadyDecided {
			return nil
		}
		return err
	})
}

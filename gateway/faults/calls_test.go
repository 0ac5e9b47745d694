package faults_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// retryUntilKnown repeats a call until its outcome is known, as a real client does. In five
// percent of the cases it gives up after the first try, so that the outcome stays unknown. An
// unexpected refusal is recorded as a violation.
func (s *site) retryUntilKnown(damaged *atomic.Bool, d random, actor, action string, call func(ctx context.Context) error, refusals ...client.ProblemCode) (known bool, err error) {
	patient, first := !d.chance(5), time.Now()
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, 300*time.Millisecond) {
		began := time.Now()
		err = call(s.t.Context())
		code := client.CodeOf(err)
		if took := time.Since(began); took > s.maxOutageResponse && code == client.CodeStoreUnavailable {
			s.history.recordViolation("", "%s %s: store_unavailable only after %s", actor, action, took)
		}
		if !isTransient(err) {
			if err != nil && !slices.Contains(refusals, code) && !damaged.Load() {
				s.history.recordViolation("", "%s %s: %v", actor, action, err)
			}
			s.history.recordCall(time.Since(first))
			return true, err
		}
		s.history.countRetry(code)
		if !patient || !sleep(s.t.Context(), wait) {
			s.history.record(actor, action+": gave up: "+err.Error(), nil)
			return false, err
		}
	}
}

func (c *tenant) retryUntilKnown(d random, actor, action string, call func(ctx context.Context) error, refusals ...client.ProblemCode) (known bool, err error) {
	return c.site.retryUntilKnown(&c.damaged, d, actor, action, call, refusals...)
}

func (d *device) retryUntilKnown(rnd random, actor, action string, call func(ctx context.Context) error, refusals ...client.ProblemCode) (known bool, err error) {
	return d.site.retryUntilKnown(&d.damaged, rnd, actor, action, call, refusals...)
}

// isTransient reports whether a client repeats a call that failed with err. This is
// the case if the effect of the call is unknown, the store is full or the gateway drains.
func isTransient(err error) bool {
	if err == nil {
		return false
	}
	code := client.CodeOf(err)
	return code == "" || code == client.CodeStoreUnavailable || code == client.CodeStoreFull || code == client.CodeDraining
}

// openSession opens a session for the device, or finds the one that is already open.
func (d *device) openSession(ctx context.Context) {
	key := "open-" + d.name + "-" + nonce()
	for {
		opened, err := d.alice.OpenSession(ctx, client.OpenSessionRequest{DeviceID: d.key.ID, Type: "remediation"}, client.WithIdempotencyKey(key))
		var refusal *client.APIError
		switch {
		case err == nil:
			d.setSession(opened.ID)
			return
		case asRefusal(err, &refusal) && refusal.Code == client.CodeSessionActive:
			d.setSession(refusal.SessionID)
			return
		case d.damaged.Load():
			return
		case !isTransient(err):
			d.history.recordViolation("", "alice opens a session: %v", err)
			return
		}
		if !sleep(ctx, 50*time.Millisecond) {
			return
		}
	}
}

// setSession sets the current session of the device and records it.
func (d *device) setSession(session string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.session, d.recent = session, nil
	d.history.record("alice", "opened "+session+" on "+d.name, func() { d.history.sessions[session] = d })
}

// currentSession returns the current session and the latest commands in it.
func (d *device) currentSession() (session string, recent []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.session, slices.Clone(d.recent)
}

// rememberCommand adds a command to d.recent, which has at most the ten latest commands.
func (d *device) rememberCommand(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.recent = append(d.recent, id)
	d.recent = d.recent[max(0, len(d.recent)-10):]
}

// joinWords joins the words of a line of the history.
func joinWords(parts ...string) string { return strings.Join(parts, " ") }

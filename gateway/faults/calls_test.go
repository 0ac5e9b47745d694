package faults_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// insist makes a call until its outcome is known, as a client does that can repeat
// it. Some give up after the first try: what came of it, nobody knows. A refusal
// that nobody should get with this call is noted.
func (s *site) insist(spoiled *atomic.Bool, d dice, who, what string, call func(ctx context.Context) error, refusals ...client.ProblemCode) (known bool, err error) {
	patient, first := !d.percent(5), time.Now()
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, 300*time.Millisecond) {
		began := time.Now()
		err = call(s.t.Context())
		code := client.CodeOf(err)
		if took := time.Since(began); took > s.slowest && code == client.CodeStoreUnavailable {
			s.history.bad("", "%s %s: answered after %s that the store is away", who, what, took)
		}
		if !isUnknown(err) {
			if err != nil && !slices.Contains(refusals, code) && !spoiled.Load() {
				s.history.bad("", "%s %s: %v", who, what, err)
			}
			s.history.took(time.Since(first))
			return true, err
		}
		s.history.repeats(code)
		if !patient || !pause(s.t.Context(), wait) {
			s.history.note(who, what+": gave up: "+err.Error(), nil)
			return false, err
		}
	}
}

func (c *customer) insist(d dice, who, what string, call func(ctx context.Context) error, refusals ...client.ProblemCode) (known bool, err error) {
	return c.site.insist(&c.spoiled, d, who, what, call, refusals...)
}

func (d *device) insist(roll dice, who, what string, call func(ctx context.Context) error, refusals ...client.ProblemCode) (known bool, err error) {
	return d.site.insist(&d.spoiled, roll, who, what, call, refusals...)
}

// isUnknown tells whether a call may or may not have been done.
func isUnknown(err error) bool {
	if err == nil {
		return false
	}
	code := client.CodeOf(err)
	return code == "" || code == client.CodeStoreUnavailable || code == client.CodeDraining
}

// open opens a session, or finds the one that is open.
func (d *device) open(ctx context.Context) {
	key := "open-" + d.name + "-" + nonce()
	for {
		opened, err := d.alice.OpenSession(ctx, client.OpenSessionRequest{DeviceID: d.key.ID, Type: "remediation"}, client.WithIdempotencyKey(key))
		var refusal *client.APIError
		switch {
		case err == nil:
			d.opened(opened.ID)
			return
		case asRefusal(err, &refusal) && refusal.Code == client.CodeSessionActive:
			d.opened(refusal.SessionID)
			return
		case d.spoiled.Load():
			return
		case !isUnknown(err):
			d.history.bad("", "alice opens a session: %v", err)
			return
		}
		if !pause(ctx, 50*time.Millisecond) {
			return
		}
	}
}

func (d *device) opened(session string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.session, d.recent = session, nil
	d.history.note("alice", "opened "+session+" on "+d.name, func() { d.history.sessions[session] = d })
}

func (d *device) current() (session string, recent []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.session, slices.Clone(d.recent)
}

func (d *device) remember(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.recent = append(d.recent, id)
	d.recent = d.recent[max(0, len(d.recent)-10):]
}

// words puts a line of the history together.
func words(parts ...string) string { return strings.Join(parts, " ") }

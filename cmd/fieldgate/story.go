package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// story is the demo while it is told.
type story struct {
	ctx      context.Context // of the one run that the story is
	w        io.Writer
	url      string
	gate     *client.Gateway
	admin    *client.CustomerClient
	approver *client.CustomerClient
	device   *client.DeviceClient
	deviceID string
	session  string
}

// tell goes through the chapters until one fails.
func (s *story) tell() error {
	s.line("Fieldgate at %s", s.url)
	for i, chapter := range []struct {
		title string
		tell  func() error
	}{
		{"A device joins the fleet", s.join},
		{"Diagnostics run at once", s.diagnose},
		{"A remedy waits for a person", s.remedy},
		{"What happened", s.timeline},
		{"The end", s.end},
	} {
		s.line("\n%d. %s", i+1, chapter.title)
		if err := chapter.tell(); err != nil {
			return fmt.Errorf("in chapter %d: %w", i+1, err)
		}
	}
	return nil
}

func (s *story) line(format string, args ...any) { fmt.Fprintf(s.w, format+"\n", args...) }

func (s *story) say(format string, args ...any) { s.line("   "+format, args...) }

func (s *story) join() error {
	made, err := s.admin.Provision(s.ctx, client.ProvisionDeviceRequest{
		Name: "Pump 7", Location: "Hall B", Tags: client.Tags{"demo": "yes"},
	})
	if err != nil {
		return fmt.Errorf("provisioning: %w", err)
	}
	s.say("carol, an admin, provisions %q: %s", made.Device.Name, made.Device.ID)
	s.say("its activation code is %s, good until %s", made.ActivationCode, made.ActivationExpiresAt.Local().Format("Jan 2 15:04"))
	registered, err := s.gate.Register(s.ctx, client.RegisterDeviceRequest{
		ActivationCode: made.ActivationCode, Metadata: client.DeviceMetadata{Model: "demo", FirmwareVersion: "1.0.0"},
	})
	if err != nil {
		return fmt.Errorf("registering: %w", err)
	}
	s.say("the device registers with it and gets its secret, which is shown this once")
	s.deviceID = registered.DeviceID
	s.device = s.gate.Device(registered.DeviceID, registered.DeviceSecret)
	pulse, err := s.device.Heartbeat(s.ctx, client.HeartbeatRequest{Status: client.HeartbeatStatusOk})
	if err != nil {
		return fmt.Errorf("logging in: %w", err)
	}
	s.say("it logs in and sends a heartbeat; the next one is due in %s", time.Duration(pulse.NextHeartbeatMs)*time.Millisecond)
	return s.again(made.ActivationCode)
}

// again shows that a code is good once.
func (s *story) again(code string) error {
	_, err := s.gate.Register(s.ctx, client.RegisterDeviceRequest{ActivationCode: code})
	if client.CodeOf(err) != client.CodeInvalidActivationCode {
		return fmt.Errorf("a used code was not refused: %w", err)
	}
	s.say("somebody tries the same code again: %s", client.CodeOf(err))
	return nil
}

func (s *story) diagnose() error {
	opened, err := s.admin.OpenSession(s.ctx, client.OpenSessionRequest{
		DeviceID: s.deviceID, Type: client.SessionTypeRemediation, Description: "Pump 7 stopped sending",
	})
	if err != nil {
		return fmt.Errorf("opening a session: %w", err)
	}
	s.session = opened.ID
	s.say("carol opens a support session until %s", opened.ExpiresAt.Local().Format("15:04"))
	host, port, err := target(s.url)
	if err != nil {
		return err
	}
	for _, one := range []struct {
		kind       string
		parameters any
	}{
		{"diagnostic.dns", map[string]any{"host": "localhost"}},
		{"diagnostic.tcp", map[string]any{"host": host, "port": port}},
		{"diagnostic.http", map[string]any{"url": s.url + "/healthz"}},
		{"diagnostic.system", map[string]any{}},
	} {
		if err := s.runWaiting(one.kind, one.parameters); err != nil {
			return fmt.Errorf("running %s: %w", one.kind, err)
		}
	}
	return nil
}

// target is the host and the port of the gateway, which the diagnostics look at.
func target(gateURL string) (host string, port int, err error) {
	u, err := url.Parse(gateURL)
	if err != nil {
		return "", 0, fmt.Errorf("reading the gateway's address: %w", err)
	}
	if u.Port() == "" {
		port, err := net.LookupPort("tcp", u.Scheme)
		return u.Hostname(), port, err
	}
	port, err = strconv.Atoi(u.Port())
	return u.Hostname(), port, err
}

// delivery is a command in the hands of the device, and when it got there.
type delivery struct {
	commands []client.ClaimedCommand
	at       time.Time
	err      error
}

// claim has the device wait for a command.
func (s *story) claim(wait time.Duration) <-chan delivery {
	delivered := make(chan delivery, 1)
	go func() {
		commands, err := s.device.Claim(s.ctx, client.ClaimRequest{
			Limit: 1, VisibilityTimeoutMs: 60_000, WaitMs: int(wait.Milliseconds()),
		})
		delivered <- delivery{commands, time.Now(), err}
	}()
	return delivered
}

// runWaiting proposes a command while the device waits for one.
func (s *story) runWaiting(kind string, parameters any) error {
	delivered := s.claim(10 * time.Second)
	start := time.Now()
	if _, err := s.propose(kind, parameters); err != nil {
		return err
	}
	got := <-delivered
	if got.err != nil || len(got.commands) == 0 {
		return errors.Join(errors.New("the device got no command"), got.err)
	}
	s.say("%s %s", kind, compact(parameters))
	s.say("  with the device after %s, attempt %d of %d", got.at.Sub(start).Round(10*time.Microsecond), got.commands[0].Attempt, got.commands[0].MaxAttempts)
	return s.work(got.commands[0])
}

func (s *story) propose(kind string, parameters any) (client.Command, error) {
	raw, err := json.Marshal(parameters)
	if err != nil {
		return client.Command{}, fmt.Errorf("writing the parameters: %w", err)
	}
	proposed, err := s.admin.Propose(s.ctx, s.session, client.ProposeCommandRequest{Type: kind, Parameters: raw, Reason: "Pump 7 stopped sending"})
	if err != nil {
		return client.Command{}, fmt.Errorf("proposing: %w", err)
	}
	return proposed, nil
}

// work has the device do what it claimed, and report.
func (s *story) work(c client.ClaimedCommand) error {
	start := time.Now()
	output, err := diagnostics.do(s.ctx, c.Type, c.Parameters)
	outcome := client.ResultRequest{
		ClaimToken: c.ClaimToken, Status: client.ResultStatusSucceeded, Output: output,
		ExecutedAt: start, DurationMs: time.Since(start).Milliseconds(),
	}
	if err != nil {
		outcome.Status, outcome.Error = client.ResultStatusFailed, err.Error()
	}
	recorded, err := s.device.SubmitResult(s.ctx, c.ID, outcome)
	if err != nil {
		return fmt.Errorf("reporting: %w", err)
	}
	s.say("  %s: %s%s", recorded.Status, output, outcome.Error)
	return nil
}

func (s *story) remedy() error {
	cache, err := fullCache()
	if err != nil {
		return err
	}
	defer os.RemoveAll(cache)
	proposed, err := s.propose("remediation.clear_cache", map[string]any{"directory": cache})
	if err != nil {
		return err
	}
	s.say("carol proposes %s %s", proposed.Type, proposed.Parameters)
	s.say("it is %s, until %s", proposed.Status, proposed.ApproveBy.Local().Format("Jan 2 15:04"))
	got := <-s.claim(time.Second)
	if got.err != nil || len(got.commands) > 0 {
		return errors.Join(errors.New("the device got what nobody approved"), got.err)
	}
	s.say("the device asks for work and waits a second: there is none for it, and %d files are still there", count(cache))
	if err := s.approve(proposed); err != nil {
		return err
	}
	got = <-s.claim(10 * time.Second)
	if got.err != nil || len(got.commands) == 0 {
		return errors.Join(errors.New("the device did not get what was approved"), got.err)
	}
	s.say("the device claims it, approved by %s, for %d execution", got.commands[0].Approval.DecidedBy, got.commands[0].MaxAttempts)
	if err := s.work(got.commands[0]); err != nil {
		return err
	}
	s.say("  %d files are left", count(cache))
	return nil
}

// approve has bob look at the inbox and decide over exactly what he saw.
func (s *story) approve(proposed client.Command) error {
	_, err := s.admin.Decide(s.ctx, s.session, client.DecisionRequest{CommandID: proposed.ID, Approved: true})
	if client.CodeOf(err) != client.CodeSelfApproval {
		return fmt.Errorf("carol's own approval was not refused: %w", err)
	}
	s.say("carol tries to approve it herself: %s", client.CodeOf(err))
	for waiting, err := range s.approver.AllApprovals(s.ctx, client.ListApprovalsParams{}) {
		if err != nil {
			return fmt.Errorf("reading the inbox: %w", err)
		}
		if waiting.ID != proposed.ID {
			continue
		}
		s.say("bob, an approver, finds it in his inbox: proposed by %s, digest %s…", waiting.ProposedBy, waiting.Digest[:12])
		decided, err := s.approver.Decide(s.ctx, s.session, client.DecisionRequest{
			CommandID: waiting.ID, Approved: true, Digest: waiting.Digest, Reason: "the cache may go",
		})
		if err != nil {
			return fmt.Errorf("approving: %w", err)
		}
		s.say("he approves exactly that: it is %s", decided.Status)
		return nil
	}
	return errors.New("the command is not in the inbox")
}

func (s *story) timeline() error {
	for event, err := range s.admin.AllEvents(s.ctx, s.session, client.ListSessionEventsParams{}) {
		if err != nil {
			return fmt.Errorf("reading the timeline: %w", err)
		}
		s.say("%s  %-18s by %-6s %-8s request %s", event.Time.Local().Format("15:04:05.000"),
			event.Type, event.Actor.Kind, short(event.Actor.ID), event.RequestID)
	}
	return nil
}

func (s *story) end() error {
	closed, err := s.admin.CloseSession(s.ctx, s.session, "solved")
	if err != nil {
		return fmt.Errorf("closing the session: %w", err)
	}
	s.say("carol closes the session: it is %s", closed.Status)
	if err := s.admin.Decommission(s.ctx, s.deviceID); err != nil {
		return fmt.Errorf("decommissioning: %w", err)
	}
	s.say("and decommissions the device: its secret and its logins are dead")
	return nil
}

// fullCache makes the directory that the remedy empties.
func fullCache() (string, error) {
	directory, err := os.MkdirTemp("", cachePrefix)
	if err != nil {
		return "", fmt.Errorf("making a cache: %w", err)
	}
	for i := range 3 {
		name := filepath.Join(directory, fmt.Sprintf("stale-%d", i))
		if err := os.WriteFile(name, make([]byte, 4096), 0o600); err != nil {
			return "", fmt.Errorf("filling the cache: %w", err)
		}
	}
	return directory, nil
}

func count(directory string) int {
	files, _ := os.ReadDir(directory)
	return len(files)
}

// compact writes parameters as the gateway gets them.
func compact(parameters any) string {
	raw, _ := json.Marshal(parameters)
	return string(raw)
}

// short cuts the ids of devices, which say nothing to a reader.
func short(id string) string {
	if len(id) > 8 {
		return id[:7] + "…"
	}
	return id
}

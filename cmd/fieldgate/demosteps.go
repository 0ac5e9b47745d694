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

// demo is one run of the demo.
type demo struct {
	ctx      context.Context // context of the run
	w        io.Writer
	url      string
	gate     *client.Gateway
	admin    *client.CustomerClient
	approver *client.CustomerClient
	device   *client.DeviceClient
	deviceID string
	session  string
}

// run runs the steps until one fails.
func (d *demo) run() error {
	d.printf("Fieldgate at %s", d.url)
	for i, step := range []struct {
		title string
		run   func() error
	}{
		{"A device joins the fleet", d.register},
		{"Diagnostics run without approval", d.diagnose},
		{"A remediation waits for approval", d.remediate},
		{"The timeline of the session", d.timeline},
		{"An approval is forged, and the device refuses it", d.refuseForgery},
		{"The session and the device are closed", d.finish},
	} {
		d.printf("\n%d. %s", i+1, step.title)
		if err := step.run(); err != nil {
			return fmt.Errorf("in step %d: %w", i+1, err)
		}
	}
	return nil
}

func (d *demo) printf(format string, args ...any) { fmt.Fprintf(d.w, format+"\n", args...) }

func (d *demo) detail(format string, args ...any) { d.printf("   "+format, args...) }

func (d *demo) register() error {
	provisioned, err := d.admin.Provision(d.ctx, client.ProvisionDeviceRequest{
		Name: "Pump 7", Location: "Hall B", Tags: client.Tags{"demo": "yes"},
	})
	if err != nil {
		return fmt.Errorf("provisioning: %w", err)
	}
	d.detail("carol, an admin, provisions %q: %s", provisioned.Device.Name, provisioned.Device.ID)
	d.detail("its activation code is %s, valid until %s", provisioned.ActivationCode, provisioned.ActivationExpiresAt.Local().Format("Jan 2 15:04"))
	registered, err := d.gate.Register(d.ctx, client.RegisterDeviceRequest{
		ActivationCode: provisioned.ActivationCode, Metadata: client.DeviceMetadata{Model: "demo", FirmwareVersion: "1.0.0"},
	})
	if err != nil {
		return fmt.Errorf("registering: %w", err)
	}
	d.detail("the device registers with it and receives its secret, which is shown only once")
	d.deviceID = registered.DeviceID
	d.device = d.gate.Device(registered.DeviceID, registered.DeviceSecret)
	heartbeat, err := d.device.Heartbeat(d.ctx, client.HeartbeatRequest{Status: client.HeartbeatStatusOk})
	if err != nil {
		return fmt.Errorf("logging in: %w", err)
	}
	d.detail("it logs in and sends a heartbeat; the next one is due in %s", time.Duration(heartbeat.NextHeartbeatMs)*time.Millisecond)
	return d.reuseCode(provisioned.ActivationCode)
}

// reuseCode shows that an activation code can be used only once.
func (d *demo) reuseCode(code string) error {
	_, err := d.gate.Register(d.ctx, client.RegisterDeviceRequest{ActivationCode: code})
	if client.CodeOf(err) != client.CodeInvalidActivationCode {
		return fmt.Errorf("a used activation code was not refused: %w", err)
	}
	d.detail("the same code is refused the second time: %s", client.CodeOf(err))
	return nil
}

func (d *demo) diagnose() error {
	opened, err := d.admin.OpenSession(d.ctx, client.OpenSessionRequest{
		DeviceID: d.deviceID, Type: client.SessionTypeRemediation, Description: "Pump 7 stopped sending",
	})
	if err != nil {
		return fmt.Errorf("opening a session: %w", err)
	}
	d.session = opened.ID
	d.detail("carol opens a support session until %s", opened.ExpiresAt.Local().Format("15:04"))
	host, port, err := target(d.url)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		kind       string
		parameters any
	}{
		{"diagnostic.dns", map[string]any{"host": "localhost"}},
		{"diagnostic.tcp", map[string]any{"host": host, "port": port}},
		{"diagnostic.http", map[string]any{"url": d.url + "/healthz"}},
		{"diagnostic.system", map[string]any{}},
	} {
		if err := d.runCommand(c.kind, c.parameters); err != nil {
			return fmt.Errorf("running %s: %w", c.kind, err)
		}
	}
	return nil
}

// target returns the host and port of the gateway, to which the diagnostics connect.
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

// claimResult is the result of a claim, with the time at which the device received it.
type claimResult struct {
	commands []client.ClaimedCommand
	at       time.Time
	err      error
}

// longClaim is the wait of a claim for a command that is about to come.
const longClaim = 10 * time.Second

// claim starts a claim of the device and returns the channel for the result.
func (d *demo) claim(wait time.Duration) <-chan claimResult {
	claimed := make(chan claimResult, 1)
	go func() {
		commands, err := d.device.Claim(d.ctx, client.ClaimRequest{
			Limit: 1, VisibilityTimeoutMs: 60_000, WaitMs: int(wait.Milliseconds()),
		})
		claimed <- claimResult{commands, time.Now(), err}
	}()
	return claimed
}

// runCommand proposes a command while a claim of the device waits. The device then executes
// the command.
func (d *demo) runCommand(kind string, parameters any) error {
	claimed := d.claim(longClaim)
	start := time.Now()
	if _, err := d.propose(kind, parameters); err != nil {
		return err
	}
	got := <-claimed
	if got.err != nil || len(got.commands) == 0 {
		return errors.Join(errors.New("the device received no command"), got.err)
	}
	d.detail("%s %s", kind, compact(parameters))
	d.detail("  received by the device after %s, attempt %d of %d", got.at.Sub(start).Round(10*time.Microsecond), got.commands[0].Attempt, got.commands[0].MaxAttempts)
	return d.execute(got.commands[0])
}

func (d *demo) propose(kind string, parameters any) (client.Command, error) {
	raw, err := json.Marshal(parameters)
	if err != nil {
		return client.Command{}, fmt.Errorf("writing the parameters: %w", err)
	}
	proposed, err := d.admin.Propose(d.ctx, d.session, client.ProposeCommandRequest{Type: kind, Parameters: raw, Reason: "Pump 7 stopped sending"})
	if err != nil {
		return client.Command{}, fmt.Errorf("proposing: %w", err)
	}
	return proposed, nil
}

// execute executes the command on the device and submits the result.
func (d *demo) execute(c client.ClaimedCommand) error {
	start := time.Now()
	output, err := demoHandlers.run(d.ctx, c.Type, c.Parameters)
	result := client.ResultRequest{
		ClaimToken: c.ClaimToken, Status: client.ResultStatusSucceeded, Output: output,
		ExecutedAt: start, DurationMs: time.Since(start).Milliseconds(),
	}
	if err != nil {
		result.Status, result.Error = client.ResultStatusFailed, err.Error()
	}
	stored, err := d.device.SubmitResult(d.ctx, c.ID, result)
	if err != nil {
		return fmt.Errorf("submitting the result: %w", err)
	}
	d.detail("  %s: %s%s", stored.Status, output, result.Error)
	return nil
}

func (d *demo) remediate() error {
	cache, err := createCache()
	if err != nil {
		return err
	}
	defer os.RemoveAll(cache)
	proposed, err := d.propose("remediation.clear_cache", map[string]any{"directory": cache})
	if err != nil {
		return err
	}
	d.detail("carol proposes %s %s", proposed.Type, proposed.Parameters)
	d.detail("it is %s until %s", proposed.Status, proposed.ApproveBy.Local().Format("Jan 2 15:04"))
	got := <-d.claim(time.Second)
	if got.err != nil || len(got.commands) > 0 {
		return errors.Join(errors.New("the device received a command without approval"), got.err)
	}
	d.detail("the device claims for a second: there is no command for it, and the %d files are still there", count(cache))
	if err := d.approve(proposed); err != nil {
		return err
	}
	got = <-d.claim(longClaim)
	if got.err != nil || len(got.commands) == 0 {
		return errors.Join(errors.New("the device did not receive the approved command"), got.err)
	}
	d.detail("the device claims it, approved by %s, for %d execution", got.commands[0].Approval.DecidedBy, got.commands[0].MaxAttempts)
	if err := d.execute(got.commands[0]); err != nil {
		return err
	}
	d.detail("  %d files are left", count(cache))
	return nil
}

// approve first shows that carol cannot approve her own command. Then bob finds the command in
// his inbox and approves it by its digest.
func (d *demo) approve(proposed client.Command) error {
	_, err := d.admin.Decide(d.ctx, d.session, client.DecisionRequest{CommandID: proposed.ID, Approved: true})
	if client.CodeOf(err) != client.CodeSelfApproval {
		return fmt.Errorf("carol's approval of her own command was not refused: %w", err)
	}
	d.detail("carol tries to approve it herself: %s", client.CodeOf(err))
	for waiting, err := range d.approver.AllApprovals(d.ctx, client.ListApprovalsParams{}) {
		if err != nil {
			return fmt.Errorf("reading the inbox: %w", err)
		}
		if waiting.ID != proposed.ID {
			continue
		}
		d.detail("bob, an approver, finds it in his inbox: proposed by %s, digest %s…", waiting.ProposedBy, waiting.Digest[:12])
		decided, err := d.approver.Decide(d.ctx, d.session, client.DecisionRequest{
			CommandID: waiting.ID, Approved: true, Digest: waiting.Digest, Reason: "the cache can be deleted",
		})
		if err != nil {
			return fmt.Errorf("approving: %w", err)
		}
		d.detail("he approves it by its digest: it is %s", decided.Status)
		return nil
	}
	return errors.New("the command is not in the inbox")
}

func (d *demo) timeline() error {
	for event, err := range d.admin.AllEvents(d.ctx, d.session, client.ListSessionEventsParams{}) {
		if err != nil {
			return fmt.Errorf("reading the timeline: %w", err)
		}
		d.detail("%s  %-18s by %-6s %-8s request %s", event.Time.Local().Format("15:04:05.000"),
			event.Type, event.Actor.Kind, short(event.Actor.ID), event.RequestID)
	}
	return nil
}

func (d *demo) finish() error {
	closed, err := d.admin.CloseSession(d.ctx, d.session, "solved")
	if err != nil {
		return fmt.Errorf("closing the session: %w", err)
	}
	d.detail("carol closes the session: it is %s", closed.Status)
	if err := d.admin.Decommission(d.ctx, d.deviceID); err != nil {
		return fmt.Errorf("decommissioning: %w", err)
	}
	d.detail("and decommissions the device: its secret and its logins are revoked")
	return nil
}

// createCache creates the directory that the remediation empties.
func createCache() (string, error) {
	directory, err := os.MkdirTemp("", cachePrefix)
	if err != nil {
		return "", fmt.Errorf("creating a cache: %w", err)
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

// compact returns parameters as JSON in the form that the gateway receives.
func compact(parameters any) string {
	raw, _ := json.Marshal(parameters)
	return string(raw)
}

// short abbreviates long ids, such as those of devices.
func short(id string) string {
	if len(id) > 8 {
		return id[:7] + "…"
	}
	return id
}

package main_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// dev starts a gateway with `fieldgate dev` on free ports.
func dev(t testing.TB, settings ...string) (p *process, url, issuer string) {
	t.Helper()
	addr, issuerAddr := storetest.FreeAddr(t), storetest.FreeAddr(t)
	p = start(t, append([]string{
		"FIELDGATE_ADDR=" + addr, "FIELDGATE_METRICS_ADDR=off", "FIELDGATE_DEV_ISSUER_ADDR=" + issuerAddr,
	}, settings...), "dev")
	began := time.Now()
	for status("http://"+addr+"/healthz") != http.StatusOK {
		require.Less(t, time.Since(began), 10*time.Second, p.log.String())
	}
	return p, "http://" + addr, "http://" + issuerAddr
}

// TestDev_ServesWithinSecondWithoutSettings measures the processor time of a process that starts,
// serves and stops. On an idle machine that is the time until it serves, and other tests that run at the
// same time add nothing to it.
func TestDev_ServesWithinSecondWithoutSettings(t *testing.T) {
	t.Parallel()
	p, _, _ := dev(t)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGINT))
	require.Equal(t, 0, p.wait(t, 10*time.Second), p.log.String())
	require.Less(t, p.cmd.ProcessState.UserTime()+p.cmd.ProcessState.SystemTime(), time.Second)
}

// TestDev_WritesCollectedLogAtEnd collects the log for longer than the process lives.
func TestDev_WritesCollectedLogAtEnd(t *testing.T) {
	t.Parallel()
	p, _, _ := dev(t, "FIELDGATE_LOG_DELAY=1h")
	require.NotContains(t, p.log.String(), "msg=serving", "a line was written before the delay has passed")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, 0, p.wait(t, 10*time.Second))
	require.Contains(t, p.log.String(), "msg=serving")
	require.Contains(t, p.log.String(), "msg=drained")
}

// pasteLines matches the lines of the output that a user pastes into a shell.
var pasteLines = regexp.MustCompile(`(?m)^(export TOKEN=.+|curl .+)$`)

func TestDev_PrintsCommandsForShell(t *testing.T) {
	t.Parallel()
	p, url, _ := dev(t)
	eventually(t, func() bool { return len(pasteLines.FindAllString(p.out.String(), -1)) == 2 }, "dev does not print commands to try")
	pasted := strings.Join(pasteLines.FindAllString(p.out.String(), -1), "\n")
	answer, err := exec.CommandContext(t.Context(), "sh", "-e", "-c", pasted).Output()
	require.NoError(t, err)
	var made client.ProvisionedDevice
	require.NoError(t, json.Unmarshal(answer, &made), "%s", answer)
	require.NotEmpty(t, made.ActivationCode)
	require.Equal(t, http.StatusOK, status(url+"/docs"))
	require.Contains(t, p.out.String(), "the data ends with the process")
	require.Contains(t, p.out.String(), strings.Replace(url, "127.0.0.1", "localhost", 1)+"/console#token=", "browsers give no passkeys to an address")
}

// agentLines matches the commands that start an agent.
var agentLines = regexp.MustCompile(`(?m)^d=.+\n.*fieldgate-agent --url .+$`)

func TestDev_PrintsCommandThatStartsAgent(t *testing.T) {
	t.Parallel()
	build := exec.Command("go", "build", "-o", filepath.Join(filepath.Dir(program), "fieldgate-agent"), "../fieldgate-agent")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	p, url, _ := dev(t)
	eventually(t, func() bool { return agentLines.MatchString(p.out.String()) }, "dev does not print how to start an agent")
	agent := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(agentLines.FindString(p.out.String()), "\n", "\nexec ", 1))
	agent.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + t.TempDir()}
	require.NoError(t, agent.Start())
	defer func() { _, _ = agent.Process.Kill(), agent.Wait() }()

	links := signIn.FindAllStringSubmatch(p.out.String(), -1)
	require.Len(t, links, 2, "alice proposes, bob approves")
	gate, err := client.New(url)
	require.NoError(t, err)
	requireApprovedScriptRuns(t, gate.Customer(client.Bearer(links[0][1])), gate.Customer(client.Bearer(links[1][1])))
}

// signIn matches the links to the console that contain a token.
var signIn = regexp.MustCompile(`(?m)/console#token=(.+)$`)

func requireApprovedScriptRuns(t testing.TB, alice, bob *client.CustomerClient) {
	t.Helper()
	var deviceID string
	eventually(t, func() bool {
		devices, err := alice.Devices(t.Context(), client.ListDevicesParams{})
		if err != nil || len(devices.Items) != 1 {
			return false
		}
		deviceID = devices.Items[0].ID
		return devices.Items[0].Presence == client.DevicePresenceOnline
	}, "the device is not online")
	session, err := alice.OpenSession(t.Context(), client.OpenSessionRequest{DeviceID: deviceID, Type: client.SessionTypeRemediation})
	require.NoError(t, err)
	command, err := alice.Propose(t.Context(), session.ID, client.ProposeCommandRequest{
		Type: "remediation.run_script", Parameters: json.RawMessage(`{"name": "restart", "args": ["telemetry"]}`),
	})
	require.NoError(t, err)
	_, err = bob.Decide(t.Context(), session.ID, client.DecisionRequest{CommandID: command.ID, Approved: true})
	require.NoError(t, err)
	eventually(t, func() bool {
		done, err := alice.Command(t.Context(), session.ID, command.ID)
		return err == nil && done.Status == client.CommandStatusSucceeded && done.Result != nil && done.Result.Output == "restarted telemetry\n"
	}, "the script has not run")
}

func TestToken_PrintsValidToken(t *testing.T) {
	t.Parallel()
	_, url, issuer := dev(t)
	gate, err := client.New(url)
	require.NoError(t, err)
	for role, may := range map[string]bool{"admin": true, "viewer": false} {
		stdout, stderr, code := once(t, []string{"FIELDGATE_DEV_ISSUER=" + issuer}, "token", "--role", role, "--user", "carol")
		require.Zero(t, code, stderr)
		require.Equal(t, 1, strings.Count(stdout, "\n"), "the token and nothing else")
		carol := gate.Customer(client.Bearer(strings.TrimSpace(stdout)))
		_, err = carol.SystemInfo(t.Context())
		require.NoError(t, err)
		_, err = carol.Provision(t.Context(), client.ProvisionDeviceRequest{Name: "Pump 7"})
		require.Equal(t, may, err == nil, role)
	}
	_, stderr, code := once(t, []string{"FIELDGATE_DEV_ISSUER=http://127.0.0.1:1"}, "token")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "fieldgate dev")
}

func TestToken_WebPagesAreRefused(t *testing.T) {
	t.Parallel()
	_, _, issuer := dev(t)
	for _, origin := range []string{
		"http://evil.example:8081", // an attacker's host name, which may resolve to loopback
		"null",                     // the origin of a sandboxed frame
		issuer,
	} {
		ask, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuer+"/dev/token", strings.NewReader(`{"user":"mallory"}`))
		require.NoError(t, err)
		ask.Host = strings.TrimPrefix(origin, "http://")
		ask.Header.Set("Origin", origin)
		answer, err := http.DefaultClient.Do(ask)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusForbidden, answer.StatusCode, origin)
	}
}

// demoSteps are the headings of the demo.
var demoSteps = []string{
	"1. A device joins the fleet", "2. Diagnostics run without approval", "3. A remediation waits for approval",
	"4. The timeline of the session", "5. An approval is forged, and the device refuses it",
	"6. The session and the device are closed",
}

func requireAllSteps(t *testing.T, stdout, stderr string, code int) {
	t.Helper()
	require.Zero(t, code, stderr)
	rest := stdout
	for _, step := range demoSteps {
		_, after, found := strings.Cut(rest, "\n"+step+"\n")
		require.True(t, found, "the step %q is missing or out of order:\n%s", step, stdout)
		rest = after
	}
	for _, text := range []string{"invalid_activation_code", "pending_approval", "self_approval", "approved by bob", "0 files are left", "command.approved",
		"the vote is not signed with a passkey", "failed: receipt_invalid", "the 3 files are still there"} {
		require.Contains(t, stdout, text)
	}
}

func TestDemo_RunsAllSteps(t *testing.T) {
	t.Parallel()
	stdout, stderr, code := once(t, nil, "demo")
	requireAllSteps(t, stdout, stderr, code)
}

func TestDemo_RunsAllStepsOnRunningGateway(t *testing.T) {
	t.Parallel()
	_, url, issuer := dev(t)
	for range 2 { // the second run must not depend on the first
		stdout, stderr, code := once(t, []string{"FIELDGATE_DEV_ISSUER=" + issuer}, "demo", "--url", url)
		requireAllSteps(t, stdout, stderr, code)
	}
}

func TestRateLimits_OffDisablesAll(t *testing.T) {
	t.Parallel()
	limits := []string{
		"FIELDGATE_RATE_DEVICE=1/1", "FIELDGATE_RATE_CUSTOMER=1/1", "FIELDGATE_RATE_REGISTER=1/1",
		"FIELDGATE_RATE_REGISTER_TOTAL=1/1", "FIELDGATE_RATE_LOGIN=1/1",
	}
	for state, limited := range map[string]bool{"on": true, "off": false} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			_, url, issuer := dev(t, append(limits, "FIELDGATE_RATE_LIMITS="+state)...)
			_, stderr, code := once(t, []string{"FIELDGATE_DEV_ISSUER=" + issuer}, "demo", "--url", url)
			require.Equal(t, limited, code != 0, stderr)
			require.Equal(t, limited, strings.Contains(stderr, "rate_limited"), stderr)
		})
	}
}

package main_test

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// findings runs doctor and returns the level and the detail of each check.
func findings(t testing.TB, settings []string, args ...string) (code int, levels, details map[string]string) {
	t.Helper()
	code, output := runProgram(t, settings, append([]string{"doctor", "--json"}, args...)...)
	var report struct {
		Findings []struct{ Check, Level, Detail string }
	}
	require.NoError(t, json.NewDecoder(strings.NewReader(output)).Decode(&report), output)
	levels, details = map[string]string{}, map[string]string{}
	for _, f := range report.Findings {
		levels[f.Check], details[f.Check] = f.Level, f.Detail
	}
	return code, levels, details
}

func TestDoctor_HealthyDevice(t *testing.T) {
	t.Parallel()
	b := newTestbed(t, gatewaytest.Start(t))
	b.start(t)
	b.execute(t, "diagnostic.system", map[string]any{})
	settings := []string{"FIELDGATE_URL=" + b.URL, "FIELDGATE_STATE=" + b.state, "FIELDGATE_SCRIPTS=" + b.scripts}
	code, levels, details := findings(t, settings)
	require.Zero(t, code, details)
	for _, check := range []string{"program", "settings", "scripts", "state directory", "free space", "identity", "gateway", "clock", "login"} {
		require.Equal(t, "ok", levels[check], "%s: %s", check, details[check])
	}
	require.Contains(t, details["identity"], b.DeviceID)
	ended := b.execute(t, "diagnostic.system", map[string]any{})
	require.Empty(t, ended.Result.Error, "doctor has disturbed the agent")
}

func TestDoctor_NamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	stranger := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(stranger.Close)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: stranger.Certificate().Raw})
	require.NoError(t, os.WriteFile(authority, block, 0o600))
	for _, c := range []struct {
		check, message string
		settings       []string
	}{
		{"settings", "set the URL of the gateway", []string{"FIELDGATE_URL="}},
		{"identity", "set an activation code", nil},
		{"state directory", "create the directory", []string{"FIELDGATE_STATE=/nowhere/device.json"}},
		{"scripts", "no such file", []string{"FIELDGATE_SCRIPTS=/nowhere"}},
		{"gateway", "connection refused", nil},
		{"dns", "correct the URL", []string{"FIELDGATE_URL=https://gateway.invalid"}},
		{"tls", "set --ca-file", []string{"FIELDGATE_URL=" + stranger.URL}},
		{"gateway", "is no gateway", []string{"FIELDGATE_URL=" + stranger.URL, "FIELDGATE_CA_FILE=" + authority}},
	} {
		settings := append([]string{"FIELDGATE_URL=http://127.0.0.1:1", "FIELDGATE_STATE=" + t.TempDir() + "/device.json"}, c.settings...)
		code, levels, details := findings(t, settings)
		require.Equal(t, 1, code, details)
		require.Equal(t, "fail", levels[c.check], details)
		require.Contains(t, details[c.check], c.message)
	}
}

func TestReset_ForgetsIdentityAfterConfirmation(t *testing.T) {
	t.Parallel()
	b := newTestbed(t, gatewaytest.Start(t))
	a := b.start(t)
	b.execute(t, "diagnostic.system", map[string]any{})
	settings := []string{"FIELDGATE_STATE=" + b.state}
	code, output := runProgram(t, settings, "reset", "--yes")
	require.Equal(t, 1, code)
	require.Contains(t, output, "another agent is using this state file")
	a.kill()
	code, output = runProgram(t, settings, "reset") // standard input is empty
	require.Equal(t, 1, code)
	require.Contains(t, output, "Type the ID of the device")
	require.FileExists(t, b.state)
	code, output = runProgram(t, settings, "reset", "--yes")
	require.Zero(t, code, output)
	left, err := filepath.Glob(b.state + "*")
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestDoctor_NamesTheRoster(t *testing.T) {
	t.Parallel()
	_, output := runProgram(t, []string{"FIELDGATE_URL=http://127.0.0.1:1", "FIELDGATE_STATE=" + t.TempDir() + "/device.json"},
		"doctor", "--trust=approvers", "--roster="+approversFile(t), "--require-approvals=*=2")
	require.Contains(t, output, "the file has version 1 of the roster of acme, with 3 users, of whom 1 sign the next version")
}

func TestDoctor_NamesWhatCommandsRequire(t *testing.T) {
	t.Parallel()
	settings := []string{"FIELDGATE_URL=http://127.0.0.1:1", "FIELDGATE_STATE=" + t.TempDir() + "/device.json"}
	_, output := runProgram(t, settings, "doctor", "--trust=approvers", "--roster="+approversFile(t),
		"--require-approvals=*=1;Remediation.*=2;remediation.*=2")
	require.Contains(t, output, "the mode is approvers")
	require.Contains(t, output, "*=1:passkey")
	require.Contains(t, output, "remediation.*=2:passkey")
	require.Contains(t, output, `"Remediation.*" matches no command`)
	_, levels, details := findings(t, settings, "--trust=approvers", "--roster="+approversFile(t), "--require-approvals=A=1")
	require.Equal(t, "warn", levels["requirement"], details)
}

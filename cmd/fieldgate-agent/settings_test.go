package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/clients/go/passkeytest"
)

// runProgram runs the program until it ends, and returns its exit code and output. The
// environment contains only the given settings.
func runProgram(t testing.TB, settings []string, args ...string) (code int, output string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, settings...)
	written, err := cmd.CombinedOutput()
	if _, ended := err.(*exec.ExitError); !ended {
		require.NoError(t, err)
	}
	return cmd.ProcessState.ExitCode(), string(written)
}

func TestSettings_InvalidOnesExitWith2(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	state := "FIELDGATE_STATE=" + filepath.Join(dir, "device.json")
	url := "FIELDGATE_URL=http://127.0.0.1:1"
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	approvers := slices.Clip([]string{"--trust=approvers", "--roster=" + approversFile(t)})
	for _, c := range []struct {
		message  string
		settings []string
		args     []string
	}{
		{"--url", []string{state}, nil},
		{"--state", []string{url}, nil},
		{"unknown flag --colour", []string{url, state}, []string{"--colour"}},
		{"unexpected argument walk", []string{url, state}, []string{"walk"}},
		{"parsing the base URL", []string{"FIELDGATE_URL=127.0.0.1:1", state}, nil},
		{"must begin with http:// or https://", []string{"FIELDGATE_URL=ftp://gateway.example.com", state}, nil},
		{"no such file or directory", []string{url, state, "FIELDGATE_SCRIPTS=" + dir + "/none"}, nil},
		{"not a directory", []string{url, state, "FIELDGATE_SCRIPTS=" + file}, nil},
		{"set an activation code", []string{url, state}, nil},
		{"http:// to gateway.example.com is not encrypted", []string{"FIELDGATE_URL=http://gateway.example.com", state}, nil},
		{"reading the certificate authorities", []string{url, state, "FIELDGATE_CA_FILE=" + dir + "/none"}, nil},
		{"has no certificate in PEM format", []string{url, state}, []string{"--ca-file=" + file}},
		{"--client-certificate and --client-key must be used together", []string{url, state}, []string{"--client-key=" + file}},
		{"reading the client certificate", []string{url, state}, []string{"--client-key=" + file, "--client-certificate=" + file}},
		{"the proxy must be a URL", []string{url, state, "FIELDGATE_PROXY=secret"}, nil},
		{"Lease must be from 3s to 1h", []string{url, state, "FIELDGATE_LEASE=1s"}, nil},
		{"Concurrency must be from 1 to 64", []string{url, state}, []string{"--concurrency=65"}},
		{"log-level must be one of", []string{url, state, "FIELDGATE_LOG_LEVEL=loud"}, nil},
		{"trust must be one of", []string{url, state, "FIELDGATE_TRUST=nobody"}, nil},
		{"reading the roster of the approvers", []string{url, state, "FIELDGATE_ROSTER=" + file}, nil},
		{"needs FIELDGATE_ROSTER", []string{url, state, "FIELDGATE_TRUST=approvers", "FIELDGATE_REQUIRE_APPROVALS=*=1"}, nil},
		{"needs FIELDGATE_REQUIRE_APPROVALS", []string{url, state, "FIELDGATE_TRUST=approvers", "FIELDGATE_ROSTER=/nowhere"}, nil},
		{`the approvals that "a" requires are set twice`, []string{url, state, "FIELDGATE_REQUIRE_APPROVALS=a=2;*=1; a=1"}, nil},
		{`the approvals that "a" requires are set twice`, []string{url, state}, []string{"--require-approvals=a=2", "--require-approvals=a=1"}},
		{"the roster has only 3 users", []string{url, state, "FIELDGATE_REQUIRE_APPROVALS=*=1"}, append(approvers, "--require-approvals=*=4")},
		{`"remediation" is not TYPE=N`, []string{url, state, "FIELDGATE_REQUIRE_APPROVALS=remediation"}, nil},
		{`"many" is not a number`, []string{url, state, "FIELDGATE_REQUIRE_APPROVALS=*=many"}, nil},
		{"the Evidence must be", []string{url, state}, append(approvers, "--require-approvals=*=2:password")},
		{"the roster has only 3 users", []string{url, state}, append(approvers, "--require-approvals=*=4")},
		{"nothing in Trust.Require uses Trust.Roster", []string{url, state}, []string{"--roster=" + approversFile(t)}},
		{"set an activation code", []string{url, state}, append(approvers, "--require-approvals=remediation.*=2:passkey;*=1")},
		{"did you mean FIELDGATE_STATE?", []string{url, "FIELDGATE_STAET=" + dir}, nil},
	} {
		code, output := runProgram(t, c.settings, c.args...)
		require.Equal(t, 2, code, "%s: %s", c.message, output)
		require.Contains(t, output, c.message)
	}
}

// approversFile writes a file with a roster of three users.
func approversFile(t testing.TB) string {
	t.Helper()
	newKey := func() []*passkeytest.Passkey {
		return []*passkeytest.Passkey{passkeytest.New("example.com", "https://console.example.com")}
	}
	roster := passkeytest.Roster{Tenant: "acme", Version: 1, Threshold: 1, Users: map[string][]*passkeytest.Passkey{
		"alice": newKey(), "bob": newKey(), "carol": newKey(),
	}}
	path := filepath.Join(t.TempDir(), "roster.json")
	require.NoError(t, os.WriteFile(path, passkeytest.Chain(roster.Sign(roster.Users["bob"]...)), 0o600))
	return path
}

func TestSettings_VersionAndHelp(t *testing.T) {
	t.Parallel()
	code, output := runProgram(t, nil, "--version")
	require.Zero(t, code)
	require.Regexp(t, regexp.MustCompile(`^\S+\n$`), output)
	code, output = runProgram(t, nil, "--help")
	require.Zero(t, code)
	for _, setting := range []string{"URL", "STATE", "ACTIVATION_CODE", "SCRIPTS", "CA_FILE", "POLL_ONLY", "LEASE", "METADATA"} {
		require.Contains(t, output, "$FIELDGATE_"+setting)
	}
}

// TestExit_UnwritableStateExitsWith1 covers a state directory that cannot be written. A restart
// may help, because the disk may be mounted later.
func TestExit_UnwritableStateExitsWith1(t *testing.T) {
	t.Parallel()
	code, output := runProgram(t, []string{"FIELDGATE_URL=http://127.0.0.1:1", "FIELDGATE_STATE=" + t.TempDir() + "/later/device.json"})
	require.Equal(t, 1, code, output)
	require.Contains(t, output, "no such file or directory")
}

// TestSettings_FileIsOverriddenByVariableAndFlag sets the lease in a file, then also as a variable,
// then also as a flag. The invalid value shows which one is used.
func TestSettings_FileIsOverriddenByVariableAndFlag(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "settings")
	text := "# settings\n\nFIELDGATE_URL = http://127.0.0.1:1\nFIELDGATE_STATE=\"" + dir + "/device.json\"\nFIELDGATE_LEASE='1s'\n"
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	file := "--settings=" + path
	_, output := runProgram(t, nil, file)
	require.Contains(t, output, "Lease must be")
	_, output = runProgram(t, []string{"FIELDGATE_LEASE=10s"}, file)
	require.Contains(t, output, "set an activation code")
	_, output = runProgram(t, []string{"FIELDGATE_LEASE=10s"}, file, "--lease=2h")
	require.Contains(t, output, "Lease must be")
}

func TestSettings_InvalidFileExitsWith2(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for text, message := range map[string]string{
		"FIELDGATE_STAET=x":                      "line 1: FIELDGATE_STAET is not a setting; did you mean FIELDGATE_STATE?",
		"\nFIELDGATE_ADDR=:80":                   "line 2: FIELDGATE_ADDR is not a setting",
		"LEASE=10s":                              "line 1: LEASE is not a setting",
		"FIELDGATE_LEASE":                        "line 1: it is not NAME=value",
		"FIELDGATE_LEASE=1m\nFIELDGATE_LEASE=2m": "line 2: FIELDGATE_LEASE is set twice",
		"FIELDGATE_LEASE=soon":                   "lease",
	} {
		path := filepath.Join(dir, "settings")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		code, output := runProgram(t, []string{"FIELDGATE_URL=http://127.0.0.1:1", "FIELDGATE_STATE=" + dir + "/device.json"}, "--settings="+path)
		require.Equal(t, 2, code, output)
		require.Contains(t, output, message)
	}
}

// TestSettings_HTTPNeedsLoopbackOrConsent checks which hosts may be called without TLS.
func TestSettings_HTTPNeedsLoopbackOrConsent(t *testing.T) {
	t.Parallel()
	for address, allowed := range map[string]bool{
		"http://localhost:1": true, "http://gateway.localhost:1": true, "http://127.9.9.9:1": true, "http://[::1]:1": true,
		"https://gateway.example.com": true, "http://localhost.example.com": false, "http://10.0.0.1": false, "http://127.0.0.1.example.com": false,
		"HTTP://gateway.example.com": false, "http://0.0.0.0": false,
	} {
		settings := []string{"FIELDGATE_URL=" + address, "FIELDGATE_STATE=" + t.TempDir() + "/device.json"}
		_, output := runProgram(t, settings)
		require.Equal(t, !allowed, strings.Contains(output, "is not encrypted"), "%s: %s", address, output)
		_, output = runProgram(t, settings, "--insecure-http")
		require.Contains(t, output, "set an activation code", address)
	}
}

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
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
	for _, c := range []struct {
		message  string
		settings []string
		args     []string
	}{
		{"--url", []string{state}, nil},
		{"--state", []string{url}, nil},
		{"unknown flag --colour", []string{url, state}, []string{"--colour"}},
		{"unexpected argument run", []string{url, state}, []string{"run"}},
		{"parsing the base URL", []string{"FIELDGATE_URL=127.0.0.1:1", state}, nil},
		{"must begin with http:// or https://", []string{"FIELDGATE_URL=ftp://gateway.example.com", state}, nil},
		{"no such file or directory", []string{url, state, "FIELDGATE_SCRIPTS=" + dir + "/none"}, nil},
		{"not a directory", []string{url, state, "FIELDGATE_SCRIPTS=" + file}, nil},
		{"set an activation code", []string{url, state}, nil},
		{"did you mean FIELDGATE_STATE?", []string{url, "FIELDGATE_STAET=" + dir}, nil},
	} {
		code, output := runProgram(t, c.settings, c.args...)
		require.Equal(t, 2, code, "%s: %s", c.message, output)
		require.Contains(t, output, c.message)
	}
}

func TestSettings_VersionAndHelp(t *testing.T) {
	t.Parallel()
	code, output := runProgram(t, nil, "--version")
	require.Zero(t, code)
	require.Regexp(t, regexp.MustCompile(`^\S+\n$`), output)
	code, output = runProgram(t, nil, "--help")
	require.Zero(t, code)
	for _, setting := range []string{"URL", "STATE", "ACTIVATION_CODE", "SCRIPTS"} {
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

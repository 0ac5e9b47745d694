package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

const runScript = "remediation.run_script"

// writeScriptsOfAllKinds writes files into the directory of the scripts. Only the file "good"
// may run. It returns the path of a script outside the directory, and the path of the file that
// this script creates.
func (b *testbed) writeScriptsOfAllKinds(t testing.TB) (outside, escaped string) {
	t.Helper()
	dir := filepath.Dir(b.state)
	outside, escaped = filepath.Join(dir, "outside"), filepath.Join(dir, "escaped")
	require.NoError(t, os.WriteFile(outside, []byte("#!/bin/sh\ntouch "+escaped), 0o755))
	b.writeScript(t, "good", "echo ran")
	b.writeScript(t, "open", "echo ran")
	require.NoError(t, os.Chmod(filepath.Join(b.scripts, "open"), 0o757))
	b.writeScript(t, "group", "echo ran")
	require.NoError(t, os.Chmod(filepath.Join(b.scripts, "group"), 0o775))
	require.NoError(t, os.WriteFile(filepath.Join(b.scripts, "plain"), []byte("#!/bin/sh\n"), 0o644))
	require.NoError(t, os.Mkdir(filepath.Join(b.scripts, "directory"), 0o755))
	require.NoError(t, os.Symlink(outside, filepath.Join(b.scripts, "link")))
	require.NoError(t, os.Symlink("good", filepath.Join(b.scripts, "inside")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(b.scripts, "pipe"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(b.scripts, "broken"), []byte("#!/nowhere\n"), 0o755))
	return outside, escaped
}

func TestScripts_OnlyAllowedFilesRun(t *testing.T) {
	t.Parallel()
	b := newTestbed(t, gatewaytest.Start(t))
	outside, escaped := b.writeScriptsOfAllKinds(t)
	b.start(t)
	for name, want := range map[string]string{
		"good": "", "missing": "unknown_script", "link": "script_unusable", "inside": "script_unusable",
		"plain": "script_unusable", "directory": "script_unusable", "pipe": "script_unusable", "open": "script_unusable",
		"group":  "script_unusable",
		"broken": "not_available", "../outside": "invalid_parameters", outside: "invalid_parameters", "": "invalid_parameters",
		"..": "invalid_parameters", ".hidden": "invalid_parameters", "-c": "invalid_parameters", "a\nb": "invalid_parameters",
		strings.Repeat("x", 65): "invalid_parameters",
	} {
		ended := b.execute(t, runScript, map[string]any{"name": name})
		require.Equal(t, want, code(t, ended), "%q: %s", name, ended.Result.Error)
		require.Equal(t, want == "", ended.Status == client.CommandStatusSucceeded, name)
	}
	for problem, parameters := range map[string]any{
		"unknown field":    map[string]any{"name": "good", "env": map[string]string{"LD_PRELOAD": "x"}},
		"zero byte":        map[string]any{"name": "good", "args": []string{"a\x00b"}},
		"long arg":         map[string]any{"name": "good", "args": []string{strings.Repeat("x", 1025)}},
		"many args":        map[string]any{"name": "good", "args": make([]string, 33)},
		"args not strings": map[string]any{"name": "good", "args": []int{1}},
	} {
		require.Equal(t, "invalid_parameters", code(t, b.execute(t, runScript, parameters)), problem)
	}
	require.NoFileExists(t, escaped)
}

func TestScripts_GetLiteralArgsAndMinimalEnvironment(t *testing.T) {
	t.Parallel()
	b := newTestbed(t, gatewaytest.Start(t))
	b.writeScript(t, "show", `for a in "$@"; do echo "<$a>"; done; env | cut -d= -f1 | sort | tr '\n' ' '; exit 3`)
	b.start(t, "SECRET=hush")
	ended := b.execute(t, runScript, map[string]any{"name": "show", "args": []string{"$(reboot)", "a b", "", "*"}})
	require.Equal(t, "exit_code", code(t, ended))
	require.Contains(t, string(ended.Result.Data), `"exitCode":3`)
	require.Contains(t, ended.Result.Output, "<$(reboot)>\n<a b>\n<>\n<*>\n")
	require.Contains(t, ended.Result.Output, "FIELDGATE_COMMAND_ID FIELDGATE_REQUEST_ID HOME LANG PATH")
	for _, secret := range []string{"SECRET", "ACTIVATION", "FIELDGATE_STATE"} {
		require.NotContains(t, ended.Result.Output, secret)
	}
}

// TestScripts_OutputIsSeenWhileTheScriptRuns runs a script that waits until the test has seen its output.
func TestScripts_OutputIsSeenWhileTheScriptRuns(t *testing.T) {
	t.Parallel()
	b := newTestbed(t, gatewaytest.Start(t))
	seen := filepath.Join(filepath.Dir(b.state), "seen")
	b.writeScript(t, "flash", `printf '\033[1merasing\033[0m\n'; echo "a warning" >&2; while [ ! -e `+seen+` ]; do sleep 0.1; done; echo done`)
	b.start(t)
	command := b.Propose(t, runScript, map[string]any{"name": "flash"})
	var output client.CommandOutput
	eventually(t, func() bool {
		var err error
		output, err = b.Alice.Output(t.Context(), b.Session, command.ID, client.GetCommandOutputParams{})
		require.NoError(t, err)
		return strings.Contains(output.Output, "a warning\n")
	}, "the output is not seen")
	require.Equal(t, "\x1b[1merasing\x1b[0m\na warning\n", output.Output)
	require.False(t, output.Complete)
	require.NoError(t, os.WriteFile(seen, nil, 0o600))
	require.Equal(t, output.Output+"done\n", b.Await(t, command.ID).Result.Output)
	output, err := b.Alice.Output(t.Context(), b.Session, command.ID, client.GetCommandOutputParams{Since: output.NextSince})
	require.NoError(t, err)
	require.Equal(t, "done\n", output.Output, "the last output precedes the result")
	require.True(t, output.Complete)
}

func TestScripts_CancelKillsChildProcesses(t *testing.T) {
	t.Parallel()
	b := newTestbed(t, gatewaytest.Start(t))
	pids := filepath.Join(filepath.Dir(b.state), "pids")
	b.writeScript(t, "stubborn", `trap '' TERM; sleep 300 & echo $! >> `+pids+`; echo $$ >> `+pids+`; echo begun; wait; sleep 300`)
	b.start(t)
	command := b.Propose(t, runScript, map[string]any{"name": "stubborn"})
	eventually(t, func() bool { return len(readPIDs(pids)) == 2 }, "the script does not start")
	_, err := b.Alice.Cancel(t.Context(), b.Session, command.ID, "wrong pump")
	require.NoError(t, err)
	ended := b.Await(t, command.ID)
	require.Equal(t, client.CommandStatusCancelled, ended.Status)
	require.Contains(t, ended.Result.Output, "begun")
	for _, pid := range readPIDs(pids) {
		eventually(t, func() bool { return !alive(pid) }, "a child process is still running")
	}
}

// detach is a script that starts four processes outside its process group. The first is alone in
// its own session. The next two share another session: a process whose parent has ended, and its
// child. The last is alone in its own process group.
const detach = `
setsid sh -c 'echo $$ >> %[1]q; sleep 300' > /dev/null 2>&1 &
setsid sh -c '(sh -c "echo \$\$ >> %[1]q; sleep 300 & echo \$! >> %[1]q; wait") & exit' > /dev/null 2>&1 &
set -m; sh -c 'echo $$ >> %[1]q; exec sleep 300' > /dev/null 2>&1 &
while [ "$(wc -l < %[1]q)" -lt 4 ]; do sleep 0.01; done
`

func TestScripts_DetachedProcessesAreKilled(t *testing.T) {
	t.Parallel()
	b := newTestbed(t, gatewaytest.Start(t))
	for name, end := range map[string]string{"ends": "exit 0", "waits": "echo begun; sleep 300"} {
		pids := filepath.Join(filepath.Dir(b.state), name)
		require.NoError(t, os.WriteFile(pids, nil, 0o600))
		b.writeScript(t, name, fmt.Sprintf(detach, pids)+end)
	}
	b.start(t)
	require.Empty(t, code(t, b.execute(t, runScript, map[string]any{"name": "ends"})))
	b.requireGone(t, "ends")

	command := b.Propose(t, runScript, map[string]any{"name": "waits"})
	eventually(t, func() bool { return len(b.pids("waits")) == 4 }, "the script does not start")
	_, err := b.Alice.Cancel(t.Context(), b.Session, command.ID, "wrong pump")
	require.NoError(t, err)
	require.Equal(t, client.CommandStatusCancelled, b.Await(t, command.ID).Status)
	b.requireGone(t, "waits")
}

// pids returns the process IDs in the file with the given name, beside the state file.
func (b *testbed) pids(name string) []int {
	return readPIDs(filepath.Join(filepath.Dir(b.state), name))
}

// requireGone requires that the four processes whose IDs are in the file with the given name
// have ended, and that they were reaped.
func (b *testbed) requireGone(t testing.TB, name string) {
	t.Helper()
	require.Len(t, b.pids(name), 4)
	for _, pid := range b.pids(name) {
		require.NoFileExists(t, "/proc/"+strconv.Itoa(pid)+"/stat", "%s has left process %d", name, pid)
	}
}

// alive reports whether a process is running. It returns false for a zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// readPIDs returns the process IDs in a file.
func readPIDs(path string) (pids []int) {
	text, _ := os.ReadFile(path)
	for _, field := range strings.Fields(string(text)) {
		if pid, err := strconv.Atoi(field); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestScripts_DieWithAgent(t *testing.T) {
	t.Parallel()
	b := newTestbed(t, gatewaytest.Start(t))
	pids := filepath.Join(filepath.Dir(b.state), "pids")
	b.writeScript(t, "long", `echo $$ >> `+pids+`; exec sleep 300`)
	a := b.start(t)
	b.Propose(t, runScript, map[string]any{"name": "long"})
	eventually(t, func() bool { return len(readPIDs(pids)) == 1 }, "the script does not start")
	a.kill()
	eventually(t, func() bool { return !alive(readPIDs(pids)[0]) }, "the script outlives the agent")
}

func TestScripts_LongOutputIsCutInTheMiddle(t *testing.T) {
	t.Parallel()
	b := newTestbed(t, gatewaytest.Start(t))
	b.writeScript(t, "loud", `echo first; head -c 1000000 /dev/zero | tr '\0' x; printf '\377\nlast'`)
	b.start(t)
	ended := b.execute(t, runScript, map[string]any{"name": "loud"})
	require.Equal(t, client.CommandStatusSucceeded, ended.Status, ended.Result.Error)
	require.True(t, strings.HasPrefix(ended.Result.Output, "first\n"))
	require.True(t, strings.HasSuffix(ended.Result.Output, "�\nlast"))
	require.Contains(t, ended.Result.Output, "bytes are left out]\n")
	require.Less(t, len(ended.Result.Output), client.MaxOutput)
}

// TestScripts_RestartIsPartOfTheWork runs a script that ends the agent, as a reboot does.
func TestScripts_RestartIsPartOfTheWork(t *testing.T) {
	t.Parallel()
	b := newTestbed(t, gatewaytest.Start(t))
	b.writeScript(t, "restart", `echo "restarting $1"; kill -TERM $PPID`)
	b.writeScript(t, "restart.after", `echo "restarted the $FIELDGATE_RESTARTED, $1 is active"`)
	a := b.start(t)
	command := b.Propose(t, runScript, map[string]any{"name": "restart", "args": []string{"pump"}})
	require.Zero(t, a.wait(t), a.log.String())
	require.Equal(t, client.CommandStatusClaimed, b.Command(t, command.ID).Status)
	b.start(t)
	ended := b.Await(t, command.ID)
	require.Equal(t, client.CommandStatusSucceeded, ended.Status, ended.Result.Error)
	require.Equal(t, "restarted the agent, pump is active\n", ended.Result.Output)
}

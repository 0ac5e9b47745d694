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

func TestOnlyTheScriptsOfTheOwnerRun(t *testing.T) {
	t.Parallel()
	s := newSite(t, gatewaytest.Start(t))
	dir := filepath.Dir(s.state)
	outside := filepath.Join(dir, "outside")
	require.NoError(t, os.WriteFile(outside, []byte("#!/bin/sh\ntouch "+filepath.Join(dir, "escaped")), 0o755))
	s.script(t, "good", "echo ran")
	s.script(t, "open", "echo ran")
	require.NoError(t, os.Chmod(filepath.Join(s.scripts, "open"), 0o757))
	s.script(t, "group", "echo ran")
	require.NoError(t, os.Chmod(filepath.Join(s.scripts, "group"), 0o775))
	require.NoError(t, os.WriteFile(filepath.Join(s.scripts, "plain"), []byte("#!/bin/sh\n"), 0o644))
	require.NoError(t, os.Mkdir(filepath.Join(s.scripts, "directory"), 0o755))
	require.NoError(t, os.Symlink(outside, filepath.Join(s.scripts, "link")))
	require.NoError(t, os.Symlink("good", filepath.Join(s.scripts, "inside")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(s.scripts, "pipe"), 0o755))
	s.script(t, "broken", "")
	require.NoError(t, os.WriteFile(filepath.Join(s.scripts, "broken"), []byte("#!/nowhere\n"), 0o755))
	s.start(t)
	for name, want := range map[string]string{
		"good": "", "missing": "unknown_script", "link": "script_unusable", "inside": "script_unusable",
		"plain": "script_unusable", "directory": "script_unusable", "pipe": "script_unusable", "open": "script_unusable",
		"group":  "script_unusable",
		"broken": "not_available", "../outside": "invalid_parameters", outside: "invalid_parameters", "": "invalid_parameters",
		"..": "invalid_parameters", ".hidden": "invalid_parameters", "-c": "invalid_parameters", "a\nb": "invalid_parameters",
		strings.Repeat("x", 65): "invalid_parameters",
	} {
		seen := s.ask(t, runScript, map[string]any{"name": name})
		require.Equal(t, want, code(t, seen), "%q: %s", name, seen.Result.Error)
		require.Equal(t, want == "", seen.Status == client.CommandStatusSucceeded, name)
	}
	for text, parameters := range map[string]any{
		"unknown field": map[string]any{"name": "good", "env": map[string]string{"LD_PRELOAD": "x"}},
		"a zero byte":   map[string]any{"name": "good", "args": []string{"a\x00b"}},
		"long":          map[string]any{"name": "good", "args": []string{strings.Repeat("x", 1025)}},
		"many":          map[string]any{"name": "good", "args": make([]string, 33)},
		"no texts":      map[string]any{"name": "good", "args": []int{1}},
	} {
		require.Equal(t, "invalid_parameters", code(t, s.ask(t, runScript, parameters)), text)
	}
	require.NoFileExists(t, filepath.Join(dir, "escaped"))
}

func TestAScriptGetsItsArgsAsTheyAreAndLittleElse(t *testing.T) {
	t.Parallel()
	s := newSite(t, gatewaytest.Start(t))
	s.script(t, "show", `for a in "$@"; do echo "<$a>"; done; env | cut -d= -f1 | sort | tr '\n' ' '; exit 3`)
	s.start(t, "SECRET=hush")
	seen := s.ask(t, runScript, map[string]any{"name": "show", "args": []string{"$(reboot)", "a b", "", "*"}})
	require.Equal(t, "exit_code", code(t, seen))
	require.Contains(t, string(seen.Result.Data), `"exitCode":3`)
	require.Contains(t, seen.Result.Output, "<$(reboot)>\n<a b>\n<>\n<*>\n")
	require.Contains(t, seen.Result.Output, "FIELDGATE_COMMAND_ID FIELDGATE_REQUEST_ID HOME LANG PATH")
	for _, secret := range []string{"SECRET", "ACTIVATION", "FIELDGATE_STATE"} {
		require.NotContains(t, seen.Result.Output, secret)
	}
}

func TestACancelledScriptEndsWithAllThatItHasStarted(t *testing.T) {
	t.Parallel()
	s := newSite(t, gatewaytest.Start(t))
	pids := filepath.Join(filepath.Dir(s.state), "pids")
	s.script(t, "stubborn", `trap '' TERM; sleep 300 & echo $! >> `+pids+`; echo $$ >> `+pids+`; echo begun; wait; sleep 300`)
	s.start(t)
	command := s.propose(t, runScript, map[string]any{"name": "stubborn"})
	eventually(t, func() bool { return len(processes(pids)) == 2 }, "the script does not begin")
	_, err := s.alice.Cancel(t.Context(), s.session, command.ID, "wrong pump")
	require.NoError(t, err)
	seen := s.await(t, command.ID)
	require.Equal(t, client.CommandStatusCancelled, seen.Status)
	require.Contains(t, seen.Result.Output, "begun")
	for _, pid := range processes(pids) {
		eventually(t, func() bool { return !alive(pid) }, "a process is left")
	}
}

// detach starts processes that have left the group of the script: in sessions of their own,
// with a parent that is gone, with children, and in a group of their own.
const detach = `
setsid sh -c 'echo $$ >> %[1]q; sleep 300' > /dev/null 2>&1 &
setsid sh -c '(sh -c "echo \$\$ >> %[1]q; sleep 300 & echo \$! >> %[1]q; wait") & exit' > /dev/null 2>&1 &
set -m; sh -c 'echo $$ >> %[1]q; exec sleep 300' > /dev/null 2>&1 &
while [ "$(wc -l < %[1]q)" -lt 4 ]; do sleep 0.01; done
`

func TestNothingThatAScriptHasDetachedOutlivesIt(t *testing.T) {
	t.Parallel()
	s := newSite(t, gatewaytest.Start(t))
	for name, end := range map[string]string{"ends": "exit 0", "waits": "echo begun; sleep 300"} {
		pids := filepath.Join(filepath.Dir(s.state), name)
		require.NoError(t, os.WriteFile(pids, nil, 0o600))
		s.script(t, name, fmt.Sprintf(detach, pids)+end)
	}
	s.start(t)
	require.Empty(t, code(t, s.ask(t, runScript, map[string]any{"name": "ends"})))
	s.requireGone(t, "ends")

	command := s.propose(t, runScript, map[string]any{"name": "waits"})
	eventually(t, func() bool { return len(s.noted("waits")) == 4 }, "the script does not begin")
	_, err := s.alice.Cancel(t.Context(), s.session, command.ID, "wrong pump")
	require.NoError(t, err)
	require.Equal(t, client.CommandStatusCancelled, s.await(t, command.ID).Status)
	s.requireGone(t, "waits")
}

// noted are the processes in a file beside the state.
func (s *site) noted(name string) []int {
	return processes(filepath.Join(filepath.Dir(s.state), name))
}

// requireGone requires that no process lives by the time the outcome is known.
func (s *site) requireGone(t testing.TB, name string) {
	t.Helper()
	require.Len(t, s.noted(name), 4)
	for _, pid := range s.noted(name) {
		require.NoFileExists(t, "/proc/"+strconv.Itoa(pid)+"/stat", "%s has left %d", name, pid)
	}
}

// alive tells whether a process runs; one that only waits to be buried does not.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func processes(path string) (pids []int) {
	text, _ := os.ReadFile(path)
	for _, field := range strings.Fields(string(text)) {
		if pid, err := strconv.Atoi(field); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestTheScriptOfAnAgentThatDiesDiesToo(t *testing.T) {
	t.Parallel()
	s := newSite(t, gatewaytest.Start(t))
	pids := filepath.Join(filepath.Dir(s.state), "pids")
	s.script(t, "long", `echo $$ >> `+pids+`; exec sleep 300`)
	a := s.start(t)
	s.propose(t, runScript, map[string]any{"name": "long"})
	eventually(t, func() bool { return len(processes(pids)) == 1 }, "the script does not begin")
	a.kill()
	eventually(t, func() bool { return !alive(processes(pids)[0]) }, "the script goes on unseen")
}

func TestOutputIsCutInTheMiddleAndSaysSo(t *testing.T) {
	t.Parallel()
	s := newSite(t, gatewaytest.Start(t))
	s.script(t, "loud", `echo first; head -c 1000000 /dev/zero | tr '\0' x; printf '\377\nlast'`)
	s.start(t)
	seen := s.ask(t, runScript, map[string]any{"name": "loud"})
	require.Equal(t, client.CommandStatusSucceeded, seen.Status, seen.Result.Error)
	require.True(t, strings.HasPrefix(seen.Result.Output, "first\n"))
	require.True(t, strings.HasSuffix(seen.Result.Output, "�\nlast"))
	require.Contains(t, seen.Result.Output, "bytes are left out]\n")
	require.Less(t, len(seen.Result.Output), client.MaxOutput)
}

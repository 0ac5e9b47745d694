package agent

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// newDisk mounts a file system of 1 MiB and returns its directory. It skips the test if the user
// of the tests may not mount.
func newDisk(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("SKIPPED: a file system of its own cannot be mounted, which needs root: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return dir
}

// fillDisk fills the file system until not one byte more fits, and returns the path of the file
// that fills it.
func fillDisk(t testing.TB, dir string) (path string) {
	t.Helper()
	path = filepath.Join(dir, "log")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer file.Close()
	for _, size := range []int{4096, 1} {
		for err = nil; err == nil; {
			_, err = file.Write(bytes.Repeat([]byte("x"), size))
		}
		require.ErrorIs(t, err, syscall.ENOSPC)
	}
	return path
}

// setReadOnly remounts the file system read-only, or writable again.
func setReadOnly(t testing.TB, dir string, readOnly bool) {
	t.Helper()
	flags := uintptr(syscall.MS_REMOUNT)
	if readOnly {
		flags |= syscall.MS_RDONLY
	}
	require.Eventually(t, func() bool { return syscall.Mount("none", dir, "tmpfs", flags, "") == nil }, 10*time.Second, time.Millisecond)
}

// registerOn writes an identity into the state file on a disk.
func registerOn(t testing.TB, dir string) (state string) {
	t.Helper()
	state = filepath.Join(dir, "device.json")
	require.NoError(t, identity{DeviceID: "dev_1", DeviceSecret: "s3cret"}.write(state))
	return state
}

// A runner has handlers that count their runs.
type runner struct{ inspected, changed, cleaned int }

// start starts an agent with a repeatable type, one that is not, and one that calls clean. The
// state file must exist.
func (r *runner) start(t testing.TB, g *fakeGateway, state string, clean func()) (stop func()) {
	t.Helper()
	count := func(n *int, f func()) Handler {
		return func(context.Context, Command) (Result, error) { *n++; f(); return Result{Output: "done"}, nil }
	}
	a, err := New(Config{URL: g.url, StateFile: state, PollOnly: true, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	a.Handle("inspect", count(&r.inspected, func() {}), Repeatable())
	a.Handle("change", count(&r.changed, func() {}))
	a.Handle("clean", count(&r.cleaned, clean), FreesSpace())
	return g.run(t, a)
}

// awaitHeartbeat waits for a heartbeat with the given status.
func (g *fakeGateway) awaitHeartbeat(t testing.TB, status fieldgate.HeartbeatStatus) (found fieldgate.HeartbeatRequest) {
	t.Helper()
	require.Eventually(t, func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, h := range g.heartbeats {
			if h.Status == status {
				found = h
				return true
			}
		}
		return false
	}, 20*time.Second, time.Millisecond, "no heartbeat is %s", status)
	return found
}

// offer offers a command to the agent.
func (g *fakeGateway) offer(id, commandType string) {
	g.locked(func(g *fakeGateway) { g.commands = append(g.commands, claimedJSON(id, commandType)) })
}

func TestDegraded_FullDisk(t *testing.T) {
	t.Parallel()
	dir := newDisk(t)
	state, g, r := registerOn(t, dir), newFakeGateway(t), runner{}
	r.start(t, g, state, func() {})()
	filler := fillDisk(t, dir)
	stop := r.start(t, g, state, func() { require.NoError(t, os.Remove(filler)) })
	succeeded, refused := g.runMany(t, 40, "change") // the last block of the journal has space for some
	require.Equal(t, 40, succeeded+refused)
	require.NotZero(t, refused)
	g.offer("inspect_1", "inspect")
	require.Equal(t, fieldgate.ResultStatusSucceeded, g.awaitResult(t, "inspect_1").Status)
	degraded := g.awaitHeartbeat(t, fieldgate.HeartbeatStatusDegraded)
	require.Equal(t, 1.0, degraded.Metrics[MetricUnrecorded])
	require.Contains(t, degraded.Reason, "no space left")

	g.offer("clean_1", "clean")
	require.Equal(t, fieldgate.ResultStatusSucceeded, g.awaitResult(t, "clean_1").Status)
	g.locked(func(g *fakeGateway) { g.heartbeats = nil })
	g.awaitHeartbeat(t, fieldgate.HeartbeatStatusOk)
	g.offer("change_last", "change")
	require.Equal(t, fieldgate.ResultStatusSucceeded, g.awaitResult(t, "change_last").Status)
	require.Eventually(t, func() bool {
		_, err := os.Stat(state + ".journal.reserve")
		return err == nil
	}, 10*time.Second, 10*time.Millisecond, "the reserve was not created again")
	stop()
	require.Equal(t, runner{inspected: 1, changed: succeeded + 1, cleaned: 1}, r)
	require.Subset(t, storedIDs(t, state+".journal"), []string{"change_0", "change_39", "inspect_1", "clean_1", "change_last"})
}

// runMany runs n commands of one type, and returns how many have succeeded and how many were
// refused because they could not be recorded.
func (g *fakeGateway) runMany(t testing.TB, n int, commandType string) (succeeded, refused int) {
	t.Helper()
	g.locked(func(g *fakeGateway) {
		for i := range n {
			g.commands = append(g.commands, claimedJSON(fmt.Sprintf("%s_%d", commandType, i), commandType))
		}
	})
	for i := range n {
		result := g.awaitResult(t, fmt.Sprintf("%s_%d", commandType, i))
		if result.Status == fieldgate.ResultStatusSucceeded {
			succeeded++
		} else if strings.Contains(string(result.Data), `"unrecorded"`) {
			refused++
		}
	}
	return succeeded, refused
}

// TestDegraded_CleaningCommandIsRecorded ends the agent while a cleaning command runs on a full
// disk. The command must be in the journal, so that it does not run again.
func TestDegraded_CleaningCommandIsRecorded(t *testing.T) {
	t.Parallel()
	dir := newDisk(t)
	path := filepath.Join(dir, "device.json.journal")
	j := openTestJournal(t, path)
	require.NoError(t, j.begin(testCommand(1), false, true))
	fillDisk(t, dir)
	for n := 2; j.begin(testCommand(n), false, true) == nil; n++ {
	}
	require.Error(t, j.health())
	require.NoError(t, j.beginWithReserve(testCommand(1000), false, true))
	require.Contains(t, storedIDs(t, path), "cmd_1000")
	require.NoFileExists(t, path+".reserve")
}

func TestDegraded_ReadOnlyDisk(t *testing.T) {
	t.Parallel()
	for _, hasJournal := range []bool{true, false} {
		dir := newDisk(t)
		state, g, r := registerOn(t, dir), newFakeGateway(t), runner{}
		if hasJournal {
			r.start(t, g, state, func() {})()
		}
		setReadOnly(t, dir, true)
		stop := r.start(t, g, state, func() {})
		require.Equal(t, 1.0, g.awaitHeartbeat(t, fieldgate.HeartbeatStatusDegraded).Metrics[MetricUnrecorded])
		g.offer("cmd_1", "inspect")
		require.Equal(t, fieldgate.ResultStatusSucceeded, g.awaitResult(t, "cmd_1").Status)
		for id, commandType := range map[string]string{"cmd_2": "change", "cmd_3": "clean"} {
			g.offer(id, commandType)
			require.JSONEq(t, `{"code":"unrecorded"}`, string(g.awaitResult(t, id).Data))
		}
		setReadOnly(t, dir, false)
		g.locked(func(g *fakeGateway) { g.heartbeats = nil })
		g.awaitHeartbeat(t, fieldgate.HeartbeatStatusOk)
		g.offer("cmd_4", "change")
		require.Equal(t, fieldgate.ResultStatusSucceeded, g.awaitResult(t, "cmd_4").Status)
		stop()
		require.Equal(t, runner{inspected: 1, changed: 1}, r)
	}
}

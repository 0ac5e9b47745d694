package process

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// unprivileged is the user ID of an agent without the rights of root.
const unprivileged = 65534

// TestRun_ProgramOfRootDoesNotBlockOthers runs this test as an unprivileged user with a
// program that becomes root, so that the agent cannot kill it. It is not
// parallel, because Run of another test would kill the child of this one.
func TestRun_ProgramOfRootDoesNotBlockOthers(t *testing.T) {
	if hung := os.Getenv("FIELDGATE_TEST_HUNG"); hung != "" {
		requireOthersRun(t, hung)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can create a program that the agent cannot kill")
	}
	hung, test := copyPrograms(t)
	require.NoError(t, os.Chmod(hung, 0o755|os.ModeSetuid))
	cmd := exec.Command(test, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "FIELDGATE_TEST_HUNG="+hung)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: unprivileged, Gid: unprivileged}}
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, string(output))
}

// copyPrograms copies setpriv and this test into a directory that all users may read.
func copyPrograms(t testing.TB) (setpriv, test string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "fieldgate-stuck-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	setpriv, test = filepath.Join(dir, "setpriv"), filepath.Join(dir, "test")
	found, err := exec.LookPath("setpriv")
	if err != nil {
		t.Skip("SKIPPED: setpriv of util-linux is not installed")
	}
	self, err := os.Executable()
	require.NoError(t, err)
	for from, to := range map[string]string{found: setpriv, self: test} {
		content, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(to, content, 0o755))
	}
	return setpriv, test
}

// requireOthersRun requires that the end of a context ends a run of the hung program, one of a
// program that waits behind it, and that the next program runs.
func requireOthersRun(t testing.TB, hung string) {
	t.Helper()
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	waiting := make(chan error, 1)
	go func() {
		<-ctx.Done()
		behind, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := Run(behind, Program{Path: "true"})
		waiting <- err
	}()
	_, err := Run(ctx, Program{Path: hung, Args: []string{"--reuid=0", "sleep", "30"}})
	failure, _ := errors.AsType[*agent.Failure](err)
	require.NotNil(t, failure, "%v", err)
	require.Equal(t, "not_stopped", failure.Code)
	require.ErrorIs(t, <-waiting, context.DeadlineExceeded)
	result, err := Run(t.Context(), Program{Path: "echo", Args: []string{"next"}})
	require.NoError(t, err)
	require.Equal(t, "next\n", result.Output)
	require.Less(t, time.Since(start), 15*time.Second)
}

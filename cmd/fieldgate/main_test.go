package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store/storetest"
)

// program is the path of the binary that the tests run.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "fieldgate-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "fieldgate")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the program: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// process is a running fieldgate process.
type process struct {
	cmd      *exec.Cmd
	out, log storetest.Buffer
	ended    chan error
}

// command returns a command that runs fieldgate with these settings as its only
// environment variables.
func command(ctx context.Context, settings []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.Getenv("TMPDIR")}, settings...)
	return cmd
}

// start starts fieldgate, and kills the process at the end of the test if it still
// runs.
func start(t testing.TB, settings []string, args ...string) *process {
	t.Helper()
	p := &process{cmd: command(context.Background(), settings, args...), ended: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.log
	require.NoError(t, p.cmd.Start())
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

// wait waits for the end of the process and returns its exit code, which is -1 after a
// signal.
func (p *process) wait(t testing.TB, atMost time.Duration) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(atMost):
		require.Fail(t, "fieldgate has not ended", p.log.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

// once runs fieldgate until the process ends.
func once(t testing.TB, settings []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, log bytes.Buffer
	cmd := command(t.Context(), settings, args...)
	cmd.Stdout, cmd.Stderr = &out, &log
	var failed *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &failed) {
		require.NoError(t, err)
	}
	return out.String(), log.String(), cmd.ProcessState.ExitCode()
}

func eventually(t testing.TB, condition func() bool, what string) {
	t.Helper()
	require.Eventually(t, condition, 10*time.Second, 5*time.Millisecond, what)
}

// status returns the status of a GET, or 0 if there is no response.
func status(url string) int {
	response, err := http.Get(url)
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}

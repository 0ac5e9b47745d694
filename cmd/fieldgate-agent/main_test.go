package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// program is the path of the binary that the tests run.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "fieldgate-agent-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "fieldgate-agent")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the program: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// A testbed is a gateway, two users of one tenant, and a device. The device is provisioned but
// not registered.
type testbed struct {
	*gatewaytest.Gateway
	*gatewaytest.Pair
	state   string // path of the state file
	scripts string // path of the directory with the scripts
}

func newTestbed(t testing.TB, g *gatewaytest.Gateway) *testbed {
	t.Helper()
	dir := t.TempDir()
	b := &testbed{
		Gateway: g, Pair: g.NewPair(t),
		state: filepath.Join(dir, "device.json"), scripts: filepath.Join(dir, "scripts"),
	}
	require.NoError(t, os.Mkdir(b.scripts, 0o755))
	return b
}

// agent is a running fieldgate-agent.
type agent struct {
	cmd   *exec.Cmd
	log   storetest.Buffer
	ended chan struct{}
}

// start starts the agent of the testbed's device. The agent is killed at the end of the test.
func (b *testbed) start(t testing.TB, settings ...string) *agent {
	t.Helper()
	return b.startCommand(t, exec.Command(program), settings...)
}

// startCommand starts the agent with the given command.
func (b *testbed) startCommand(t testing.TB, cmd *exec.Cmd, settings ...string) *agent {
	t.Helper()
	settings = append([]string{
		"FIELDGATE_URL=" + b.URL, "FIELDGATE_STATE=" + b.state,
		"FIELDGATE_ACTIVATION_CODE=" + b.ActivationCode, "FIELDGATE_SCRIPTS=" + b.scripts,
	}, settings...)
	a := &agent{cmd: cmd, ended: make(chan struct{})}
	a.cmd.Env, a.cmd.Stderr = append([]string{"PATH=" + os.Getenv("PATH")}, settings...), &a.log
	require.NoError(t, a.cmd.Start())
	go func() {
		defer close(a.ended)
		_ = a.cmd.Wait()
	}()
	t.Cleanup(a.kill)
	return a
}

// kill kills the agent, as a power loss would, and waits until the agent has ended.
func (a *agent) kill() {
	_ = a.cmd.Process.Kill()
	<-a.ended
}

// stop ends the agent like a shutdown: running commands have time to finish and to be submitted.
func (a *agent) stop(t testing.TB) {
	t.Helper()
	require.NoError(t, a.cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, a.wait(t), a.log.String())
}

// wait waits until the agent has ended. It returns the exit code, or -1 if a signal ended the
// agent.
func (a *agent) wait(t testing.TB) int {
	t.Helper()
	select {
	case <-a.ended:
	case <-time.After(30 * time.Second):
		require.Fail(t, "the agent does not exit", a.log.String())
	}
	return a.cmd.ProcessState.ExitCode()
}

// execute proposes a command, waits until it has ended, and returns it.
func (b *testbed) execute(t testing.TB, commandType string, parameters any) client.Command {
	t.Helper()
	return b.Await(t, b.Propose(t, commandType, parameters).ID)
}

// code returns the code in the result of a failed command, or "" if there is none.
func code(t testing.TB, c client.Command) string {
	t.Helper()
	var data struct {
		Code string `json:"code"`
	}
	if len(c.Result.Data) > 0 {
		require.NoError(t, json.Unmarshal(c.Result.Data, &data))
	}
	return data.Code
}

// writeScript writes a shell script into the directory of the scripts.
func (b *testbed) writeScript(t testing.TB, name, body string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(b.scripts, name), []byte("#!/bin/sh\n"+body), 0o755))
}

// eventually waits until the condition holds. After 30 seconds it fails with the message.
func eventually(t testing.TB, condition func() bool, message string) {
	t.Helper()
	require.Eventually(t, condition, 30*time.Second, 10*time.Millisecond, message)
}

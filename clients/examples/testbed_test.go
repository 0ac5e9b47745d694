package examples_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// lease is the length of the leases. The examples extend it when a third of it has passed.
const lease = 6 * time.Second

// A testbed is a gateway that can be restarted, two users of one tenant, and a device.
type testbed struct {
	*gatewaytest.Pair
	gateway *gatewaytest.Gateway
	issuer  *customertest.Issuer
	addr    string
	link    *storetest.Proxy // between the device and the gateway
	example []string         // command line of the example, without arguments
	dir     string           // contains the program and the state of the device
}

func newTestbed(t testing.TB, example []string) *testbed {
	t.Helper()
	b := &testbed{issuer: customertest.NewIssuer(t), addr: storetest.FreeAddr(t), example: example, dir: t.TempDir()}
	b.serve(t)
	b.Pair = b.gateway.NewPair(t)
	require.NoError(t, os.Mkdir(filepath.Join(b.dir, "state"), 0o700))
	b.link = storetest.NewProxy(t).ForwardTo(b.addr)
	b.writeProgram(t, `while [ ! -e finish ]; do sleep 0.02; done; echo "restarted $1"`)
	return b
}

// writeProgram writes the program that restarts a service. It logs its runs, and then does as body says.
func (b *testbed) writeProgram(t testing.TB, body string) {
	t.Helper()
	text := fmt.Sprintf("#!/bin/sh\ncd %q\necho \"$1\" >> runs\n%s\n", b.dir, body)
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "restart"), []byte(text), 0o755))
}

// serve starts the gateway, always at the same address and with the same Redis.
func (b *testbed) serve(t testing.TB) {
	t.Helper()
	b.gateway = gatewaytest.StartWithIssuer(t, b.issuer, gatewaytest.WithRedis(storetest.SharedURL(t)),
		func(cfg *gateway.Config) { cfg.Addr = b.addr })
}

// A process is a running example.
type process struct {
	cmd *exec.Cmd
	log storetest.Buffer
}

// start starts the example. It is killed at the end of the test.
func (b *testbed) start(t testing.TB) *process {
	t.Helper()
	arguments := append(slices.Clone(b.example), "http://"+b.link.Addr(), filepath.Join(b.dir, "state"), filepath.Join(b.dir, "restart"))
	p := &process{cmd: exec.Command(arguments[0], arguments[1:]...)}
	p.cmd.Env = append(os.Environ(), "ACTIVATION_CODE="+b.ActivationCode, fmt.Sprintf("LEASE_MS=%d", lease.Milliseconds()))
	p.cmd.Stderr, p.cmd.WaitDelay, p.cmd.SysProcAttr = &p.log, time.Second, storetest.DieWithParent()
	require.NoError(t, p.cmd.Start())
	t.Cleanup(p.kill)
	t.Cleanup(func() { b.finishRuns(t) }) // a program that has lost its device ends too
	return p
}

// kill kills the device, as a power cut would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// peakMemory returns the most resident memory in bytes that the device has used.
func (p *process) peakMemory(t testing.TB) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	require.NoError(t, err)
	_, text, found := strings.Cut(string(status), "VmHWM:")
	require.True(t, found)
	kilobytes, err := strconv.ParseInt(strings.Fields(text)[0], 10, 64)
	require.NoError(t, err)
	return kilobytes << 10
}

// propose proposes a command, and approves it.
func (b *testbed) propose(t testing.TB, name, parameters string) client.Command {
	t.Helper()
	return b.Propose(t, "remediation."+name, json.RawMessage(parameters))
}

// awaitRun waits until the program runs, and returns the command.
func (b *testbed) awaitRun(t testing.TB, id string) client.Command {
	t.Helper()
	eventually(t, func() bool { return len(b.runs(t)) > 0 }, "the program does not run")
	return b.Command(t, id)
}

// runs returns the services that the program has been started with.
func (b *testbed) runs(t testing.TB) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(b.dir, "runs"))
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	return strings.Fields(string(content))
}

// finishRuns lets the program end, now and in later runs.
func (b *testbed) finishRuns(t testing.TB) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "finish"), nil, 0o600))
}

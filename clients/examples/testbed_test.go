package examples_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	example []string // command line of the example, without arguments
	dir     string   // contains the program and the state of the device
}

func newTestbed(t testing.TB, example []string) *testbed {
	t.Helper()
	b := &testbed{issuer: customertest.NewIssuer(t), addr: storetest.FreeAddr(t), example: example, dir: t.TempDir()}
	b.serve(t)
	b.Pair = b.gateway.NewPair(t)
	require.NoError(t, os.Mkdir(filepath.Join(b.dir, "state"), 0o700))
	program := "#!/bin/sh\ncd %q\necho \"$1\" >> runs\nwhile [ ! -e finish ]; do sleep 0.02; done\necho \"restarted $1\"\n"
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "restart"), fmt.Appendf(nil, program, b.dir), 0o755))
	return b
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
	arguments := append(b.example, b.gateway.URL, filepath.Join(b.dir, "state"), filepath.Join(b.dir, "restart"))
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

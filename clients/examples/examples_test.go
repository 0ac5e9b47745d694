// Package examples_test runs the example devices in C and Python against a real gateway.
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
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestExamples_ResultArrivesAfterRestartOfGatewayAndEndOfLogin(t *testing.T) {
	t.Parallel()
	forEachExample(t, func(t *testing.T, b *testbed) {
		d := b.start(t)
		command := b.propose(t, "restart_service", `{"service": "telemetry"}`)
		claimed := b.awaitRun(t, command.ID)
		eventually(t, func() bool {
			return b.Command(t, command.ID).VisibleUntil.After(claimed.VisibleUntil.Add(lease / 2))
		}, "the device does not extend the lease")
		_, err := b.Alice.RevokeLogins(t.Context(), b.DeviceID, "a test")
		require.NoError(t, err)
		require.NoError(t, b.gateway.Stop())
		b.finishRuns(t)
		eventually(t, func() bool { return strings.Contains(d.log.String(), "/result was refused") }, "the device does not submit")
		b.serve(t)
		// The lease may end while the gateway is away. The result then replaces timed_out.
		eventually(t, func() bool {
			return b.Command(t, command.ID).Status == client.CommandStatusSucceeded
		}, "the result does not arrive")
		require.Equal(t, "restarted telemetry\n", b.Command(t, command.ID).Result.Output, d.log.String())
		require.Equal(t, []string{"telemetry"}, b.runs(t))
	})
}

func TestExamples_KilledDeviceReportsInterruptedAndRunsNothingTwice(t *testing.T) {
	t.Parallel()
	forEachExample(t, func(t *testing.T, b *testbed) {
		first := b.start(t)
		command := b.propose(t, "restart_service", `{"service": "telemetry"}`)
		b.awaitRun(t, command.ID)
		first.kill()
		b.finishRuns(t)
		second := b.start(t)
		// The lease may end before the second process reports. The result then replaces timed_out.
		eventually(t, func() bool {
			return b.Command(t, command.ID).Status == client.CommandStatusFailed
		}, "the result does not arrive")
		require.Equal(t, "interrupted", code(t, b.Command(t, command.ID)), second.log.String())
		next := b.Await(t, b.propose(t, "restart_service", `{"service": "camera"}`).ID)
		require.Equal(t, client.CommandStatusSucceeded, next.Status, second.log.String())
		require.Equal(t, []string{"telemetry", "camera"}, b.runs(t))
	})
}

func TestExamples_CancellationStopsTheProgram(t *testing.T) {
	t.Parallel()
	forEachExample(t, func(t *testing.T, b *testbed) {
		d := b.start(t)
		command := b.propose(t, "restart_service", `{"service": "telemetry"}`)
		b.awaitRun(t, command.ID)
		_, err := b.Alice.Cancel(t.Context(), b.Session, command.ID, "a test")
		require.NoError(t, err)
		require.Equal(t, client.CommandStatusCancelled, b.Await(t, command.ID).Status, d.log.String())
	})
}

// TestExamples_DarkConnectionKeepsTheLease lets no response to the first extension arrive, while other
// connections work. The device must not wait for it until the lease has ended.
func TestExamples_DarkConnectionKeepsTheLease(t *testing.T) {
	t.Parallel()
	forEachExample(t, func(t *testing.T, b *testbed) {
		b.link.Inject(storetest.HoldRequest, "/extend")
		d := b.start(t)
		command := b.propose(t, "restart_service", `{"service": "telemetry"}`)
		claimed := b.awaitRun(t, command.ID)
		<-b.link.Faulted
		b.link.Inject(storetest.NoFault)
		eventually(t, func() bool {
			return b.Command(t, command.ID).VisibleUntil.After(claimed.VisibleUntil.Add(lease / 2))
		}, "the device does not extend the lease")
		b.finishRuns(t)
		require.Equal(t, client.CommandStatusSucceeded, b.Await(t, command.ID).Status, d.log.String())
	})
}

// TestExamples_LongOutputIsCut prints more than a small device has memory for.
func TestExamples_LongOutputIsCut(t *testing.T) {
	t.Parallel()
	forEachExample(t, func(t *testing.T, b *testbed) {
		b.writeProgram(t, `head -c 100000000 /dev/zero | tr '\0' x`)
		d := b.start(t)
		ended := b.Await(t, b.propose(t, "restart_service", `{"service": "telemetry"}`).ID)
		require.Equal(t, client.CommandStatusSucceeded, ended.Status, d.log.String())
		require.Equal(t, strings.Repeat("x", len(ended.Result.Output)), ended.Result.Output)
		require.InDelta(t, 65536, len(ended.Result.Output), 1)
		require.Less(t, d.peakMemory(t), int64(64<<20))
	})
}

// TestExamples_OnlyExactParametersRun covers what a JSON library may accept although the approver
// has read something else.
func TestExamples_OnlyExactParametersRun(t *testing.T) {
	t.Parallel()
	forEachExample(t, func(t *testing.T, b *testbed) {
		b.finishRuns(t)
		d := b.start(t)
		for _, parameters := range []string{
			`{}`,
			`{"Service": "telemetry"}`,
			`{"service": "telemetry", "force": true}`,
			`{"service": 7, "\u017fervice": "camera"}`,
			`{"service\u0000": "telemetry"}`,
			`{"service": "telemetry\u0000"}`,
			`{"service": "--all"}`,
			`{"service": "a b"}`,
			`{"service": ""}`,
			`{"service": ["telemetry"]}`,
			`{"service": null}`,
			`{"service": true}`,
			`{"service": 7}`,
			`{"service": 1e3}`,
		} {
			ended := b.Await(t, b.propose(t, "restart_service", parameters).ID)
			require.Equal(t, "invalid_parameters", code(t, ended), "%s\n%s", parameters, d.log.String())
		}
		require.Equal(t, "unsupported", code(t, b.Await(t, b.propose(t, "reboot", `{}`).ID)))
		require.Empty(t, b.runs(t))
	})
}

// TestExamples_HaveTheSizeThatTheGuideStates also holds that no file has a hundred lines.
func TestExamples_HaveTheSizeThatTheGuideStates(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/guides/firmware.md")
	require.NoError(t, err)
	files, err := filepath.Glob("c/*")
	require.NoError(t, err)
	client := 0
	for _, file := range files {
		n := countLines(t, file)
		require.Less(t, n, 100, file)
		if file != "c/device.c" {
			client += n
		}
	}
	for _, statement := range []string{
		fmt.Sprintf("one file of %d lines", countLines(t, "python/device.py")),
		fmt.Sprintf("a program of %d lines, `device.c`", countLines(t, "c/device.c")),
		fmt.Sprintf("%d lines together", client),
	} {
		require.Contains(t, string(guide), statement)
	}
	require.Less(t, countLines(t, "python/device.py"), 100)
}

func countLines(t testing.TB, file string) int {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	return strings.Count(string(content), "\n")
}

// forEachExample runs a parallel subtest with each example. FIELDGATE_TEST_EXAMPLES=yes selects
// these tests, because they need a C compiler, libcurl, cJSON and Python.
func forEachExample(t *testing.T, test func(*testing.T, *testbed)) {
	t.Helper()
	if os.Getenv("FIELDGATE_TEST_EXAMPLES") == "" {
		t.Skip("the examples need a C compiler and Python: run make test-examples")
	}
	python, err := filepath.Abs("python/device.py")
	require.NoError(t, err)
	for name, command := range map[string][]string{"c": {compiled(t)}, "python": {"python3", python}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newTestbed(t, command))
		})
	}
}

// compiled compiles the example in C and returns its path.
func compiled(t testing.TB) string {
	t.Helper()
	sources, err := filepath.Glob("c/*.c")
	require.NoError(t, err)
	program := filepath.Join(t.TempDir(), "device")
	arguments := append([]string{"-std=c11", "-D_DEFAULT_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program}, sources...)
	out, err := exec.Command("cc", append(arguments, "-lcurl", "-lcjson")...).CombinedOutput()
	require.NoError(t, err, string(out))
	return program
}

// eventually waits until the condition holds. After 30 seconds it fails with the message.
func eventually(t testing.TB, condition func() bool, message string) {
	t.Helper()
	require.Eventually(t, condition, 30*time.Second, 10*time.Millisecond, message)
}

// code returns the code in the result of a command.
func code(t testing.TB, c client.Command) string {
	t.Helper()
	var data struct {
		Code string `json:"code"`
	}
	require.NotNil(t, c.Result, "the command has no result: %+v", c)
	require.NoError(t, json.Unmarshal(c.Result.Data, &data))
	return data.Code
}

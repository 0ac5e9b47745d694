// Package examples_test runs the example devices in C and Python against a real gateway.
package examples_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
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
		ended := b.Await(t, command.ID)
		require.Equal(t, client.CommandStatusFailed, ended.Status, second.log.String())
		require.Equal(t, "interrupted", code(t, ended))
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

// TestExamples_HaveFewerThanAHundredLines holds the size that the guide states.
func TestExamples_HaveFewerThanAHundredLines(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"c/*", "python/*"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Less(t, strings.Count(string(content), "\n"), 100, file)
		}
	}
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

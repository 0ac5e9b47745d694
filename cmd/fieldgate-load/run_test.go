package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/cmd/fieldgate-load/report"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-load/site"
)

// programs is the folder with the program of the gateway.
var programs string

// TestMain runs the tests. With a subcommand, the test binary is the program itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "run" || os.Args[1] == "play") {
		main()
		return
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "fieldgate-load-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	programs = dir
	return m.Run()
}

// buildOnce builds the program of the gateway. It returns the output of the build.
var buildOnce = sync.OnceValues(func() ([]byte, error) {
	return exec.Command("go", "build", "-o", gatewayProgram(), "../fieldgate").CombinedOutput()
})

func gatewayProgram() string { return filepath.Join(programs, "fieldgate") }

// build builds the program of the gateway. It skips the test if the tests should be fast, or if there
// is no redis-server.
func build(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("slow")
	}
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed")
	}
	out, err := buildOnce()
	require.NoError(t, err, string(out))
}

// load runs the program. It returns its output and the report that it has written.
func load(t testing.TB, args ...string) (output string, written report.Report) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.json")
	out, err := exec.CommandContext(t.Context(), os.Args[0], append([]string{"run", "--json", file, "--program", gatewayProgram()}, args...)...).CombinedOutput()
	require.NoError(t, err, string(out))
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &written))
	return string(out), written
}

// TestRun_EachCommandEndsOnceThroughStormRollAndKill plays 50 devices against two instances. Their
// connections break, the instances are replaced, and one is killed with SIGKILL.
func TestRun_EachCommandEndsOnceThroughStormRollAndKill(t *testing.T) {
	t.Parallel()
	build(t)
	output, r := load(t, "scenarios/small.yaml")
	require.Contains(t, output, "each accepted command ended exactly once")
	require.Equal(t, []int{50, 2, 1, 2}, []int{r.Devices, r.Instances, r.Redis, r.Processes})

	require.Greater(t, r.Ledger.Accepted, 200)
	require.Equal(t, map[string]int{"succeeded": r.Ledger.Accepted}, r.Ledger.Ended)
	require.Empty(t, r.Ledger.Violations)
	require.Zero(t, r.Ledger.Unknown)

	require.Len(t, r.Phases, 5)
	for _, p := range r.Phases {
		require.Empty(t, p.Failure, p.Name)
		require.Equal(t, 46, p.Sockets.Devices, p.Name)
		disturbed := p.Name == "storm" || p.Name == "roll" || p.Name == "kill"
		require.Equal(t, disturbed, p.Sockets.Lost > 0, p.Name)
		if !disturbed { // on a busy machine, sockets may come back after the phase
			require.Equal(t, p.Sockets.Devices, p.Sockets.Open, "sockets at the end of the phase %s\n%s", p.Name, output)
			require.Zero(t, p.Sockets.AllBack, p.Name)
		}
		if p.Name != "register" {
			delete(p.Acts["visit"].Errors, "all_devices_visited") // on a busy machine, visits take longer than until the next one
			require.Empty(t, p.Acts["visit"].Errors, p.Name)
			require.Positive(t, p.Acts["approve"].Took.Total, p.Name)
		}
	}
}

// TestRun_PlaysAgainstRunningInstances starts the instances itself, and points the program at them.
func TestRun_PlaysAgainstRunningInstances(t *testing.T) {
	t.Parallel()
	build(t)
	const secret = "a secret of at least thirty-two characters"
	running, err := site.Start(t.Context(), site.Config{Program: gatewayProgram(), Secret: secret, Instances: 2, Redis: 1})
	require.NoError(t, err)
	defer running.Close()
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte(secret+"\n"), 0o600))

	_, r := load(t, "testdata/calm.yaml", "--secret-file", file, "--url", "http://"+running.Targets()[0], "--url", "http://"+running.Targets()[1])
	require.Zero(t, r.Instances)
	require.Positive(t, r.Ledger.Accepted)
	require.Equal(t, map[string]int{"succeeded": r.Ledger.Accepted}, r.Ledger.Ended)
}

func TestRun_RefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"a roll of running instances": {[]string{"scenarios/small.yaml", "--url", "http://127.0.0.1:1", "--secret-file", "run.go"}, `the phase "roll" rolls or kills instances`},
		"no secret":                   {[]string{"testdata/calm.yaml", "--url", "http://127.0.0.1:1"}, "--url needs --secret-file"},
		"two schemes":                 {[]string{"testdata/calm.yaml", "--url", "http://a", "--url", "https://b", "--secret-file", "run.go"}, "--url https://b: must have the scheme and the path of http://a"},
		"no instances":                {[]string{"testdata/calm.yaml"}, "the scenario has no gateways.instances"},
		"no file":                     {[]string{"testdata/missing.yaml"}, "reading the scenario: open testdata/missing.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := exec.CommandContext(t.Context(), os.Args[0], append([]string{"run"}, c.args...)...).CombinedOutput()
			require.Error(t, err)
			require.Contains(t, string(out), c.want)
		})
	}
}

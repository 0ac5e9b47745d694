package docs_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store/storetest"
)

// programs is the directory of the programs that TestMain builds. The PATH of the samples
// contains it.
var programs string

// agentName is the name of the device agent's program.
const agentName = "fieldgate-agent"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	if testing.Short() {
		return m.Run() // no sample runs
	}
	dir, err := os.MkdirTemp("", "fieldgate-docs-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	programs = filepath.Join(dir, "bin")
	for _, name := range []string{"fieldgate", agentName} {
		if out, err := exec.Command("go", "build", "-o", programs+"/", "../cmd/"+name).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building %s: %v\n%s", name, err, out)
			return 1
		}
	}
	return m.Run()
}

func TestSamples_Run(t *testing.T) {
	if testing.Short() {
		t.Skip("slow, and needs jq")
	}
	t.Parallel()
	_, err := exec.LookPath("jq")
	require.NoError(t, err, "the samples need jq: make jq")
	for _, file := range sampledFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			runSamples(t, samplesOf(t, file))
		})
	}
}

// runSamples starts a gateway and runs the samples of a file against that gateway.
func runSamples(t testing.TB, samples []sample) {
	t.Helper()
	url, issuer := startGateway(t)
	dir := t.TempDir()
	script := &strings.Builder{}
	for _, s := range samples {
		s.text = strings.ReplaceAll(s.text, "http://localhost:8080", url)
		script.WriteString(s.step(t, dir))
	}
	runScript(t, dir, script.String(), issuer)
}

// step returns the shell commands that run the sample. It returns "" if the sample must not be
// run.
func (s sample) step(t testing.TB, dir string) string {
	t.Helper()
	heading := fmt.Sprintf("echo '--- line %d'\n", s.line)
	_, skipped := s.reason()
	switch {
	case skipped || s.isRehearsed() || s.has("the gateway"):
		return ""
	case s.has("in the background"):
		return heading + strings.TrimSuffix(strings.TrimSpace(s.text), " &") + " &\nbackground=\"$background $!\"\n"
	case s.language == "go":
		root, err := filepath.Abs("..")
		require.NoError(t, err)
		program := filepath.Join(dir, fmt.Sprintf("line%d.go", s.line))
		require.NoError(t, os.WriteFile(program, []byte(s.text), 0o600))
		return heading + fmt.Sprintf("(cd %q && go run %q)\n", root, program)
	case s.language == "sh":
		return heading + s.text
	}
	return ""
}

// runScript runs a script. It fails the test if any command fails, even inside a pipe. The
// background processes of the script are killed when the script ends.
func runScript(t testing.TB, dir, script, issuer string) {
	t.Helper()
	require.NoError(t, os.Symlink(programs, filepath.Join(dir, "bin")))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", "background=; trap 'kill $background 2>/dev/null || true' EXIT\n"+script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"), "FIELDGATE_DEV_ISSUER="+issuer)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 5 * time.Second
	require.NoError(t, cmd.Run(), "%s", out.String())
}

// startGateway runs `fieldgate dev` until the test ends. It returns the URLs of the gateway
// and of the gateway's token issuer.
func startGateway(t testing.TB) (url, issuer string) {
	t.Helper()
	addr, issuerAddr := storetest.FreeAddr(t), storetest.FreeAddr(t)
	cmd := exec.Command(filepath.Join(programs, "fieldgate"), "dev")
	cmd.Env = append(os.Environ(), "FIELDGATE_ADDR="+addr, "FIELDGATE_METRICS_ADDR=off", "FIELDGATE_DEV_ISSUER_ADDR="+issuerAddr)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	require.Eventually(t, func() bool {
		response, err := http.Get("http://" + addr + "/healthz")
		if err == nil {
			response.Body.Close()
		}
		return err == nil && response.StatusCode == http.StatusOK
	}, time.Minute, 10*time.Millisecond, "the gateway did not start")
	return "http://" + addr, "http://" + issuerAddr
}

package supabase_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sourceVariable is the environment variable with the source of Supabase Auth.
const sourceVariable = "FIELDGATE_TEST_SUPABASE"

const skipped = "SKIPPED: the tests with a real Supabase Auth server have not run; " +
	"name its source: make test-supabase " + sourceVariable + "=../auth"

// authVersion is the version of Supabase Auth that the built program reports.
const authVersion = "v2.196.0"

// programs contains the paths of the programs that the tests run. TestMain builds them.
var programs struct {
	auth       string // Supabase Auth
	authSource string // its source, which contains the migrations of the database
	fieldgate  string
}

// database is the PostgreSQL server that all projects share.
var database *postgres

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	source := os.Getenv(sourceVariable)
	if source == "" || testing.Short() {
		fmt.Fprintln(os.Stderr, skipped)
		return 0
	}
	dir, err := os.MkdirTemp("", "fieldgate-supabase-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = errors.Join(os.Chmod(dir, 0o755), build(dir, source)) // the user postgres must reach its data
	}
	if err == nil {
		database, err = startPostgres(filepath.Join(dir, "postgres"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer database.stop()
	return m.Run()
}

// build builds the programs: the gateway into dir, and Supabase Auth into its source, as its own
// Makefile does, so that the next run need not link it again.
func build(dir, source string) (err error) {
	if programs.authSource, err = unpacked(dir, source); err != nil {
		return err
	}
	programs.auth, programs.fieldgate = filepath.Join(programs.authSource, "auth"), filepath.Join(dir, "fieldgate")
	version := "-X github.com/supabase/auth/internal/utilities.Version=" + authVersion
	return errors.Join(
		goBuild(programs.authSource, "-buildvcs=false", "-ldflags", version, "-o", programs.auth, "."),
		goBuild(".", "-o", programs.fieldgate, "../../cmd/fieldgate"),
	)
}

// unpacked returns the directory with the source. It unpacks an archive into dir.
func unpacked(dir, source string) (string, error) {
	source, err := filepath.Abs(source)
	if err != nil || !strings.HasSuffix(source, ".tar.gz") {
		return source, err
	}
	target := filepath.Join(dir, "auth-source")
	if err := os.Mkdir(target, 0o755); err != nil {
		return "", err
	}
	return target, runTool(exec.Command("tar", "-xzf", source, "-C", target, "--strip-components=1"))
}

func goBuild(dir string, args ...string) error {
	cmd := exec.Command("go", append([]string{"build"}, args...)...)
	cmd.Dir = dir
	return runTool(cmd)
}

// runTool runs a command. The error contains its output.
func runTool(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running %s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

// await waits until a condition holds. It returns an error after 30 seconds.
func await(what string, holds func() bool) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); <-ticker.C {
		if holds() {
			return nil
		}
	}
	return fmt.Errorf("%s within 30 seconds", what)
}

// eventually waits until a condition holds. If it does not hold within a minute, the test fails.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, time.Minute, 20*time.Millisecond, what)
}

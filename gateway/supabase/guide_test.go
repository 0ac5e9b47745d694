package supabase_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store/storetest"
)

// guide is the text of the guide to Supabase.
type guide struct {
	text string
	t    testing.TB
}

func readGuide(t testing.TB) guide {
	t.Helper()
	text, err := os.ReadFile("../../docs/guides/supabase.md")
	require.NoError(t, err)
	return guide{string(text), t}
}

var annotated = regexp.MustCompile("(?ms)^<!-- rehearsed: ([^\n]+) -->\n```(sh|sql)\n(.*?)^```$")

// block returns the commands or the SQL with this annotation.
func (g guide) block(name string) string {
	g.t.Helper()
	for _, found := range annotated.FindAllStringSubmatch(g.text, -1) {
		if found[1] == name {
			return found[3]
		}
	}
	require.Fail(g.t, "the guide has no block "+name)
	return ""
}

// script returns the commands from the first heading to the table of members, which is another way
// to assign tenants. psql takes the place of the SQL editor.
func (g guide) script(psql string) string {
	path, _, found := strings.Cut(g.text, "\n## A table of members")
	require.True(g.t, found)
	script := &strings.Builder{}
	for _, found := range annotated.FindAllStringSubmatch(path, -1) {
		fmt.Fprintf(script, "echo '--- %s'\n", found[1])
		if found[2] == "sql" {
			fmt.Fprintf(script, "%s <<'SQL'\n%sSQL\n", psql, found[3])
		} else {
			script.WriteString(found[3])
		}
	}
	return script.String()
}

// TestGuide_LeadsToApproval runs the commands of the guide, from a project without users to a
// command that was approved with a second factor. The project allows no sign-ups.
func TestGuide_LeadsToApproval(t *testing.T) {
	t.Parallel()
	p := startProject(t, with("GOTRUE_DISABLE_SIGNUP", "true"))
	addr, redis := storetest.FreeAddr(t), storetest.FreeAddr(t)
	_, redisPort, err := net.SplitHostPort(redis)
	require.NoError(t, err)
	psql := fmt.Sprintf("psql -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p %s -U %s -d %s", database.port, superuser, p.database)
	script := strings.NewReplacer("6390", redisPort, "http://localhost:8080", "http://"+addr).Replace(readGuide(t).script(psql))
	end := fmt.Sprintf("trap 'kill $(jobs -p) || true; redis-cli -p %s shutdown nosave' EXIT\n", redisPort)

	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", end+script)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(programs.fieldgate)+":"+os.Getenv("PATH"),
		"SUPABASE_URL="+p.URL, "PUBLISHABLE_KEY="+p.publishable, "SECRET_KEY="+p.secret,
		"FIELDGATE_ADDR="+addr, "FIELDGATE_METRICS_ADDR=off")
	output := runWithAuthenticator(t, cmd)
	require.Contains(t, output, `the gateway accepts it, as user`, "doctor explains the token")
	require.Contains(t, output, "--- approve it\ntrue\n")
}

// secretLine matches the secret of a second factor that a user enters in the authenticator app.
var secretLine = regexp.MustCompile(`^[A-Z2-7]{16,}$`)

// runWithAuthenticator runs a command and returns its output. When the command prints the secret of
// a second factor, its current code is sent to the standard input.
func runWithAuthenticator(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	input, err := cmd.StdinPipe()
	require.NoError(t, err)
	output, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())
	all := &strings.Builder{}
	for lines := bufio.NewScanner(output); lines.Scan(); {
		fmt.Fprintln(all, lines.Text())
		if secretLine.MatchString(lines.Text()) {
			_, err := io.WriteString(input, oneTimePassword(t, lines.Text())+"\n")
			require.NoError(t, err)
		}
	}
	require.NoError(t, cmd.Wait(), "%s", all)
	return all.String()
}

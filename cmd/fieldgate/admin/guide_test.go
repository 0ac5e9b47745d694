package admin

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/ratelimit"
	"github.com/fieldgate/fieldgate/store"
)

// These are the ids in the examples of the guide.
const (
	guideDevice  = "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra"
	guideCommand = "cmd_7k01jd3qe9k3v7n1z5x8s2m4t6gb"
	guideAside   = "cmd_7k01jd3qd1h7r4p8c2w6f9b0n5kx"
)

// example is a command in the guide with its output.
type example struct{ command, output string }

// guideExamples returns the examples in the section of the guide to operations, in their order.
func guideExamples(t testing.TB) (examples []example) {
	t.Helper()
	guide, err := os.ReadFile("../../../docs/guides/operations.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(guide), "\n## Hands for the operator\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	for i, block := range strings.Split(section, "```") {
		if i%2 == 0 {
			continue // the text between two blocks
		}
		for _, part := range strings.Split(block, "$ fieldgate admin ")[1:] {
			command, output, _ := strings.Cut(part, "\n")
			examples = append(examples, example{command, output})
		}
	}
	require.Greater(t, len(examples), 10)
	return examples
}

// variable matches what differs in each run: ids, times, digests and numbers of bytes. The last
// pattern makes the alignment of columns equal.
var variable = []struct {
	expr        *regexp.Regexp
	replacement string
}{
	{regexp.MustCompile(`\b(dev|ses|cmd)_[0-9a-z]{28}\b`), "${1}_ID"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ`), "TIME"},
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "DIGEST"},
	{regexp.MustCompile(`\b\d{4,}\b`), "BYTES"},
	{regexp.MustCompile(` +`), " "},
}

func normalize(output string) string {
	for _, v := range variable {
		output = v.expr.ReplaceAllString(output, v.replacement)
	}
	return strings.TrimSpace(output)
}

// TestGuide_ExamplesHaveThisOutput runs the examples of the guide in their order, on the
// installation that they describe.
func TestGuide_ExamplesHaveThisOutput(t *testing.T) {
	t.Parallel()
	i := newInstallation(t, func(cfg *gateway.Config) {
		cfg.Limits.PerTenant = ratelimit.Limit{PerMinute: 10, Burst: 1000} // what is counted outlives the test
	})
	i.Log.AllowErrors("quarantined a command whose record cannot be read")
	aside := i.setAside()
	done := i.propose(auto)
	_, err := i.device.SubmitResult(t.Context(), done.ID, client.ResultRequest{
		ClaimToken: i.claim().ClaimToken, Status: client.ResultStatusSucceeded, Output: "192.0.2.1 ok",
	})
	require.NoError(t, err)
	i.propose(auto)
	i.propose(review)

	ids := strings.NewReplacer(guideDevice, i.device.ID, guideCommand, done.ID, guideAside, aside)
	for _, e := range guideExamples(t) {
		out := i.run(strings.Fields(ids.Replace(e.command))...)
		require.Equal(t, normalize(e.output), normalize(out), "fieldgate admin %s prints:\n%s", e.command, out)
	}
}

// setAside returns a command that was set aside, and whose record was repaired then.
func (i *installation) setAside() string {
	i.t.Helper()
	c, redis := i.propose(auto), i.server.Client(i.t)
	commands := store.Device{Tenant: i.tenant(), ID: i.device.ID}.CommandsKey()
	record := redis.HGet(i.t.Context(), commands, c.ID).Val()
	require.NoError(i.t, redis.HSet(i.t.Context(), commands, c.ID, "{garbage").Err())
	claimed, err := i.device.Claim(i.t.Context(), client.ClaimRequest{})
	require.NoError(i.t, err)
	require.Empty(i.t, claimed)
	require.NoError(i.t, redis.HSet(i.t.Context(), commands, c.ID, record).Err())
	return c.ID
}

// TestGuide_ListsEveryCommand requires that the table of the guide has every command.
func TestGuide_ListsEveryCommand(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../../docs/guides/operations.md")
	require.NoError(t, err)
	for _, node := range newParser(t, new(Command)).Model.Children {
		require.Regexp(t, "(?m)^\\| `[^|]*\\b"+node.Name+`\b`, string(guide))
	}
}

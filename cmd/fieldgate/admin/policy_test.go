package admin

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// writePolicy writes a policy to a file, and returns its name.
func writePolicy(t testing.TB, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "policy.json")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// policy runs a command on the policy of the tenant.
func (i *installation) policy(t testing.TB, command string, arguments ...string) (string, error) {
	t.Helper()
	all := append([]string{"policy", command, "--tenant=" + i.tenant()}, arguments...)
	return runCommand(t, i.server.URL(), all...)
}

// TestAdminPolicy_SavesAtOnceWhatTheGatewayApplies loosens the policy of a tenant, whose only admin is gone.
func TestAdminPolicy_SavesAtOnceWhatTheGatewayApplies(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	deny, allow := writePolicy(t, `{"rules":[{"name":"all","effect":"deny"}]}`), writePolicy(t, `{"rules":[{"name":"all","effect":"auto"}]}`)
	out, err := i.policy(t, "save", deny)
	require.NoError(t, err)
	require.Regexp(t, `version: +1\n`, out)
	saved, err := i.alice.Policy(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"1", "operator", "deny"}, []string{saved.Version, saved.ChangedBy, saved.Rules[0].Effect})

	before := storetest.Dump(t, i.server)
	out, err = i.policy(t, "save", allow, "--dry-run")
	require.NoError(t, err)
	require.Regexp(t, `loosens: +all\n`, out)
	require.Regexp(t, `result: +would replace this version\n`, out)
	require.Equal(t, before, storetest.Dump(t, i.server))
	_, err = i.policy(t, "save", allow, "--replaces=7")
	require.ErrorContains(t, err, "policy")

	_, err = i.policy(t, "save", allow, "--replaces=1", "--by=olivia")
	require.NoError(t, err)
	out, err = i.policy(t, "show", "--json")
	require.NoError(t, err)
	require.Contains(t, out, `"version":"2"`)
	require.NotContains(t, out, "pending", "the change of the operator waits for nobody")
	out, err = i.policy(t, "versions")
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(out, "\n"), out)
	require.Regexp(t, `2 +1 +olivia`, out)
}

func TestAdminPolicy_RefusesWhatTheGatewayRefuses(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	for text, want := range map[string]string{
		`{"rules":[{"name":"all","effect":"allow"}]}`:                           "/rules/0/effect",
		`{"rules":[],"Rules":[]}`:                                               "unknown member",
		`{"rules":[{"name":"a","effect":"deny"},{"name":"b","effect":"auto"}]}`: "never reached",
	} {
		_, err := i.policy(t, "save", writePolicy(t, text))
		require.ErrorContains(t, err, want)
	}
	_, err := i.policy(t, "save", filepath.Join(t.TempDir(), "missing"))
	require.ErrorContains(t, err, "opening the policy")
}

// TestAdminPolicy_EvaluatesLikeTheGateway evaluates a proposal with the floor that the command line has.
func TestAdminPolicy_EvaluatesLikeTheGateway(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	_, err := i.alice.SetPolicy(t.Context(), client.SetPolicyRequest{Rules: []client.PolicyRule{
		{Name: "slow", Effect: "deny", When: "parameters.delay > 600"}, {Name: "rest", Effect: "auto"},
	}})
	require.NoError(t, err)
	device := "--device=" + i.device.ID
	for _, tt := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"--type=a", `--parameters={"delay":601}`}, `effect: +deny\nrule: +slow`},
		{[]string{"--type=diagnostic.dns", `--parameters={"delay":1}`}, `effect: +auto\nrule: +rest`},
		{[]string{"--type=diagnostic.dns", `--parameters={"delay":1}`, "--policy=*=review(approvals=2)"}, `effect: +review\nrule: +\*\n(.*\n)*conditions: +approvals=2`},
	} {
		out, err := i.policy(t, "evaluate", append(tt.arguments, device)...)
		require.NoError(t, err)
		require.Regexp(t, tt.want, out)
	}
	_, err = i.policy(t, "evaluate", device, "--type=a", "--parameters=x")
	require.ErrorContains(t, err, "--parameters")
}

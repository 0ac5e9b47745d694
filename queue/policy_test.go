package queue_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/policy"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestPolicy_FirstMatchApplies(t *testing.T) {
	t.Parallel()
	const text = "diagnostic.dump=review, diagnostic.*=auto,shell.*=deny,shell.run=auto"
	for _, tt := range []struct {
		policy, commandType string
		want                queue.Mode
	}{
		{"", "diagnostic.dns", queue.Auto},
		{"", "diagnostic.", queue.Auto},
		{"", "diagnostic", queue.Review},
		{"", "diagnostics.dns", queue.Review},
		{"", "Diagnostic.dns", queue.Review},
		{"", "config.set", queue.Review},
		{text, "diagnostic.dump", queue.Review},
		{text, "diagnostic.dumps", queue.Auto},
		{text, "shell.run", queue.Deny},
		{text, "reboot", queue.Review},
		{"reboot=auto,*=deny", "reboot", queue.Auto},
		{"reboot=auto,*=deny", "diagnostic.dns", queue.Deny},
	} {
		rules := queue.DefaultPolicy
		if tt.policy != "" {
			var err error
			rules, err = queue.ParsePolicy(tt.policy)
			require.NoError(t, err)
		}
		require.Equal(t, tt.want, rules.Mode(tt.commandType), "the mode of %q by %q", tt.commandType, tt.policy)
	}
}

func TestParsePolicy_RefusesInvalidText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "diagnostic.*", "diagnostic.*=", "=auto", "a=maybe", "a=auto,", "*.dns=auto",
		"a=review(", "a=review()", "a=review(approvals=2", "a=review(approvals=2))", "a=review((approvals=2)", "a=review(approvals=2)x",
		"a=auto(approvals=2)", "a=deny(reason=true)", "a=review(approvals=0)", "a=review(votes=2)", "a=review)", "(a)=maybe", "a*b=auto", "**=auto", "a=auto=deny", "a = auto",
	} {
		_, err := queue.ParsePolicy(text)
		require.Error(t, err, "%q", text)
	}
}

// TestParsePolicy_ReadsConditions reads rules with conditions, which the version covers.
func TestParsePolicy_ReadsConditions(t *testing.T) {
	t.Parallel()
	const text = "diagnostic.*=auto,remediation.*=review(approvals=2,assurance=aal2,within=4h),*=review"
	parsed, err := queue.ParsePolicy(" " + strings.ReplaceAll(text, ",", ", "))
	require.NoError(t, err)
	require.Equal(t, queue.Policy{
		{Pattern: "diagnostic.*", Mode: queue.Auto},
		{Pattern: "remediation.*", Mode: queue.Review, Needs: policy.Requirement{Approvals: 2, Assurance: "aal2", Within: 4 * time.Hour}},
		{Pattern: "*", Mode: queue.Review},
	}, parsed)
	require.Equal(t, text, parsed.String())
	versions := map[string]bool{parsed.Version(): true}
	for _, other := range []policy.Requirement{{}, {Approvals: 3}, {Approvals: 2}, {Approvals: 2, Assurance: "aal2"}, {NoBreakGlass: true}, {BreakGlass: true}} {
		changed := slices.Clone(parsed)
		changed[1].Needs = other
		require.False(t, versions[changed.Version()], other)
		versions[changed.Version()] = true
	}
	require.Equal(t, "d00a3210d8ae", queue.DefaultPolicy.Version(), "rules without conditions keep the version that they had")
}

func TestPolicy_NoMatchNeedsApproval(t *testing.T) {
	t.Parallel()
	require.Equal(t, queue.Review, queue.Policy{}.Mode(auto))
	require.Equal(t, queue.Review, queue.Policy{{Pattern: "shell.*", Mode: queue.Deny}}.Mode(auto))
}

func TestPropose_DeniedTypeIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t), func(cfg *queue.Config) {
		cfg.Policy = queue.Policy{{Pattern: "shell.*", Mode: queue.Deny}}
	})
	_, err := f.queue.Propose(t.Context(), f.proposal("shell.run"))
	requireRefusal(t, err, fieldgate.CodeCommandDenied)
	require.Empty(t, f.listAll(f.session.ID, 50))
}

func TestRetry_DeniedTypeIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	c := f.propose("shell.run")
	_, err := f.queue.Decide(t.Context(), f.decision(c, false))
	require.NoError(t, err)
	strict := queue.New(queue.Config{Store: f.store, Policy: queue.Policy{{Pattern: "*", Mode: queue.Deny}}})
	_, err = strict.Retry(t.Context(), retryOf(c))
	requireRefusal(t, err, fieldgate.CodeCommandDenied)
}

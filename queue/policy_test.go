package queue_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
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
		policy := queue.DefaultPolicy
		if tt.policy != "" {
			var err error
			policy, err = queue.ParsePolicy(tt.policy)
			require.NoError(t, err)
		}
		require.Equal(t, tt.want, policy.Mode(tt.commandType), "the mode of %q by %q", tt.commandType, tt.policy)
	}
}

func TestParsePolicy_RefusesInvalidText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "diagnostic.*", "diagnostic.*=", "=auto", "a=maybe", "a=auto,", "*.dns=auto", "a*b=auto", "**=auto", "a=auto=deny", "a = auto",
	} {
		_, err := queue.ParsePolicy(text)
		require.Error(t, err, "%q", text)
	}
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

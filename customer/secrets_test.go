package customer_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// replacedSecret and oldestSecret are secrets that secret has replaced.
var (
	replacedSecret = bytes.Repeat([]byte("replaced"), 5)
	oldestSecret   = bytes.Repeat([]byte("oldest"), 6)
)

// rotate returns the configuration of an issuer whose secret was replaced twice.
func rotate(iss *customertest.Issuer) customer.Config {
	cfg := configFor(iss)
	cfg.HS256Secret, cfg.PreviousHS256Secrets = secret, [][]byte{replacedSecret, oldestSecret}
	return cfg
}

func TestSecrets_PreviousOnesAreAcceptedUntilRemoved(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	cfg, verified := rotate(iss), 0
	cfg.VerifiedByPrevious = func() { verified++ }
	v := newVerifier(t, cfg)
	requireAccepted(t, v, hs256(t, iss, secret))
	require.Zero(t, verified)
	requireAccepted(t, v, hs256(t, iss, replacedSecret))
	requireAccepted(t, v, hs256(t, iss, oldestSecret))
	require.Equal(t, 2, verified)
	requireRefused(t, v, hs256(t, iss, bytes.Repeat([]byte("stranger"), 4)))
	require.Zero(t, iss.Requests(), "an HS256 token must not cause a fetch of the keys")

	cfg.PreviousHS256Secrets = nil
	v = newVerifier(t, cfg)
	requireAccepted(t, v, hs256(t, iss, secret))
	refused := requireRefused(t, v, hs256(t, iss, replacedSecret))
	require.EqualValues(t, "bad_signature", refused.Reason)
}

// TestSecrets_PreviousOneIsNamedOnce requires one warning in ten minutes, and a warning of doctor.
func TestSecrets_PreviousOneIsNamedOnce(t *testing.T) {
	t.Parallel()
	iss, clk, log := customertest.NewIssuer(t), newClock(), new(storetest.Buffer)
	cfg := rotate(iss)
	cfg.CacheSize = -1 // each token is verified each time
	cfg.Now, cfg.Logger = clk.Now, slog.New(slog.NewJSONHandler(log, nil))
	v := newVerifier(t, cfg)
	token := hs256(t, iss, replacedSecret)
	warnings := func() int { return strings.Count(log.String(), `"setting":"FIELDGATE_JWT_SECRET_PREVIOUS"`) }
	for range 3 {
		requireAccepted(t, v, token)
		requireAccepted(t, v, hs256(t, iss, oldestSecret))
		requireAccepted(t, v, hs256(t, iss, secret))
	}
	require.Equal(t, 1, warnings(), log.String())
	clk.Advance(10 * time.Minute)
	requireAccepted(t, v, token)
	require.Equal(t, 2, warnings(), log.String())

	explained := strings.Join(problems(v.Explain(t.Context(), token, noCutOff)), "\n")
	require.Contains(t, explained, "warn token signature: the token is signed with HS256 and a secret in FIELDGATE_JWT_SECRET_PREVIOUS")
	current, err := json.Marshal(v.Explain(t.Context(), hs256(t, iss, secret), noCutOff))
	require.NoError(t, err)
	require.NotContains(t, string(current), "FIELDGATE_JWT_SECRET_PREVIOUS")
}

func TestSecrets_UnusableOnesAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*customer.Config)
		want   string
	}{
		"three previous ones": {func(cfg *customer.Config) {
			cfg.PreviousHS256Secrets = append(cfg.PreviousHS256Secrets, bytes.Repeat([]byte("first"), 8))
		}, "more than 2"},
		"a short one":    {func(cfg *customer.Config) { cfg.PreviousHS256Secrets[1] = []byte("short") }, "shorter than 32"},
		"an empty one":   {func(cfg *customer.Config) { cfg.PreviousHS256Secrets[0] = nil }, "shorter than 32"},
		"no current one": {func(cfg *customer.Config) { cfg.HS256Secret = nil }, "no current one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := rotate(customertest.NewIssuer(t))
			c.change(&cfg)
			_, err := customer.NewVerifier(cfg)
			require.ErrorContains(t, err, c.want)
		})
	}
}

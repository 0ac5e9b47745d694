package customer_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// mismatchLines returns the lines of a log about tokens that do not fit a setting.
func mismatchLines(t testing.TB, log *storetest.Buffer) (lines []map[string]any) {
	t.Helper()
	for text := range strings.Lines(log.String()) {
		var line map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &line))
		if line["msg"] == "refusing tokens that do not fit a setting" {
			require.Equal(t, "WARN", line["level"])
			lines = append(lines, line)
		}
	}
	return lines
}

// TestMismatch_WarningNamesSettingAndToken checks that the log says once which setting the
// tokens of an issuer do not fit, what they say, and what the setting wants.
func TestMismatch_WarningNamesSettingAndToken(t *testing.T) {
	t.Parallel()
	type row struct {
		change  func(*customer.Config)
		claims  func(payload map[string]any)
		token   func(t testing.TB, iss *customertest.Issuer) string // of the payload if nil
		setting string
		want    map[string]any
	}
	for name, c := range map[string]row{
		"another issuer": {
			change:  func(cfg *customer.Config) { cfg.Issuers = []string{"https://auth.example.com/auth/v1"} },
			setting: "FIELDGATE_JWT_ISSUER", want: map[string]any{"reason": "wrong_issuer", "wants": "https://auth.example.com/auth/v1"},
		},
		"no issuer": {
			claims:  func(payload map[string]any) { delete(payload, "iss") },
			setting: "FIELDGATE_JWT_ISSUER", want: map[string]any{"reason": "missing_claim", "iss": ""},
		},
		"another audience": {
			claims:  func(payload map[string]any) { payload["aud"] = []string{"web", "app"} },
			setting: "FIELDGATE_JWT_AUDIENCE", want: map[string]any{"reason": "wrong_audience", "aud": "[web app]", "wants": "authenticated"},
		},
		"a key of another project": {
			token: func(t testing.TB, iss *customertest.Issuer) string {
				header := iss.Header()
				header["kid"] = "another/key+id="
				payload := iss.Payload(issuer.Claims{})
				payload["iss"] = "https://another.example.com/auth/v1"
				return iss.Sign(header, payload)
			},
			setting: "FIELDGATE_JWKS_URL", want: map[string]any{"reason": "unknown_key", "alg": "ES256", "kid": "another/key+id="},
		},
		"HS256 without a secret": {
			token:   func(t testing.TB, iss *customertest.Issuer) string { return hs256(t, iss, secret) },
			setting: "FIELDGATE_JWT_SECRET", want: map[string]any{"reason": "algorithm", "alg": "HS256"},
		},
		"another secret": {
			change:  func(cfg *customer.Config) { cfg.HS256Secret = []byte(strings.Repeat("another", 8)) },
			token:   func(t testing.TB, iss *customertest.Issuer) string { return hs256(t, iss, secret) },
			setting: "FIELDGATE_JWT_SECRET", want: map[string]any{"reason": "bad_signature", "alg": "HS256"},
		},
		"a longer lifetime": {
			change:  func(cfg *customer.Config) { cfg.MaxLifetime = time.Hour - time.Second },
			setting: "FIELDGATE_JWT_MAX_LIFETIME", want: map[string]any{"reason": "lifetime_too_long", "wants": "59m59s"},
		},
		"another claim of the tenant": {
			change: func(cfg *customer.Config) { cfg.PersonalTenants, cfg.TenantClaim = false, "app_metadata.customer" },
			claims: func(payload map[string]any) {
				payload["app_metadata"] = map[string]any{"customer_id": "acme", "role": "admin"}
			},
			setting: "FIELDGATE_TENANT_CLAIM",
			want:    map[string]any{"reason": "no_tenant", "wants": "app_metadata.customer", "claims": []any{"customer_id", "role"}},
		},
		"a tenant of another type": {
			claims:  func(payload map[string]any) { payload["app_metadata"] = map[string]any{"customer_id": 17} },
			setting: "FIELDGATE_TENANT_CLAIM", want: map[string]any{"reason": "invalid_tenant"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			iss, clk, log := customertest.NewIssuer(t), newClock(), new(storetest.Buffer)
			cfg := configFor(iss)
			cfg.Now, cfg.Logger = clk.Now, slog.New(slog.NewJSONHandler(log, nil))
			if c.change != nil {
				c.change(&cfg)
			}
			v := newVerifier(t, cfg)
			payload := iss.Payload(issuer.Claims{Subject: "alice", Email: "alice@example.com", IssuedAt: clk.Now()})
			if c.claims != nil {
				c.claims(payload)
			}
			token := iss.Sign(iss.Header(), payload)
			if c.token != nil {
				token = c.token(t, iss)
			}
			for range 3 {
				_, err := v.Verify(t.Context(), token)
				require.Error(t, err)
			}
			lines := mismatchLines(t, log)
			require.Len(t, lines, 1, "the warning is repeated")
			require.Equal(t, c.setting, lines[0]["setting"])
			for attr, want := range c.want {
				require.Equal(t, want, lines[0][attr], attr)
			}
			require.NotContains(t, log.String(), "alice")
			require.NotContains(t, log.String(), token[strings.LastIndex(token, "."):])

			clk.Advance(10 * time.Minute)
			_, err := v.Verify(t.Context(), token)
			require.Error(t, err)
			require.Len(t, mismatchLines(t, log), 2)
		})
	}
}

// TestMismatch_FaultOfOneTokenIsNoWarning checks that users with expired tokens and strangers
// with forged ones cause no warning about the settings.
func TestMismatch_FaultOfOneTokenIsNoWarning(t *testing.T) {
	t.Parallel()
	iss, log := customertest.NewIssuer(t), new(storetest.Buffer)
	cfg := configFor(iss)
	cfg.Logger = slog.New(slog.NewJSONHandler(log, nil))
	v := newVerifier(t, cfg)
	valid := iss.Token(issuer.Claims{})
	requireAccepted(t, v, valid)
	for _, token := range []string{
		"text", "a.b.c", strings.Repeat("a", 9000),
		iss.Token(issuer.Claims{IssuedAt: time.Now().Add(-2 * time.Hour)}),
		valid[:strings.LastIndex(valid, ".")+1] + strings.Repeat("A", 86),
	} {
		requireRefused(t, v, token)
	}
	require.Empty(t, mismatchLines(t, log))
}

// TestMismatch_EachRefusedTokenIsLoggedAtDebug checks that a line for one token exists while
// an operator searches a fault, and that its values from the token are bounded.
func TestMismatch_EachRefusedTokenIsLoggedAtDebug(t *testing.T) {
	t.Parallel()
	iss, log := customertest.NewIssuer(t), new(storetest.Buffer)
	cfg := configFor(iss)
	cfg.Logger = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	v := newVerifier(t, cfg)
	header := iss.Header()
	header["kid"] = strings.Repeat("k", 500)
	payload := iss.Payload(issuer.Claims{})
	payload["iss"] = "https://another.example.com/auth/v1"
	for range 3 {
		requireRefused(t, v, iss.Sign(header, payload))
	}
	require.Equal(t, 3, strings.Count(log.String(), `"msg":"refused a token"`))
	require.NotContains(t, log.String(), strings.Repeat("k", 257))
}

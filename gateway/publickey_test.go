package gateway_test

import (
	"encoding/base64"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// legacyKey returns a key in the form of the legacy API keys of Supabase. Its signature is
// invalid.
func legacyKey(payload string) string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + part([]byte(payload)) + "." + part([]byte("signature"))
}

// TestConfig_SecretKeyOfProjectIsRefused checks that the console never publishes a key that
// grants more than signing in.
func TestConfig_SecretKeyOfProjectIsRefused(t *testing.T) {
	t.Parallel()
	const secret = "the secret with which the issuer signs tokens"
	for name, c := range map[string]struct{ key, want string }{
		"a secret key":           {"sb_secret_hunter2", "is a secret key"},
		"a token of the account": {"sbp_hunter2", "is a secret key"},
		"the JWT secret":         {secret, "FIELDGATE_JWT_SECRET"},
		"the service_role key":   {legacyKey(`{"iss":"supabase","ref":"abc","role":"service_role","iat":1,"exp":2}`), "service_role"},
		"a token of a user":      {legacyKey(`{"sub":"alice","role":"authenticated"}`), "set the anon key"},
		"a token without a role": {legacyKey(`{}`), "set the anon key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := gateway.New(t.Context(), gateway.Config{
				Embedded: true, Addr: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler),
				SupabaseURL: "http://127.0.0.1:1", SupabaseAnonKey: c.key, JWTSecret: secret,
			})
			require.ErrorContains(t, err, "FIELDGATE_SUPABASE_ANON_KEY")
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "hunter2")
			require.NotContains(t, err.Error(), c.key)
		})
	}
}

func TestConfig_PublicKeyOfProjectIsPublished(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{
		"the anon key":              legacyKey(`{"iss":"supabase","ref":"abc","role":"anon","iat":1,"exp":2}`),
		"a publishable key":         "sb_publishable_abcdefghijklmnop",
		"a key of another platform": "key",
	} {
		g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.SupabaseAnonKey = key })
		response := g.Do(t, gatewaytest.Request{Method: http.MethodGet, Path: "/console/config.json"})
		require.Contains(t, response.Body, `"anonKey":"`+key+`"`, name)
	}
}

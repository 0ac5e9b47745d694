package supabase_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTokenFault_HasReasonOfItsOwn refuses a token that the project has issued for different reasons.
// Each has a line of its own in the log, with what the token says, and a counter of its own.
func TestTokenFault_HasReasonOfItsOwn(t *testing.T) {
	t.Parallel()
	p := startProject(t)
	token := p.member("alice@example.com", "acme", "viewer").AccessToken
	header, rest, _ := strings.Cut(token, ".")
	claims, signature, _ := strings.Cut(rest, ".")
	for reason, fault := range map[string]struct{ setting, token string }{
		"wrong_issuer":      {"FIELDGATE_JWT_ISSUER=https://other.example.com/auth/v1", token},
		"wrong_audience":    {"FIELDGATE_JWT_AUDIENCE=staff", token},
		"lifetime_too_long": {"FIELDGATE_JWT_MAX_LIFETIME=10m", token},
		"bad_signature":     {"", header + "." + withField(t, claims, "role", "service_role") + "." + signature},
		"algorithm":         {"", withField(t, header, "alg", "HS256") + "." + rest},
		"unknown_key":       {"", withField(t, header, "kid", "00000000-0000-0000-0000-000000000000") + "." + rest},
		"malformed":         {"", header + "." + claims},
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			g := p.serve(strings.Fields(fault.setting)...)
			_, err := g.user(fault.token).Me(t.Context())
			require.Error(t, err)
			g.requireLogged(`"reason":"` + reason + `"`)
			if reason != "malformed" { // such a token says nothing
				g.requireLogged(`"iss":"` + p.issuer() + `"`)
				g.requireLogged(`"kid":"`)
			}
			require.Contains(t, g.metrics(), `fieldgate_unauthenticated_total{reason="`+reason+`"} 1`+"\n")
		})
	}
}

// withField replaces a field of a part of a token.
func withField(t testing.TB, part, name string, value any) string {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(part)
	require.NoError(t, err)
	fields := map[string]any{}
	require.NoError(t, json.Unmarshal(text, &fields))
	fields[name] = value
	text, err = json.Marshal(fields)
	require.NoError(t, err)
	return base64.RawURLEncoding.EncodeToString(text)
}

// metrics returns the metrics of the gateway.
func (g *served) metrics() string {
	g.t.Helper()
	addr := g.log.Lines("serving", "")[0]["metrics"].(string)
	response, err := http.Get("http://" + addr + "/metrics")
	require.NoError(g.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(g.t, err)
	return string(text)
}

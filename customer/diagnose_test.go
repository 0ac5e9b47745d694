package customer_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/diagnosis"
)

// problems returns the findings that are not good, as lines of level, check and detail.
func problems(findings []diagnosis.Finding) (lines []string) {
	for _, f := range findings {
		if f.Level != diagnosis.OK {
			lines = append(lines, string(f.Level)+" "+f.Check+": "+f.Detail)
		}
	}
	return lines
}

// noCutOff finds no cut-off.
func noCutOff(context.Context, customer.Principal) (customer.CutOff, bool, error) {
	return customer.CutOff{}, false, nil
}

func TestDiagnose_Issuer(t *testing.T) {
	t.Parallel()
	late := time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat)
	for name, c := range map[string]struct {
		response http.HandlerFunc
		problem  string // "" for none
	}{
		"healthy": {nil, ""},
		"down":    {respondWith(http.StatusBadGateway, ""), "fail issuer keys: fetching the keys: the issuer responded with status 502"},
		"no keys": {publish(t), "fail issuer keys: the issuer's response contains no usable key"},
		"no JSON": {respondWith(http.StatusOK, "<html>"), "fail issuer keys: reading the key set"},
		"late": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", late)
			_, _ = w.Write([]byte(`{"keys":[]}`))
		}, "fail issuer clock: the clock differs"},
		"odd keys": {publish(t, map[string]any{"kid": "k1", "kty": "oct", "k": "c2VjcmV0"}), `warn issuer keys: the key "k1" is not used`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			iss := customertest.NewIssuer(t)
			if c.response != nil {
				iss.Respond(c.response)
			}
			found := strings.Join(problems(newVerifier(t, configFor(iss)).Diagnose(t.Context())), "\n")
			if c.problem == "" {
				require.Empty(t, found)
			}
			require.Contains(t, found, c.problem)
		})
	}
}

// TestExplain_NamesEachBrokenRule requires that the verdict is that of Verify, and that a finding
// names what does not fit.
func TestExplain_NamesEachBrokenRule(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	stranger := customertest.NewIssuer(t)
	for name, c := range map[string]struct {
		token  string
		change func(*customer.Config)
		want   []string
	}{
		"accepted": {token: iss.Token(issuer.Claims{Email: "a@example.com", Role: "admin", TenantID: "acme"})},
		"no role":  {token: iss.Token(issuer.Claims{Email: "a@example.com", TenantID: "acme"}), want: []string{"warn token role: the claim app_metadata.role is absent, so that the user has the role viewer"}},
		"expired": {
			token: iss.Token(issuer.Claims{Email: "a@example.com", Role: "admin", TenantID: "acme", IssuedAt: time.Now().Add(-2 * time.Hour), Lifetime: time.Hour}),
			want:  []string{"fail token: the gateway refuses it with unauthorized, reason expired", "fail token expiry: the claim exp is "},
		},
		"audience and issuer": {
			token:  iss.Token(issuer.Claims{Email: "a@example.com", Role: "admin", TenantID: "acme"}),
			change: func(cfg *customer.Config) { cfg.Audience, cfg.Issuers = "other", []string{"https://other.example"} },
			want: []string{
				"fail token: the gateway refuses it with unauthorized, reason wrong_",
				`fail token audience: the claim aud is ["authenticated"], and FIELDGATE_JWT_AUDIENCE is "other"`,
				`FIELDGATE_JWT_ISSUER is "https://other.example"`,
			},
		},
		"no tenant": {
			token:  iss.Token(issuer.Claims{Email: "a@example.com", Role: "admin"}),
			change: func(cfg *customer.Config) { cfg.PersonalTenants = false },
			want:   []string{"fail token: the gateway refuses it with no_tenant", "fail token tenant: the claim app_metadata.customer_id is absent"},
		},
		"other issuer": {
			token: stranger.Token(issuer.Claims{Email: "a@example.com", Role: "admin", TenantID: "acme"}),
			want:  []string{"reason unknown_key", "fail token signature: the token is signed with ES256 and the key", "fail token issuer: "},
		},
		"no token": {token: "hunter2", want: []string{"fail token: the gateway refuses it with unauthorized, reason malformed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := configFor(iss)
			if c.change != nil {
				c.change(&cfg)
			}
			findings := newVerifier(t, cfg).Explain(t.Context(), c.token, noCutOff)
			found := strings.Join(problems(findings), "\n")
			for _, want := range c.want {
				require.Contains(t, found, want)
			}
			require.Equal(t, len(c.want) == 0, found == "", found)
			require.NotContains(t, found, c.token[strings.LastIndex(c.token, ".")+1:], "the signature is printed")
		})
	}
}

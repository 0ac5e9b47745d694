package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestDoctor_HealthyInstallation(t *testing.T) {
	t.Parallel()
	iss, addr := customertest.NewIssuer(t), storetest.FreeAddr(t)
	settings := []string{
		"FIELDGATE_REDIS_URL=" + storetest.Start(t, "--maxmemory", "1gb").URL(), "FIELDGATE_SUPABASE_URL=" + iss.URL(),
		"FIELDGATE_ADDR=" + addr, "FIELDGATE_METRICS_ADDR=off",
	}
	stdout, stderr, code := once(t, settings, "doctor")
	require.Zero(t, code, stdout+stderr)
	require.NotContains(t, stdout, "fail  ")
	for _, check := range []string{"settings", "redis connection", "redis data", "redis rights", "issuer keys", "issuer health", "open files", "port"} {
		require.Contains(t, stdout, "ok    "+check)
	}
}

func TestDoctor_FailsForBrokenInstallation(t *testing.T) {
	t.Parallel()
	settings := []string{
		"FIELDGATE_REDIS_URL=redis://:hunter2@" + storetest.FreeAddr(t), "FIELDGATE_SUPABASE_URL=http://" + storetest.FreeAddr(t),
		"FIELDGATE_IDLE_TIMEOUT=10s", "FIELDGATE_METRICS_ADDR=off", "FIELDGATE_ADDR=127.0.0.1:0",
	}
	stdout, stderr, code := once(t, settings, "doctor", "--json")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "checks failed")
	require.NotContains(t, stdout+stderr, "hunter2")
	var report struct {
		OK       bool
		Findings []struct{ Check, Level, Detail string }
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &report), stdout)
	require.False(t, report.OK)
	failed := map[string]string{}
	for _, f := range report.Findings {
		if f.Level == "fail" {
			failed[f.Check] = f.Detail
		}
	}
	require.Contains(t, failed["settings"], "FIELDGATE_IDLE_TIMEOUT")
	require.Contains(t, failed["redis connection"], "start Redis")
	require.Contains(t, failed["issuer keys"], "connection refused")
}

// TestDoctor_ExplainsToken needs no Redis. Without it, a cut-off is not known.
func TestDoctor_ExplainsToken(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	settings := []string{"FIELDGATE_REDIS_URL=redis://127.0.0.1:1", "FIELDGATE_SUPABASE_URL=" + iss.URL(), "FIELDGATE_JWT_AUDIENCE=other"}
	file := filepath.Join(t.TempDir(), "token")
	token := iss.Token(issuer.Claims{TenantID: "acme", Role: "admin"})
	require.NoError(t, os.WriteFile(file, []byte("Bearer "+token+"\n"), 0o600))
	stdout, _, code := once(t, settings, "doctor", "--token", file)
	require.Equal(t, 1, code)
	require.Contains(t, stdout, "refuses it with unauthorized, reason wrong_audience")
	require.Contains(t, stdout, `FIELDGATE_JWT_AUDIENCE is "other"`)
	require.NotContains(t, stdout, token[strings.LastIndex(token, "."):])

	stdout, _, code = once(t, settings[:2], "doctor", "--token", file)
	require.Zero(t, code, stdout)
	require.Contains(t, stdout, `tenant "c.acme" with the role admin`)
	require.Contains(t, stdout, "warn  token cut-off             whether the user is cut off is not known: connecting to FIELDGATE_REDIS_URL")
}

// TestDoctor_NamesCutOff cuts the user and another user's session off, and explains tokens that were issued
// before, and one of a user who is not cut off.
func TestDoctor_NamesCutOff(t *testing.T) {
	t.Parallel()
	iss, server := customertest.NewIssuer(t), storetest.Start(t)
	storetest.Connect(t, store.Config{URL: server.URL()})
	settings := []string{"FIELDGATE_REDIS_URL=" + server.URL(), "FIELDGATE_SUPABASE_URL=" + iss.URL()}
	session := "0b5a3a5c-2f0e-4c39-9c9b-5c1c2b8a4d1e"
	for _, subject := range [][]string{{"--user=alice"}, {"--user=bob", "--session=" + session}} {
		args := append([]string{"admin", "users", "cut-off", "--tenant=c.acme", "--reason=laptop lost", "--by=oncall"}, subject...)
		_, stderr, code := once(t, settings[:1], args...)
		require.Zero(t, code, stderr)
	}
	explain := func(claims issuer.Claims, sessionID string) (findings string, code int) {
		claims.TenantID, claims.Role, claims.Email = "acme", "admin", claims.Subject+"@example.com"
		payload := iss.Payload(claims)
		payload["session_id"] = sessionID
		file := filepath.Join(t.TempDir(), "token")
		require.NoError(t, os.WriteFile(file, []byte(iss.Sign(iss.Header(), payload)), 0o600))
		findings, _, code = once(t, settings, "doctor", "--token", file)
		return findings, code
	}
	for _, c := range []struct{ user, session, want string }{
		{"alice", "another", `the user "alice" was cut off at `},
		{"bob", session, `the session "` + session + `" of the user "bob" was cut off at `},
	} {
		findings, code := explain(issuer.Claims{Subject: c.user}, c.session)
		require.Equal(t, 1, code, findings)
		require.Contains(t, findings, "refuses it with user_cut_off, reason cut_off")
		require.Contains(t, findings, c.want)
		require.Contains(t, findings, `(reason: "laptop lost")`)
	}
	findings, code := explain(issuer.Claims{Subject: "bob"}, "another")
	require.Zero(t, code, findings)
	require.Contains(t, findings, `neither the user "bob" nor the session "another" is cut off`)
}

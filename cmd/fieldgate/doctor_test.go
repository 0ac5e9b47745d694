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

// TestDoctor_ExplainsToken needs no Redis.
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
}

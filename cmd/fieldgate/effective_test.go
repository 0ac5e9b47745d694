package main

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"
)

// logged returns the line of the log with the settings of a command line.
func logged(t *testing.T, args ...string) string {
	t.Helper()
	parsed, err := kong.Must(new(commands), options()...).Parse(args)
	require.NoError(t, err)
	var out strings.Builder
	logSettings(slog.New(slog.NewJSONHandler(&out, nil)), slog.LevelInfo, parsed)
	return out.String()
}

func TestLogSettings_MasksSecrets(t *testing.T) {
	t.Parallel()
	line := logged(t, "serve", "--jwt-secret=canary-1-canary-canary-canary-canary", "--jwt-secret-previous=canary-2", "--code-key=canary-3", "--record-key=canary-4",
		"--redis-url=rediss://user:canary-5@redis.example.com:6380/0?password=canary-6", "--supabase-url=https://canary-7@auth.example.com/",
		"--supabase-anon-key=canary-8", "--auth-health-url=https://auth.example.com/health?key=canary-9")
	require.NotContains(t, line, "canary")
	for _, part := range []string{
		`"msg":"starting"`, `"FIELDGATE_REDIS_URL":"rediss://redis.example.com:6380/0"`, `"FIELDGATE_JWT_SECRET":"***"`, `"FIELDGATE_ADDR":":8080"`,
		`"FIELDGATE_DRAIN_WINDOW":"20s"`, `"FIELDGATE_SUPABASE_URL":"https://auth.example.com/"`,
	} {
		require.Contains(t, line, part)
	}
}

// TestLogSettings_MasksEachSecretSetting gives each setting that can be read from a file a value that
// is no URL.
func TestLogSettings_MasksEachSecretSetting(t *testing.T) {
	t.Parallel()
	for _, name := range secretSettings {
		require.Equal(t, masked, maskSetting(name, "canary"), name)
		require.NotContains(t, maskSetting(name, "redis+cluster://:canary@a:1,b:2/0"), "canary", name)
		require.NotContains(t, maskSetting(name, "redis://a:1/0?sentinelPassword=canary#canary"), "canary", name)
	}
}

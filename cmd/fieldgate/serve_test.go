package main_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// serve starts a gateway with `fieldgate serve` and returns its address.
func serve(t testing.TB, settings ...string) (p *process, url string) {
	t.Helper()
	p = start(t, append([]string{
		"FIELDGATE_REDIS_URL=" + storetest.Start(t).URL(),
		"FIELDGATE_SUPABASE_URL=" + customertest.NewIssuer(t).URL(),
		"FIELDGATE_ADDR=127.0.0.1:0", "FIELDGATE_METRICS_ADDR=off",
	}, settings...), "serve")
	eventually(t, func() bool {
		url = "http://" + p.logged("serving", "addr")
		return url != "http://"
	}, "serve does not serve")
	return p, url
}

// logged returns a field of the log line with the message, or "".
func (p *process) logged(message, field string) string {
	for text := range strings.Lines(p.log.String()) {
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) == nil && line["msg"] == message {
			value, _ := line[field].(string)
			return value
		}
	}
	return ""
}

func TestServe_DrainsAfterSIGTERM(t *testing.T) {
	t.Parallel()
	p, url := serve(t, "FIELDGATE_DRAIN_DELAY=1s")
	eventually(t, func() bool { return status(url+"/readyz") == http.StatusOK }, "serve is not ready")
	began := time.Now()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	eventually(t, func() bool { return status(url+"/readyz") == http.StatusServiceUnavailable }, "readiness does not report the drain")
	require.Equal(t, http.StatusOK, status(url+"/healthz"))
	require.Equal(t, 0, p.wait(t, 10*time.Second), p.log.String())
	require.GreaterOrEqual(t, time.Since(began), time.Second)
	require.Contains(t, p.log.String(), `"drained"`)
}

func TestServe_NotifiesServiceManager(t *testing.T) {
	t.Parallel()
	manager := gatewaytest.NewServiceManager(t)
	p, _ := serve(t, "NOTIFY_SOCKET="+manager.Socket)
	require.Equal(t, "READY=1", manager.Next(t))
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, "STOPPING=1", manager.Next(t))
}

func TestServe_SecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	p, _ := serve(t, "FIELDGATE_DRAIN_DELAY=1m")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	eventually(t, func() bool { return strings.Contains(p.log.String(), `"draining"`) }, "serve does not drain")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, -1, p.wait(t, 5*time.Second))
}

func TestServe_ErrorNamesSetting(t *testing.T) {
	t.Parallel()
	for setting, flag := range map[string]string{
		"FIELDGATE_REDIS_URL=":                             "",
		"FIELDGATE_REDIS_URL=http://127.0.0.1":             "",
		"FIELDGATE_REDIS_URL=redis://:hunter2@":            "",
		"FIELDGATE_REDIS_CA_FILE=/missing":                 "",
		"FIELDGATE_REDIS_CERT_FILE=/missing":               "",
		"FIELDGATE_REDIS_PASSWORD_FILE=/missing":           "",
		"FIELDGATE_REDIS_POOL_SIZE=-1":                     "",
		"FIELDGATE_ALLOWED_ORIGINS=https://a.example/page": "",
		"FIELDGATE_SUPABASE_URL=":                          "",
		"FIELDGATE_SUPABASE_URL=abc":                       "",
		"FIELDGATE_JWKS_URL=ftp://keys":                    "",
		"FIELDGATE_JWT_SECRET=hunter2":                     "",
		"FIELDGATE_JWT_SECRET= " + strings.Repeat("s", 40): "",
		`FIELDGATE_JWT_AUDIENCE="authenticated"`:           "",
		"FIELDGATE_JWT_ISSUER=https://abc.example \t":      "",
		"FIELDGATE_ROLE_CLAIM='role'":                      "",
		"FIELDGATE_ALLOWED_ORIGINS=https://a.example, ":    "",
		`FIELDGATE_POLICY="*=auto"`:                        "",
		`FIELDGATE_TRUSTED_PROXIES="10.0.0.0/8"`:           "",
		"FIELDGATE_TENANT_CLAIM=user_metadata.customer":    "",
		"FIELDGATE_ROLE_CLAIM=user_metadata.role":          "",
		"FIELDGATE_EMAIL_CLAIM=user_metadata.email":        "",
		"FIELDGATE_NAME_CLAIM=name, nickname":              "",
		"FIELDGATE_DRAIN_DELAY=soon":                       "",
		"FIELDGATE_DRAIN_DELAY=-1s":                        "",
		"FIELDGATE_IDLE_TIMEOUT=10s":                       "",
		"FIELDGATE_BALANCER_IDLE_TIMEOUT=10s":              "",
		"FIELDGATE_ISSUER_KEYS_MAX_AGE=1m":                 "",
		"FIELDGATE_RETENTION=1m":                           "",
		"FIELDGATE_ACTIVATION_LIFETIME=17521h":             "",
		"FIELDGATE_CODE_KEY=hunter2":                       "",
		"FIELDGATE_ADMIN_TOKEN=hunter2":                    "",
		"FIELDGATE_ADMIN_ADDR=:0":                          "",
		"FIELDGATE_ADMIN_ADDR=admin.example.com:9095":      "",
		"FIELDGATE_TLS_CERT_FILE=/missing":                 "",
		"FIELDGATE_UNIX_SOCKET_MODE=rw":                    "",
		"FIELDGATE_PROXY_PROTOCOL=on":                      "",
		"FIELDGATE_ADDR=unix:relative":                     "",
		"FIELDGATE_HSTS=maybe":                             "--hsts",
		"FIELDGATE_RECORD_KEY=hunter2":                     "",
		"FIELDGATE_POLICY=shell.*=maybe":                   "",
		"FIELDGATE_POLICY=shell.*=review(votes=2)":         "",
		"FIELDGATE_TRUSTED_PROXIES=everybody":              "",
		"FIELDGATE_RATE_DEVICE=fast":                       "",
		"FIELDGATE_RATE_CUSTOMER=0/0":                      "",
		"FIELDGATE_REDIS_AUTO_PIPELINE=perhaps":            "",
		"FIELDGATE_RATE_LIMITS=maybe":                      "--rate-limits",
		"FIELDGATE_LOG_LEVEL=loud":                         "--log-level",
		"FIELDGATE_LOG_FORMAT=xml":                         "--log-format",
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			name, _, _ := strings.Cut(setting, "=")
			if flag != "" {
				name = flag // if only listed values are valid, the error names the flag instead of the variable
			}
			stdout, stderr, code := once(t, []string{
				"FIELDGATE_REDIS_URL=redis://127.0.0.1:1", "FIELDGATE_SUPABASE_URL=http://127.0.0.1:1", setting,
			}, "serve")
			require.NotZero(t, code)
			require.Empty(t, stdout)
			require.Contains(t, stderr, name)
			require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
			require.NotContains(t, stderr, "hunter2")
		})
	}
}

// TestCommands_RefuseMisspeltSetting includes a command that lacks required settings.
func TestCommands_RefuseMisspeltSetting(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"serve"}, {"dev"}, {"demo"}, {"token"}, {"admin", "quota"}} {
		_, stderr, code := once(t, []string{"FIELDGATE_REDIS_ULR=redis://:hunter2@127.0.0.1:1"}, args...)
		require.Equal(t, 1, code, args)
		require.Equal(t, "fieldgate: FIELDGATE_REDIS_ULR is not a setting; did you mean FIELDGATE_REDIS_URL?\n", stderr)
	}
	stdout, _, code := once(t, []string{"FIELDGATE_REDIS_ULR=x"}, "serve", "--help")
	require.Zero(t, code)
	require.Contains(t, stdout, "FIELDGATE_REDIS_URL")
}

// TestServe_ReadsSecretsFromFiles serves with the URL of Redis in a file.
func TestServe_ReadsSecretsFromFiles(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "url")
	require.NoError(t, os.WriteFile(file, []byte(storetest.Start(t).URL()+"\n"), 0o600))
	p, _ := serve(t, "FIELDGATE_REDIS_URL=", "FIELDGATE_REDIS_URL_FILE="+file)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, p.wait(t, 30*time.Second), p.log.String())

	for _, settings := range [][]string{
		{"FIELDGATE_REDIS_URL_FILE=" + file + ".missing"},
		{"FIELDGATE_REDIS_URL_FILE=" + file, "FIELDGATE_REDIS_URL=redis://127.0.0.1:1"},
	} {
		_, stderr, code := once(t, settings, "serve")
		require.Equal(t, 1, code)
		require.Contains(t, stderr, "FIELDGATE_REDIS_URL_FILE")
	}
}

func TestServe_HasNoInsecureDefault(t *testing.T) {
	t.Parallel()
	_, stderr, code := once(t, nil, "serve")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "FIELDGATE_REDIS_URL")
	require.Contains(t, stderr, "FIELDGATE_SUPABASE_URL")
}

func TestVersion_IsPrinted(t *testing.T) {
	t.Parallel()
	stdout, _, code := once(t, nil, "--version")
	require.Zero(t, code)
	require.NotEmpty(t, strings.TrimSpace(stdout))
}

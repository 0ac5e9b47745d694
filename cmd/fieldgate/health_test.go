package main_test

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestHealth_FollowsTheGateway(t *testing.T) {
	t.Parallel()
	p, url := serve(t, "FIELDGATE_DRAIN_DELAY=1m")
	addr := strings.TrimPrefix(url, "http://")
	check := func(arguments ...string) int {
		_, _, code := once(t, []string{"FIELDGATE_ADDR=" + addr, "HTTP_PROXY=http://127.0.0.1:9"}, append([]string{"health"}, arguments...)...)
		return code
	}
	eventually(t, func() bool { return status(url+"/readyz") == http.StatusOK }, "serve is not ready")
	require.Zero(t, check())
	require.Zero(t, check("--ready"))
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	eventually(t, func() bool { return status(url+"/readyz") == http.StatusServiceUnavailable }, "serve does not drain")
	require.Zero(t, check(), "a gateway that drains is alive")
	require.Equal(t, 1, check("--ready"))
}

func TestHealth_FailsWithoutGateway(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{storetest.FreeAddr(t), "localhost"} {
		_, stderr, code := once(t, []string{"FIELDGATE_ADDR=" + addr}, "health")
		require.Equal(t, 1, code)
		require.NotEmpty(t, stderr)
	}
}

func TestHealth_ChecksLoopbackIfTheGatewayListensEverywhere(t *testing.T) {
	t.Parallel()
	_, url := serve(t, "FIELDGATE_ADDR=0.0.0.0:0")
	port := url[strings.LastIndexByte(url, ':'):]
	for _, addr := range []string{port, "0.0.0.0" + port, "[::]" + port} {
		_, stderr, code := once(t, []string{"FIELDGATE_ADDR=" + addr}, "health")
		require.Zero(t, code, stderr)
	}
}

// TestHealth_ReachesTheGatewayAsItListens checks gateways with TLS, at a Unix socket, and behind a
// proxy on this machine.
func TestHealth_ReachesTheGatewayAsItListens(t *testing.T) {
	t.Parallel()
	authority, err := storetest.NewAuthority()
	require.NoError(t, err)
	dir := t.TempDir()
	cert, key := authority.Issue(t)
	secure := []string{"FIELDGATE_TLS_CERT_FILE=" + storetest.WriteFile(t, dir, "cert.pem", cert), "FIELDGATE_TLS_KEY_FILE=" + storetest.WriteFile(t, dir, "key.pem", key)}
	unix := []string{"FIELDGATE_ADDR=unix:" + filepath.Join(dir, "api")}
	proxied := []string{"FIELDGATE_PROXY_PROTOCOL=on", "FIELDGATE_TRUSTED_PROXIES=127.0.0.0/8"}
	for name, settings := range map[string][]string{
		"TLS": secure, "a Unix socket": unix, "a proxy": proxied, "another proxy": {"FIELDGATE_PROXY_PROTOCOL=on", "FIELDGATE_TRUSTED_PROXIES=10.0.0.0/8"},
		"TLS and a proxy": slices.Concat(secure, proxied), "all": slices.Concat([]string{"FIELDGATE_ADDR=unix:" + filepath.Join(dir, "all")}, secure, proxied),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := serve(t, settings...)
			_, stderr, code := once(t, append(settings, "FIELDGATE_ADDR="+p.logged("serving", "addr")), "health")
			require.Zero(t, code, stderr)
		})
	}
}

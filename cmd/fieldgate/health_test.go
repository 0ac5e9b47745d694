package main_test

import (
	"net/http"
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

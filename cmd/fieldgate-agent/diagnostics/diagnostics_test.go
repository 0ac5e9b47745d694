package diagnostics

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// run runs a diagnostic and returns the output and the data of its result. It also returns the
// code of its failure, or "" if the diagnostic succeeded.
func run(t testing.TB, commandType, parameters string) (output string, data map[string]any, code string) {
	t.Helper()
	result, err := handlers[commandType].run(t.Context(), agent.Command{Parameters: json.RawMessage(parameters)})
	if failure, ok := errors.AsType[*agent.Failure](err); ok {
		code = failure.Code
	} else {
		require.NoError(t, err)
	}
	text, err := json.Marshal(result.Data)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &data))
	return result.Output, data, code
}

// failureReason runs a diagnostic that fails and returns the reason of the failure.
func failureReason(t testing.TB, commandType, parameters string) string {
	t.Helper()
	_, err := handlers[commandType].run(t.Context(), agent.Command{Parameters: json.RawMessage(parameters)})
	require.Error(t, err)
	return err.Error()
}

// endpointOf returns the parameters for connecting to the server at a URL.
func endpointOf(t testing.TB, serverURL string) string {
	t.Helper()
	u, err := url.Parse(serverURL)
	require.NoError(t, err)
	return `{"host":"` + u.Hostname() + `","port":` + u.Port() + `}`
}

// closedPort returns a URL with a port that no process listens on.
func closedPort(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return "http://" + listener.Addr().String()
}

func TestDNS(t *testing.T) {
	t.Parallel()
	output, data, code := run(t, "diagnostic.dns", `{"host":"localhost"}`)
	require.Empty(t, code)
	require.Contains(t, output, "localhost is ")
	require.NotEmpty(t, data["addresses"])
	_, _, code = run(t, "diagnostic.dns", `{"host":"no-such-host.invalid"}`)
	require.Contains(t, []string{"host_not_found", "dns_failed", "dns_timeout"}, code) // the code depends on the resolver of the machine
}

func TestConnect_SucceedsOrFailsWithCode(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	output, data, code := run(t, "diagnostic.tcp", endpointOf(t, server.URL))
	require.Empty(t, code)
	require.Contains(t, output, "connected to "+server.Listener.Addr().String())
	require.Equal(t, server.Listener.Addr().String(), data["remote"])
	for _, commandType := range []string{"diagnostic.tcp", "diagnostic.tls"} {
		_, _, code = run(t, commandType, endpointOf(t, closedPort(t)))
		require.Equal(t, "connection_refused", code, commandType)
	}
	_, _, code = run(t, "diagnostic.http", `{"url":"`+closedPort(t)+`"}`)
	require.Equal(t, "connection_refused", code)
	_, _, code = run(t, "diagnostic.tls", endpointOf(t, server.URL))
	require.Equal(t, "tls_failed", code, "a server without TLS")
}

func TestTLS_ReportsUntrustedChain(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	output, data, code := run(t, "diagnostic.tls", endpointOf(t, server.URL))
	require.Empty(t, code)
	require.Equal(t, "TLS 1.3", data["version"])
	require.Equal(t, []any{"TLS 1.2", "TLS 1.3"}, data["versions"])
	require.Equal(t, false, data["trusted"])
	require.Contains(t, data["problem"], "unknown authority")
	chain := data["chain"].([]any)[0].(map[string]any)
	expires, err := time.Parse(time.RFC3339, chain["notAfter"].(string))
	require.NoError(t, err)
	require.Equal(t, server.Certificate().NotAfter.UTC(), expires)
	require.Contains(t, output, "does not trust the chain")

	_, _, code = run(t, "diagnostic.http", `{"url":"`+server.URL+`"}`)
	require.Equal(t, "certificate_invalid", code)
}

func TestHTTP_FollowsNoRedirectAndReportsNoBody(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, http.MethodGet, r.Method)
		if r.URL.Path == "/endless" {
			_, _ = io.WriteString(w, strings.Repeat("secret", 1<<20))
			return
		}
		http.Redirect(w, r, "/endless", http.StatusFound)
	}))
	t.Cleanup(server.Close)
	output, data, code := run(t, "diagnostic.http", `{"url":"`+server.URL+`/a"}`)
	require.Empty(t, code)
	require.EqualValues(t, http.StatusFound, data["status"])
	require.Contains(t, output, "302 Found")
	require.Greater(t, data["totalMs"], 0.0)
	output, data, code = run(t, "diagnostic.http", `{"url":"`+server.URL+`/endless"}`)
	require.Empty(t, code)
	require.EqualValues(t, maxBody, data["bytes"])
	require.Equal(t, false, data["complete"])
	require.NotContains(t, output, "secret")
}

func TestHandlers_StopWhenCancelled(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	for commandType, parameters := range map[string]string{
		"diagnostic.http": `{"url":"http://` + silent.Addr().String() + `"}`,
		"diagnostic.tls":  endpointOf(t, "http://"+silent.Addr().String()),
	} {
		_, err := handlers[commandType].run(ctx, agent.Command{Parameters: json.RawMessage(parameters)})
		require.ErrorIs(t, err, context.Canceled, commandType)
	}
}

func TestSystem_DescribesMachine(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	require.NoError(t, err)
	_, data, code := run(t, "diagnostic.system", `{}`)
	require.Empty(t, code)
	require.Equal(t, host, data["hostname"])
	require.Greater(t, data["memoryTotalBytes"], data["memoryAvailableBytes"])
	output, _, code := run(t, "diagnostic.interfaces", `{}`)
	require.Empty(t, code)
	require.Contains(t, output, "127.0.0.1/8")
	_, data, code = run(t, "diagnostic.disk", `{}`)
	require.Empty(t, code)
	require.NotEmpty(t, data["fileSystems"])
}

func TestDisk_ListsLocalFileSystemsOnly(t *testing.T) {
	t.Parallel()
	list := `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:5 / /proc rw - proc proc rw
24 22 0:40 / /mnt/far rw - nfs4 server:/export rw
25 22 8:1 /var /also/var rw - ext4 /dev/sda1 rw
26 22 8:2 / /mnt/with\040space ro - vfat /dev/sda2 rw,errors=remount-ro
27 22 8:3 / /mnt/broken rw - ext4 /dev/sda3 ro,emergency_ro
nonsense
28 22 8:4 / /mnt/short rw - ext4
`
	require.Equal(t, []mount{{"/", "ext4", false}, {"/mnt/with space", "vfat", false}, {"/mnt/broken", "ext4", true}}, mountPoints(list))
}

// TestHandlers_MissingProgramsAndRights runs the diagnostics that depend on programs and rights
// of the machine. Each diagnostic must either succeed, or fail with a code that names the
// missing program or right.
func TestHandlers_MissingProgramsAndRights(t *testing.T) {
	t.Parallel()
	output, data, code := run(t, "diagnostic.ping", `{"host":"127.0.0.1"}`)
	if code == "" {
		require.NotEmpty(t, output)
		if data != nil {
			require.EqualValues(t, pings, data["received"])
		}
	} else {
		require.Equal(t, "not_permitted", code, output)
	}
	for commandType, c := range map[string]struct{ parameters, program, code string }{
		"diagnostic.traceroute": {`{"host":"127.0.0.1"}`, "traceroute tracepath", "not_permitted"},
		"diagnostic.log":        {`{"unit":"no-such-unit","lines":5}`, "journalctl", "not_available"},
	} {
		_, _, code := run(t, commandType, c.parameters)
		if installed(c.program) {
			require.NotEqual(t, "not_available", code, commandType)
			continue
		}
		require.Equal(t, c.code, code, commandType)
	}
}

// installed reports whether at least one of the programs is installed. Their names are
// separated by spaces.
func installed(programs string) bool {
	for _, program := range strings.Fields(programs) {
		if _, err := exec.LookPath(program); err == nil {
			return true
		}
	}
	return false
}

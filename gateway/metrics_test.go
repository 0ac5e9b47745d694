package gateway_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestMetrics_CountRequestsAndTransitions(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	f.propose(t, auto)
	claimed := f.claim(t)
	_, err := f.device.SubmitResult(t.Context(), claimed.ID, succeeded(claimed))
	require.NoError(t, err)
	f.decide(t, f.propose(t, review), false)
	_, err = f.alice.Command(t.Context(), f.session, "nothing")
	requireCode(t, client.CodeCommandNotFound, err)

	metrics := g.Metrics(t)
	for series, want := range map[string]float64{
		`fieldgate_http_requests_total{operation="proposeCommand",status="201"}`:  2,
		`fieldgate_http_requests_total{operation="getCommand",status="404"}`:      1,
		`fieldgate_http_requests_total{operation="claimCommands",status="200"}`:   1,
		`fieldgate_http_request_duration_seconds_count{operation="submitResult"}`: 1,
		`fieldgate_command_transitions_total{transition="proposed"}`:              2,
		`fieldgate_command_transitions_total{transition="claimed"}`:               1,
		`fieldgate_command_transitions_total{transition="succeeded"}`:             1,
		`fieldgate_command_transitions_total{transition="rejected"}`:              1,
		`fieldgate_queue_age_seconds_count`:                                       1,
		`fieldgate_claims_waiting`:                                                0,
		`fieldgate_quarantined_records_total`:                                     0,
		`fieldgate_redis_duration_seconds_count{name="propose"}`:                  2,
		`fieldgate_redis_duration_seconds_count{name="decide"}`:                   1,
	} {
		require.Contains(t, metrics, series)
		require.InDelta(t, want, metrics[series], 0, series)
	}
	require.Contains(t, metrics, "go_goroutines")
	require.Contains(t, metrics, "process_resident_memory_bytes")
}

func TestMetrics_DescribeInstance(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(server.URL()), func(cfg *gateway.Config) { cfg.Version = "1.2.3" })
	built := regexp.MustCompile(`^fieldgate_build_info\{commit=".+",goversion="go.+",version="1\.2\.3"\}$`)
	isBuild := func(series string) bool { return built.MatchString(series) }
	require.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(g.Metrics(t))), isBuild))
	eventually(t, func() bool { return g.Metrics(t)["fieldgate_ready"] == 1 }, "the instance is not ready")
	require.Less(t, g.Metrics(t)["fieldgate_sweep_lag_seconds"], 30.0)
	require.Contains(t, g.Metrics(t), `fieldgate_redis_connections{pool="scripts",state="idle"}`)
	require.Zero(t, g.Metrics(t)[`fieldgate_redis_pool_timeouts_total{pool="reads"}`])
	server.Signal(t, syscall.SIGSTOP)
	eventually(t, func() bool { return g.Metrics(t)["fieldgate_ready"] == 0 }, "the instance is ready without Redis")
	eventually(t, func() bool { return g.Metrics(t)["fieldgate_sweep_lag_seconds"] > 4 }, "nobody sees that nothing is swept")
}

// TestMetrics_CountFrames sends frames of known and unknown types, which a client chooses freely.
func TestMetrics_CountFrames(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	socket := f.deviceSocket(t, g)
	for _, kind := range []string{"ping", "extend", "a-type-of-my-own", "another-one"} {
		socket.Send(kind, map[string]any{})
	}
	want := map[string]float64{
		`fieldgate_frames_total{code="ok",type="ping"}`:                  1,
		`fieldgate_frames_total{code="validation_failed",type="extend"}`: 1,
		`fieldgate_frames_total{code="validation_failed",type="other"}`:  2,
		`fieldgate_frames_total{code="ok",type="claim"}`:                 0,
		`fieldgate_frame_duration_seconds_count{type="other"}`:           2,
	}
	eventually(t, func() bool {
		metrics := g.Metrics(t)
		for series, n := range want {
			if metrics[series] != n {
				return false
			}
		}
		return true
	}, "the frames are not counted")
}

// TestMetrics_CountersAreZeroFromStart reads the counters before anything was counted. The
// function increase of Prometheus does not see the first value of a series, so an alert on a
// series that begins with 1 would miss the first violation.
func TestMetrics_CountersAreZeroFromStart(t *testing.T) {
	t.Parallel()
	labels := map[string][]string{
		"fieldgate_handshakes_refused_total{reason=":      {"sockets", "tenant_sockets", "rate"},
		"fieldgate_redis_errors_total{name=":              {"canary", "read_due"},
		"fieldgate_invariant_violations_total{invariant=": {"oneSession"},
		"fieldgate_command_transitions_total{transition=": submatches(regexp.MustCompile("`command\\.([a-z_]+)`"), string(fieldgate.Spec)),
		"fieldgate_store_problem{problem=":                {"eviction", "persistence", "replica", "loss", "schema"},
	}
	for _, invariant := range queue.Invariants() {
		const series = "fieldgate_invariant_violations_total{invariant="
		labels[series] = append(labels[series], string(invariant))
	}
	recorded := labels["fieldgate_command_transitions_total{transition="]
	labels["fieldgate_command_transitions_total{transition="] = slices.DeleteFunc(recorded, func(name string) bool { return name == "progress" }) // only sockets receive it
	g := gatewaytest.Start(t)
	eventually(t, func() bool {
		return len(g.Metrics(t)) > 0 && g.Metrics(t)[`fieldgate_redis_duration_seconds_count{name="read_due"}`] > 0
	}, "nothing is swept")
	metrics := g.Metrics(t)
	for series, values := range labels {
		require.NotEmpty(t, values, series)
		for _, value := range values {
			require.Contains(t, metrics, fmt.Sprintf("%s%q}", series, value))
			require.Zero(t, metrics[fmt.Sprintf("%s%q}", series, value)], value)
		}
	}
}

func TestMetrics_CountCommandsEndedBySessionOrDevice(t *testing.T) {
	t.Parallel()
	const expired, cancelled = `fieldgate_command_transitions_total{transition="expired"}`, `fieldgate_command_transitions_total{transition="cancelled"}`
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		f.propose(t, auto)
		f.propose(t, review)
		_, err := f.alice.CloseSession(t.Context(), f.session, "done")
		require.NoError(t, err)
		require.InDelta(t, 2, g.Metrics(t)[expired], 0)

		f.session = f.openSession(t, f.device.ID)
		f.propose(t, auto)
		require.NoError(t, f.alice.Decommission(t.Context(), f.device.ID))
		require.InDelta(t, 1, g.Metrics(t)[cancelled], 0)
	})
}

func TestMetrics_LabelsAreBounded(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.ReconcileInterval = 0 }) // no reconciler, because it could add series during the test
	f := newFleet(t, g)
	token := g.Token(f.tenantID, "alice", "admin")
	callAll := func(i int) {
		for _, path := range []string{"/nowhere-%d", "/api/v1/customer/devices/id-%d", "/api/v1/customer/devices?q=%d", "/docs/%d"} {
			for _, method := range []string{http.MethodGet, http.MethodPut, "PROPFIND", fmt.Sprintf("METHOD%d", i)} {
				g.Do(t, gatewaytest.Request{
					Method: method, Path: fmt.Sprintf(path, i), Token: token,
					Header: http.Header{"User-Agent": {fmt.Sprint(i)}, "X-Request-Id": {fmt.Sprint(i)}},
				})
			}
		}
	}
	callAll(0)
	background := func(name string, _ float64) bool { return strings.Contains(name, `{name="read_due"`) }
	series := func() map[string]float64 {
		metrics := g.Metrics(t)
		maps.DeleteFunc(metrics, background)
		return metrics
	}
	before := len(series())
	for i := range 20 {
		callAll(i + 1)
	}
	require.Equal(t, before, len(series()))
	require.Positive(t, g.Metrics(t)[`fieldgate_http_requests_total{operation="none",status="404"}`])
}

// TestMetrics_CountUnknownKeysApart sends a token whose key the issuer may have published since the
// last fetch. The alert on the share of errors leaves such requests out, because a stranger can send
// them.
func TestMetrics_CountUnknownKeysApart(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	g := gatewaytest.StartWithIssuer(t, iss)
	const refused = "fieldgate_http_unknown_keys_total"
	require.Contains(t, g.Metrics(t), refused, "the counter is not 0 from the start")
	header, _, _ := strings.Cut(customertest.NewIssuer(t).Token(issuer.Claims{}), ".")
	_, rest, _ := strings.Cut(iss.Token(issuer.Claims{}), ".")
	forged := header + "." + rest
	for token, status := range map[string]int{forged: http.StatusServiceUnavailable, "text": http.StatusUnauthorized} {
		reply := g.Do(t, gatewaytest.Request{Method: http.MethodGet, Path: "/api/v1/customer/devices", Token: token})
		require.Equal(t, status, reply.Status)
	}
	require.InDelta(t, 1, g.Metrics(t)[refused], 0)
	require.InDelta(t, 1, g.Metrics(t)[`fieldgate_http_requests_total{operation="listDevices",status="503"}`], 0)
}

func TestMetrics_CountRedisFailuresButNotCancelledCalls(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(server.URL()))
	f := newFleet(t, g)
	const failures = `fieldgate_redis_errors_total{name="read_device"}`
	server.Signal(t, syscall.SIGSTOP)
	impatient, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := f.alice.Device(impatient, f.device.ID)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	eventually(t, func() bool {
		return g.Metrics(t)[`fieldgate_http_requests_total{operation="getDevice",status="499"}`] == 1
	}, "the cancelled call is not counted")
	require.Zero(t, g.Metrics(t)[failures], "a cancelled call counts as a failure")

	_, err = f.alice.Device(t.Context(), f.device.ID)
	requireCode(t, client.CodeStoreUnavailable, err)
	require.InDelta(t, 1, g.Metrics(t)[failures], 0)
}

// TestMetricsListener_ServesHealthChecks reads the checks where no tenant connects.
func TestMetricsListener_ServesHealthChecks(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	for path, status := range map[string]int{"/healthz": http.StatusOK, "/readyz": http.StatusOK, "/version": http.StatusNotFound} {
		eventually(t, func() bool {
			response, err := http.Get(g.MetricsURL + path)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			return response.StatusCode == status
		}, path+" has another status")
	}
}

func TestMetrics_HaveTheirOwnPort(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	require.Equal(t, http.StatusNotFound, g.Do(t, gatewaytest.Request{Method: http.MethodGet, Path: "/metrics"}).Status)
	response, err := http.Get(g.MetricsURL + "/version")
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusNotFound, response.StatusCode)

	without := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.MetricsAddr = "" })
	require.Equal(t, "http://", without.MetricsURL)
}

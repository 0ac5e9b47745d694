package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/ratelimit"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// requireMetrics waits until series have values.
func requireMetrics(t testing.TB, g *gatewaytest.Gateway, want map[string]float64) {
	t.Helper()
	missing := map[string]float64{}
	defer func() { require.Empty(t, missing) }()
	require.Eventually(t, func() bool {
		metrics := g.Metrics(t)
		clear(missing)
		for series, value := range want {
			if got, found := metrics[series]; !found || got != value {
				missing[series] = got
			}
		}
		return len(missing) == 0
	}, 30*time.Second, 20*time.Millisecond, "a metric has another value")
}

// TestSurvey_EveryInstanceExportsBacklog has two instances with one store. One of them surveys, and
// both export what waits.
func TestSurvey_EveryInstanceExportsBacklog(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	quotas := func(cfg *gateway.Config) { cfg.Quotas = quota.Defaults() }
	a := gatewaytest.Start(t, gatewaytest.WithRedis(server.URL()), quotas)
	b := gatewaytest.StartWithIssuer(t, a.Issuer, gatewaytest.WithRedis(server.URL()), quotas)
	f, other := newFleet(t, a), newFleet(t, a)
	for range 3 {
		f.propose(t, auto)
	}
	f.propose(t, review)
	other.propose(t, auto)
	for _, g := range []*gatewaytest.Gateway{a, b} {
		requireMetrics(t, g, map[string]float64{
			`fieldgate_backlog_commands{status="queued"}`:           4,
			`fieldgate_backlog_commands{status="pending_approval"}`: 1,
			`fieldgate_tenants`: 2,
			fmt.Sprintf(`fieldgate_tenant_quota_used{quota="readyCommands",tenant=%q}`, gatewaytest.TenantOf(f.tenantID)):  3,
			fmt.Sprintf(`fieldgate_tenant_quota_limit{quota="readyCommands",tenant=%q}`, gatewaytest.TenantOf(f.tenantID)): float64(quota.Defaults().ReadyCommands),
		})
		metrics := g.Metrics(t)
		require.Positive(t, metrics[`fieldgate_backlog_oldest_age_seconds{status="queued"}`])
		require.Positive(t, metrics[`fieldgate_backlog_oldest_age_seconds{status="pending_approval"}`])
		require.Positive(t, metrics[`fieldgate_survey_timestamp_seconds`])
	}
	f.claim(t)
	requireMetrics(t, b, map[string]float64{`fieldgate_backlog_commands{status="queued"}`: 3})
}

// TestSurvey_NeedsReconciler requires that no survey is taken, and none is shown, if the operator has
// turned the reconciler off.
func TestSurvey_NeedsReconciler(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.ReconcileInterval = 0 })
	newFleet(t, g)
	metrics := g.Metrics(t)
	for _, name := range []string{`fieldgate_tenants`, `fieldgate_reconcile_batches_total{result="ok"}`} {
		require.NotContains(t, metrics, name)
	}
}

func TestMetrics_DescribeRounds(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	eventually(t, func() bool {
		metrics := g.Metrics(t)
		return metrics[`fieldgate_reconcile_batches_total{result="ok"}`] > 0 && metrics[`fieldgate_reconcile_round_timestamp_seconds`] > 0
	}, "no round of the reconciler is exported")
	require.Zero(t, g.Metrics(t)[`fieldgate_reconcile_batches_total{result="failed"}`])
	require.Contains(t, g.Metrics(t), `fieldgate_reconcile_round_duration_seconds`)
}

// TestMetrics_CountCallsOfTenants sends requests and a frame, within the limit of the tenant and
// beyond it.
func TestMetrics_CountCallsOfTenants(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.Limits.PerTenant = ratelimit.Limit{PerMinute: 1, Burst: 30} })
	f := newFleet(t, g)
	calls := func(outcome string) string {
		return fmt.Sprintf(`fieldgate_tenant_calls_total{outcome=%q,tenant=%q}`, outcome, gatewaytest.TenantOf(f.tenantID))
	}
	before := g.Metrics(t)[calls("served")]
	require.Positive(t, before)
	f.deviceSocket(t, g).Send("ping", map[string]any{})
	eventually(t, func() bool { return g.Metrics(t)[calls("served")] >= before+2 }, "the handshake or the frame is not counted")
	require.Zero(t, g.Metrics(t)[calls("limited")])

	var err error
	for err == nil {
		_, err = f.alice.Device(t.Context(), f.device.ID)
	}
	requireCode(t, client.CodeRateLimited, err)
	require.Positive(t, g.Metrics(t)[calls("limited")])
}

// TestMetrics_ExemplarsNameTrace requires that a scraper learns the trace of a slow request, and that
// a trace that is not recorded is not named.
func TestMetrics_ExemplarsNameTrace(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	recorded, dropped := strings.Repeat("a", 32), strings.Repeat("b", 32)
	for traceparent, operation := range map[string]string{
		"00-" + recorded + "-00f067aa0ba902b7-01": "/api/v1/customer/devices/" + f.device.ID,
		"00-" + dropped + "-00f067aa0ba902b7-00":  "/api/v1/customer/usage",
	} {
		reply := g.Do(t, gatewaytest.Request{
			Method: http.MethodGet, Path: operation, Token: g.Token(f.tenantID, "alice", "admin"),
			Header: http.Header{"Traceparent": {traceparent}},
		})
		require.Equal(t, http.StatusOK, reply.Status)
	}
	text := scrape(t, g, "application/openmetrics-text; version=1.0.0")
	histogram := regexp.QuoteMeta(`fieldgate_http_request_duration_seconds_bucket{operation="getDevice",`)
	require.Regexp(t, `(?m)^`+histogram+`le="[^"]+"} \d+ # {trace_id="`+recorded+`"} `, text)
	require.NotContains(t, text, dropped)

	framed := strings.Repeat("c", 32)
	f.deviceSocket(t, g).SendRaw(`{"type":"heartbeat","traceparent":"00-` + framed + `-00f067aa0ba902b7-01","data":{"status":"ok"}}`)
	exemplar := regexp.MustCompile(`(?m)^fieldgate_frame_duration_seconds_bucket{type="heartbeat",le="[^"]+"} \d+ # {trace_id="` + framed + `"} `)
	eventually(t, func() bool {
		return exemplar.MatchString(scrape(t, g, "application/openmetrics-text; version=1.0.0"))
	}, "the histogram of frames names no trace")
	require.NotContains(t, scrape(t, g, "text/plain"), recorded, "the format of this scraper has no exemplars")
}

// scrape returns the metrics in a format.
func scrape(t testing.TB, g *gatewaytest.Gateway, accept string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.MetricsURL+"/metrics", http.NoBody)
	require.NoError(t, err)
	request.Header.Set("Accept", accept)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(text)
}

package monitoring_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// site is an installation under a small load, and the Prometheus of its operator.
type site struct {
	*fleet
	prometheus
	redis *storetest.Server
	proxy *storetest.Proxy // between the gateway and Redis

	slow    atomic.Int64 // time of the last slow round trip of this test itself, in Unix ms
	stalled atomic.Int64 // the same of one that took so long that calls of the gateway fail
}

// These are the alerts that a slow machine explains, and one that stands still, whatever the cause is.
var (
	ofSlowMachine    = []string{"FieldgateStoreSlow", "FieldgateLatencyBudgetBurnsFast", "FieldgateLatencyBudgetBurnsSlowly"}
	ofStalledMachine = []string{"FieldgateStoreErrors", "FieldgateErrorRate", "FieldgateErrorBudgetBurnsFast", "FieldgateErrorBudgetBurnsSlowly", "FieldgatePoolExhausted"}
)

// watchMachine pings Redis from this test, past the gateway, and notes when that was slow. Such a machine
// is too busy for what it runs.
func (s *site) watchMachine(ctx context.Context) {
	direct := s.redis.Client(s.fleet.t)
	s.running.Go(func() {
		every(ctx, 20*time.Millisecond, func() {
			begin := time.Now()
			_ = direct.Ping(ctx).Err()
			if time.Since(begin) > 25*time.Millisecond {
				s.slow.Store(time.Now().UnixMilli())
			}
			if time.Since(begin) > time.Second {
				s.stalled.Store(time.Now().UnixMilli())
			}
		})
	})
}

// explains reports whether a cause, or the machine, explains an alert. An alert shows what has happened
// in the minute before.
func (s *site) explains(name string, causes []string) bool {
	lately := func(at *atomic.Int64) bool { return time.Since(time.UnixMilli(at.Load())) < time.Minute }
	return slices.Contains(causes, name) || lately(&s.slow) && slices.Contains(ofSlowMachine, name) ||
		lately(&s.stalled) && slices.Contains(ofStalledMachine, name)
}

// newSite starts an installation and waits until no alert fires. The times in the rules are shorter by
// the factor.
func newSite(t *testing.T, factor int) *site {
	t.Helper()
	requireSetting(t)
	redis := storetest.Start(t, "--enable-debug-command", "yes")
	proxy := storetest.NewProxy(t).ForwardTo(redis.Addr())
	g := startGateway(t, "redis://"+proxy.Addr())
	s := &site{redis: redis, proxy: proxy, fleet: startFleet(t, g)}
	s.watchMachine(s.ctx)
	s.prometheus = startPrometheus(t, g.MetricsURL, factor)
	s.awaitQuiet(t)
	return s
}

// awaitQuiet waits until no alert fires.
func (s *site) awaitQuiet(t *testing.T) {
	t.Helper()
	quiet := 0
	defer func() {
		if t.Failed() {
			t.Log(s.firing(t), s.failures(t))
		}
	}()
	await(t, 3*time.Minute, "alerts fire although no cause was planted", func() bool {
		quiet++
		for _, name := range s.firing(t) {
			if !s.explains(name, nil) {
				quiet = 0
			}
		}
		return quiet > 40 // for ten seconds
	})
}

// failures returns what has failed in the gateway, for the message of a test that fails.
func (s *site) failures(t testing.TB) []series {
	return s.query(t, `fieldgate_redis_errors_total > 0 or fieldgate_http_requests_total{status=~"[45].."} > 0 or fieldgate_tenant_calls_total or fieldgate:call_errors:ratio_rate1h`)
}

// requireAlerts waits until an alert fires, and then for a quarter of that time. It requires that in
// all of this time, no other alert fires than those that the cause explains.
func (s *site) requireAlerts(t *testing.T, want string, explained ...string) {
	t.Helper()
	planted := time.Now()
	end := planted.Add(5 * time.Minute)
	found, unexplained := false, ""
	await(t, 5*time.Minute, want+" does not fire", func() bool {
		firing := s.firing(t)
		for _, name := range firing {
			if name != want && !s.explains(name, explained) {
				unexplained = name
				return true
			}
		}
		if slices.Contains(firing, want) && !found {
			found, end = true, time.Now().Add(time.Since(planted)/4)
			t.Logf("%s fires %.0f s after the cause was planted", want, time.Since(planted).Seconds())
		}
		return found && time.Now().After(end)
	})
	require.Empty(t, unexplained, "an alert fires that the cause does not explain: %s", s.failures(t))
}

// TestCauses_SlowRedis blocks Redis for half of the time.
func TestCauses_SlowRedis(t *testing.T) {
	s := newSite(t, 10)
	admin := s.redis.Client(t)
	ctx, stop := context.WithCancel(t.Context())
	s.running.Go(func() {
		every(ctx, 300*time.Millisecond, func() { _ = admin.Do(ctx, "DEBUG", "SLEEP", "0.15").Err() })
	})
	defer stop()
	s.requireAlerts(t, "FieldgateStoreSlow", "FieldgateLatencyBudgetBurnsFast", "FieldgateLatencyBudgetBurnsSlowly")
	for _, name := range []string{"claim", "propose", "read_device"} { // as the runbook says: all operations
		p99 := s.query(t, fmt.Sprintf(`fieldgate:redis_duration_seconds:p99_rate5m{name=%q} > 0.03`, name))
		require.NotEmpty(t, p99, name)
	}
}

// TestCauses_FloodingTenant sends more requests of a second tenant than its limit allows.
func TestCauses_FloodingTenant(t *testing.T) {
	s := newSite(t, 10)
	tenantID := gatewaytest.NewTenantID()
	token := s.Token(tenantID, "mallory", "viewer")
	ctx, stop := context.WithCancel(t.Context())
	for range 4 {
		s.running.Go(func() {
			every(ctx, 4*time.Millisecond, func() { s.get(ctx, "/api/v1/customer/me", token) })
		})
	}
	defer stop()
	s.requireAlerts(t, "FieldgateTenantFloods")
	stop()
	alert := s.query(t, `ALERTS{alertname="FieldgateTenantFloods"}`)
	require.Len(t, alert, 1)
	require.Equal(t, gatewaytest.TenantOf(tenantID), alert[0].Metric["tenant"], "the alert names another tenant")
}

// get sends a request whose response does not matter.
func (s *site) get(ctx context.Context, path, token string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, http.NoBody)
	if err != nil {
		return
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if response, err := http.DefaultClient.Do(request); err == nil {
		_, _ = io.Copy(io.Discard, response.Body) // so that the connection is used again
		_ = response.Body.Close()
	}
}

// TestCauses_FleetStopsClaiming stops the devices while users go on.
func TestCauses_FleetStopsClaiming(t *testing.T) {
	s := newSite(t, 10)
	s.claims.Store(false)
	s.requireAlerts(t, "FieldgateClaimsStopped")
	require.NotEmpty(t, s.query(t, `fieldgate:backlog_commands:max{status="queued"} >= 10`))
	require.NotEmpty(t, s.query(t, `sum(fieldgate_claims_waiting) == 0`), "the runbook says that no claim waits")
}

// TestCauses_IssuerWithoutKeys lets the issuer fail, and a user sign in with a key that the gateway does
// not know, as after a rotation. The times are those of the rules, because the gateway fetches the
// keys every 30 seconds.
func TestCauses_IssuerWithoutKeys(t *testing.T) {
	s := newSite(t, 1)
	s.Issuer.Respond(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	unknown := s.unknownKeyToken(t)
	ctx, stop := context.WithCancel(t.Context())
	s.running.Go(func() {
		every(ctx, 2*time.Second, func() { s.get(ctx, "/api/v1/customer/me", unknown) })
	})
	defer stop()
	s.requireAlerts(t, "FieldgateIssuerKeysNotFetched")
	require.NotEmpty(t, s.query(t, `fieldgate_issuer_keys > 0`), "the runbook says that the known keys are used")
	require.Contains(t, s.Log.String(), "fetching the issuer's keys failed")
}

// unknownKeyToken returns a token of the issuer whose header names a key that it has not published.
func (s *site) unknownKeyToken(t *testing.T) string {
	t.Helper()
	header, _, _ := strings.Cut(customertest.NewIssuer(t).Token(issuer.Claims{}), ".")
	_, rest, _ := strings.Cut(s.Issuer.Token(issuer.Claims{}), ".")
	return header + "." + rest
}

// TestCauses_StuckSweeper breaks every connection on which the sweeper reads the first member of a due
// index. Scripts have the key too, but not the position after it.
func TestCauses_StuckSweeper(t *testing.T) {
	s := newSite(t, 10)
	s.proxy.Inject(storetest.DropRequest, ":due\r\n$1\r\n0\r\n")
	defer s.proxy.Inject(storetest.NoFault)
	s.requireAlerts(t, "FieldgateSweeperStuck", "FieldgateStoreErrors")
	require.NotEmpty(t, s.query(t, `rate(fieldgate_redis_errors_total{name="read_due"}[1m]) > 0`))
	require.Empty(t, s.query(t, `increase(fieldgate_redis_errors_total{name!="read_due"}[1m]) > 0`), "the runbook says that only these reads fail")
	require.Contains(t, s.Log.String(), "sweeping failed")
}

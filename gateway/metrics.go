package gateway

import (
	"context"
	"errors"
	"math"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/handlers"
	"github.com/fieldgate/fieldgate/listen"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
)

func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// observeStore returns a function that counts the round trips to Redis, by script or command.
// A request that its caller has canceled does not count as a failure of Redis.
func observeStore(registry prometheus.Registerer) func(string, time.Duration, error) {
	latency := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "fieldgate_redis_duration_seconds",
		Help:    "Duration of round trips to Redis, by script or command.",
		Buckets: prometheus.ExponentialBuckets(0.0001, 2.5, 12),
	}, []string{"name"})
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fieldgate_redis_errors_total",
		Help: "Round trips to Redis that failed, by script or command.",
	}, []string{"name"})
	registry.MustRegister(latency, failures)
	return func(name string, took time.Duration, err error) {
		latency.WithLabelValues(name).Observe(took.Seconds())
		failed := failures.WithLabelValues(name) // zero from the first round trip
		if err != nil && !errors.Is(err, context.Canceled) {
			failed.Inc()
		}
	}
}

// transitions are the transitions of commands, as the contract lists them in EventType.
var transitions = []string{
	"proposed", "approved", "rejected", "claimed", "requeued", "released", "succeeded", "failed", "timed_out",
	"cancel_requested", "cancelled", "expired", "result_conflict",
	"vote", "vote_withdrawn", "break_glass", "break_glass_reviewed",
}

// countTransitions returns a function that counts the transitions of commands. It also counts
// transitions that another operation causes: for example, closing a session expires commands.
// The counter of each transition is zero from the start.
func countTransitions(registry prometheus.Registerer) func(event string) {
	counters := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fieldgate_command_transitions_total",
		Help: "Transitions of commands by this instance, by type.",
	}, []string{"transition"})
	registry.MustRegister(counters)
	for _, name := range transitions {
		counters.WithLabelValues(name)
	}
	return func(event string) {
		if name, ok := strings.CutPrefix(event, "command."); ok {
			counters.WithLabelValues(name).Inc()
		}
	}
}

// countViolations returns a function that counts the violations that the reconciler has found
// and repaired, by invariant. In a correct system the counters stay at zero, so an alarm on them
// is useful. The counter of each invariant is zero from the start: a counter that appeared with
// its first violation would show no increase.
func countViolations(registry prometheus.Registerer) func(invariant string) {
	violations := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fieldgate_invariant_violations_total",
		Help: "Violations that were found in the store and repaired, by invariant.",
	}, []string{"invariant"})
	registry.MustRegister(violations)
	for _, invariant := range append(queue.Invariants(), session.OneSession) {
		violations.WithLabelValues(string(invariant))
	}
	return func(invariant string) { violations.WithLabelValues(invariant).Inc() }
}

// countUnauthenticated returns a function that counts the requests and frames whose credential
// was refused, by reason. The counter of each reason is zero from the start.
func countUnauthenticated(registry prometheus.Registerer) func(reason fieldgate.Reason) {
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fieldgate_unauthenticated_total",
		Help: "Requests and frames whose credential was refused, by reason.",
	}, []string{"reason"})
	registry.MustRegister(refused)
	for _, reason := range fieldgate.Reasons() {
		refused.WithLabelValues(string(reason))
	}
	return func(reason fieldgate.Reason) { refused.WithLabelValues(string(reason)).Inc() }
}

// measureMemory returns a function that records the share of maxmemory that Redis uses.
func measureMemory(registry prometheus.Registerer) func(share float64) {
	used := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "fieldgate_store_memory_ratio",
		Help: "Share of maxmemory that Redis uses; 0 without maxmemory. From 0.85 on nothing new is accepted.",
	})
	registry.MustRegister(used)
	return used.Set
}

// measureConnections exports the number of open connections of the API, and the maximum
// numbers of connections and of sockets.
func measureConnections(registry prometheus.Registerer, listener *boundedListener, c capacity) {
	registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fieldgate_connections", Help: "Open connections to the API of this instance, including sockets.",
		}, func() float64 { return float64(listener.open()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fieldgate_connections_max", Help: "Maximum number of connections to the API of this instance.",
		}, func() float64 { return float64(c.connections) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fieldgate_sockets_max", Help: "Maximum number of sockets of this instance.",
		}, func() float64 { return float64(c.sockets) }),
	)
}

// measureCertificate exports the time at which the certificate of the API expires.
func measureCertificate(registry prometheus.Registerer, certificate *listen.Certificate) {
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "fieldgate_certificate_expiry_timestamp_seconds",
		Help: "Unix time at which the certificate of the API expires.",
	}, func() float64 { return float64(certificate.NotAfter().Unix()) }))
}

// countKeyFetches returns a function that counts the fetches of the token issuer's keys, by
// result. Both counters are zero from the start.
func countKeyFetches(registry prometheus.Registerer) func(err error) {
	fetches := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fieldgate_issuer_key_fetches_total",
		Help: "Fetches of the token issuer's keys, by result: ok or failed.",
	}, []string{"result"})
	registry.MustRegister(fetches)
	ok, failed := fetches.WithLabelValues("ok"), fetches.WithLabelValues("failed")
	return func(err error) {
		if err != nil {
			failed.Inc()
			return
		}
		ok.Inc()
	}
}

// countPreviousSecret returns a function that counts tokens that were verified with a previous secret.
func countPreviousSecret(registry prometheus.Registerer) func() {
	verified := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "fieldgate_previous_secret_tokens_total",
		Help: "Tokens that were verified with a secret in FIELDGATE_JWT_SECRET_PREVIOUS.",
	})
	registry.MustRegister(verified)
	return verified.Inc
}

// measureIssuerKeys exports the number and the age of the token issuer's keys. The age is no number
// until there are some, so that an alert on old keys does not fire then. Keys that are too old to be
// used have an age, so that the alert does not end when users can no longer sign in.
func measureIssuerKeys(registry prometheus.Registerer, verifier *customer.Verifier) {
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "fieldgate_issuer_keys", Help: "Published keys of the token issuer with which tokens are verified.",
	}, func() float64 { return float64(verifier.Keys()) }))
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "fieldgate_issuer_keys_age_seconds",
		Help: "Time since the issuer's keys were fetched last, by this instance or by one that kept them in the store, even if they are too old to be used; NaN if there were none.",
	}, func() float64 {
		if at := verifier.KeysFetchedAt(); !at.IsZero() {
			return time.Since(at).Seconds()
		}
		return math.NaN()
	}))
}

// measureRounds returns a function that records the batches and rounds of the reconciler. The time
// and the duration are zero until a round of any instance has ended.
func measureRounds(registry prometheus.Registerer) func(last store.Round, err error) {
	batches := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fieldgate_reconcile_batches_total",
		Help: "Batches of the reconciler of this instance, by result: ok or failed.",
	}, []string{"result"})
	at := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "fieldgate_reconcile_round_timestamp_seconds",
		Help: "End of the last complete round of the reconciler, in which the instances share; 0 before the first.",
	})
	took := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "fieldgate_reconcile_round_duration_seconds", Help: "Duration of the last complete round.",
	})
	registry.MustRegister(batches, at, took)
	ok, failed := batches.WithLabelValues("ok"), batches.WithLabelValues("failed")
	return func(last store.Round, err error) {
		if err != nil {
			failed.Inc()
		} else {
			ok.Inc()
		}
		if !last.Ended.IsZero() {
			at.Set(float64(last.Ended.UnixMilli()) / 1000)
			took.Set(last.Took.Seconds())
		}
	}
}

// measureProblems returns a function that records whether a problem of the store was found. The
// gauge of each problem is zero from the start.
func measureProblems(registry prometheus.Registerer) func(problem store.Problem, found bool) {
	problems := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "fieldgate_store_problem",
		Help: "Whether the last check of Redis found a problem (1) or not (0), by problem.",
	}, []string{"problem"})
	registry.MustRegister(problems)
	record := func(problem store.Problem, found bool) {
		problems.WithLabelValues(string(problem)).Set(oneIf(found))
	}
	for _, problem := range store.Problems {
		record(problem, false)
	}
	return record
}

// measureInstance exports the build of an instance, its readiness and the lag of its sweeper.
func measureInstance(registry prometheus.Registerer, health *handlers.Health, s *store.Store) {
	registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fieldgate_build_info", Help: "Always 1; the labels describe the build of this instance.",
			ConstLabels: prometheus.Labels{"version": health.Version, "commit": handlers.BuildCommit(), "goversion": runtime.Version()},
		}, func() float64 { return 1 }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fieldgate_ready", Help: "Whether this instance is ready (1) or not (0), as far as is known without a probe of Redis.",
		}, func() float64 { return oneIf(health.Ready()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fieldgate_sweep_lag_seconds",
			Help: "Time by which this instance applies deadlines too late, or since its last sweep if that is longer.",
		}, func() float64 { return s.SweepLag().Seconds() }),
		poolCollector{s},
	)
}

func oneIf(condition bool) float64 {
	if condition {
		return 1
	}
	return 0
}

// poolCollector exports the statistics of the connections to Redis.
type poolCollector struct{ store *store.Store }

var (
	poolConnections = prometheus.NewDesc(poolConnectionsOpts.Name, poolConnectionsOpts.Help, []string{"pool", "state"}, nil)
	poolTimeouts    = prometheus.NewDesc(poolTimeoutsOpts.Name, poolTimeoutsOpts.Help, []string{"pool"}, nil)
)

var poolConnectionsOpts = prometheus.GaugeOpts{
	Name: "fieldgate_redis_connections",
	Help: "Open connections to Redis, by pool (scripts or reads) and state (idle or used).",
}

var poolTimeoutsOpts = prometheus.CounterOpts{
	Name: "fieldgate_redis_pool_timeouts_total",
	Help: "Round trips to Redis that got no connection in time, by pool.",
}

// Describe implements prometheus.Collector.
func (c poolCollector) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- poolConnections
	descriptions <- poolTimeouts
}

// Collect implements prometheus.Collector.
func (c poolCollector) Collect(metrics chan<- prometheus.Metric) {
	for pool, stats := range c.store.Pools() {
		metrics <- prometheus.MustNewConstMetric(poolConnections, prometheus.GaugeValue, float64(stats.IdleConns), pool, "idle")
		metrics <- prometheus.MustNewConstMetric(poolConnections, prometheus.GaugeValue, float64(stats.TotalConns-stats.IdleConns), pool, "used")
		metrics <- prometheus.MustNewConstMetric(poolTimeouts, prometheus.CounterValue, float64(stats.Timeouts), pool)
	}
}

// metricsHandler serves the metrics. A scraper that accepts OpenMetrics, as Prometheus does, also receives
// the exemplars with the ids of traces.
func (g *Gateway) metricsHandler() http.Handler {
	return promhttp.HandlerFor(g.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// metricsServer returns the server of the metrics. It has a listener of its own, so that
// the metrics need not be reachable from outside. It also serves the two health checks:
// a tenant that exhausts the listener of the API does not affect them here.
func (g *Gateway) metricsServer() *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", g.metricsHandler())
	for _, path := range []string{"GET /healthz", "GET /readyz"} {
		mux.Handle(path, g.server.Handler)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	if g.metrics != nil {
		server.ConnState = g.metrics.track
	}
	return server
}

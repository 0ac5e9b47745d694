package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// observeStore returns a function that counts the round trips to Redis, by script or command.
// The function calls heard after each success. It does not count a canceled request as a
// failure of Redis.
func observeStore(registry prometheus.Registerer, heard func()) func(string, time.Duration, error) {
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
		switch {
		case err == nil:
			heard()
		case !errors.Is(err, context.Canceled):
			failures.WithLabelValues(name).Inc()
		}
	}
}

// countTransitions returns a function that counts the transitions of commands. It counts
// transitions of all causes: closing a session, for example, also ends commands.
func countTransitions(registry prometheus.Registerer) func(event string) {
	transitions := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fieldgate_command_transitions_total",
		Help: "Transitions of commands by this instance, by type.",
	}, []string{"transition"})
	registry.MustRegister(transitions)
	return func(event string) {
		if name, ok := strings.CutPrefix(event, "command."); ok {
			transitions.WithLabelValues(name).Inc()
		}
	}
}

// countViolations returns a function that counts the violations that the reconciler has found
// and repaired, by invariant. In a correct system the counter stays at zero, so an alarm on it
// is useful.
func countViolations(registry prometheus.Registerer) func(invariant string) {
	violations := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fieldgate_invariant_violations_total",
		Help: "Violations that were found in the store and repaired, by invariant.",
	}, []string{"invariant"})
	registry.MustRegister(violations)
	return func(invariant string) { violations.WithLabelValues(invariant).Inc() }
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

// metricsServer returns the server of the metrics. It has a listener of its own, so that
// the metrics need not be reachable from outside. It also serves the two health checks:
// a tenant that exhausts the listener of the API does not affect them here.
func (g *Gateway) metricsServer() *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(g.registry, promhttp.HandlerOpts{}))
	for _, path := range []string{"GET /healthz", "GET /readyz"} {
		mux.Handle(path, g.server.Handler)
	}
	return &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
}

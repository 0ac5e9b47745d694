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

// observeStore counts the round trips to Redis, by script or command, and passes
// on that the store is alive. A caller that went away is no failure of Redis.
func observeStore(registry prometheus.Registerer, heard func()) func(string, time.Duration, error) {
	latency := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "fieldgate_redis_duration_seconds",
		Help:    "How long a round trip to Redis took, by script or command.",
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

// countTransitions counts what happens to commands, whichever part of the gateway
// makes it happen: a session that is closed ends commands, too.
func countTransitions(registry prometheus.Registerer) func(event string) {
	transitions := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fieldgate_command_transitions_total",
		Help: "Transitions of commands that this instance made, by what happened.",
	}, []string{"transition"})
	registry.MustRegister(transitions)
	return func(event string) {
		if name, ok := strings.CutPrefix(event, "command."); ok {
			transitions.WithLabelValues(name).Inc()
		}
	}
}

// countViolations counts what was found broken in the store, by the invariant. It
// stays at zero: anything else is worth an alarm.
func countViolations(registry prometheus.Registerer) func(invariant string) {
	violations := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fieldgate_invariant_violations_total",
		Help: "What was found broken in the store and mended, by the invariant that did not hold.",
	}, []string{"invariant"})
	registry.MustRegister(violations)
	return func(invariant string) { violations.WithLabelValues(invariant).Inc() }
}

// metricsServer serves what is counted, on a port of its own that the public
// does not reach.
func (g *Gateway) metricsServer() *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(g.registry, promhttp.HandlerOpts{}))
	return &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
}

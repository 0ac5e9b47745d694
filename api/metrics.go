package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/request"
)

// durationBuckets are the histogram buckets in seconds. The largest is longer than the longest
// wait for a command.
var durationBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 30, 60}

// metrics count the HTTP requests and measure their durations.
type metrics struct {
	requests    *prometheus.CounterVec
	durations   *prometheus.HistogramVec
	unknownKeys prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fieldgate_http_requests_total",
			Help: "HTTP requests by operation and status; 499 means that the client closed the connection before the response.",
		}, []string{"operation", "status"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "fieldgate_http_request_duration_seconds",
			Help:    "Duration of HTTP requests, including the wait for commands; of a socket, its handshake.",
			Buckets: durationBuckets,
		}, []string{"operation"}),
		unknownKeys: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fieldgate_http_unknown_keys_total",
			Help: "HTTP requests that were refused with 503 because the issuer may have published the key of their token since its keys were fetched.",
		}),
	}
	for _, collector := range []prometheus.Collector{m.requests, m.durations, m.unknownKeys} {
		if err := registerer.Register(collector); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// countUnknownKey counts a request that was refused with 503 because the key of its token is unknown.
// A stranger can cause any number of them, so the alert on the share of errors leaves them out.
func (m *metrics) countUnknownKey(reason fieldgate.Reason, status int) {
	if reason == fieldgate.ReasonUnknownKey && status == http.StatusServiceUnavailable {
		m.unknownKeys.Inc()
	}
}

// count records one request. Paths that the contract does not have share one label, so that
// clients cannot create an unlimited number of labels.
func (m *metrics) count(ctx context.Context, operation string, status int, took time.Duration) {
	if operation == "" {
		operation = "none"
	}
	m.requests.WithLabelValues(operation, strconv.Itoa(status)).Inc()
	request.Observe(ctx, m.durations.WithLabelValues(operation), took)
}

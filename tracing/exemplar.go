package tracing

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// exemplarLabel is the label of exemplars with the id of the trace, as Grafana and OpenTelemetry name
// it.
const exemplarLabel = "trace_id"

// Observe adds a duration to a histogram. The id of a recorded trace becomes the exemplar of its bucket.
// It is empty if there is none.
func Observe(histogram prometheus.Observer, took time.Duration, traceID string) {
	if h, ok := histogram.(prometheus.ExemplarObserver); ok && traceID != "" {
		h.ObserveWithExemplar(took.Seconds(), prometheus.Labels{exemplarLabel: traceID})
		return
	}
	histogram.Observe(took.Seconds())
}

package request

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// exemplarLabel is the label of exemplars with the id of the trace, as Grafana and OpenTelemetry name
// it.
const exemplarLabel = "trace_id"

// Observe adds a duration to a histogram. If the request belongs to a sampled trace, the id of the
// trace is the exemplar of its bucket, with which an operator finds a trace of a slow request.
func Observe(ctx context.Context, histogram prometheus.Observer, took time.Duration) {
	if id := SampledTraceID(ctx); id != "" {
		if h, ok := histogram.(prometheus.ExemplarObserver); ok {
			h.ObserveWithExemplar(took.Seconds(), prometheus.Labels{exemplarLabel: id})
			return
		}
	}
	histogram.Observe(took.Seconds())
}

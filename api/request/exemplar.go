package request

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fieldgate/fieldgate/tracing"
)

// Observe adds a duration to a histogram. If the request belongs to a sampled trace, the id of the
// trace is the exemplar of its bucket, with which an operator finds a trace of a slow request.
func Observe(ctx context.Context, histogram prometheus.Observer, took time.Duration) {
	tracing.Observe(histogram, took, SampledTraceID(ctx))
}

package queue

import "github.com/prometheus/client_golang/prometheus"

// metrics holds the Prometheus metrics of a queue.
type metrics struct {
	age         prometheus.Histogram
	waiting     prometheus.Gauge
	quarantined prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		age: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "fieldgate_queue_age_seconds",
			Help:    "How long commands had been ready when their device claimed them.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 12),
		}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fieldgate_claims_waiting",
			Help: "Claims that are waiting for a command at this instance.",
		}),
		quarantined: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fieldgate_quarantined_records_total",
			Help: "Records that could not be read and were moved to the quarantine or skipped.",
		}),
	}
	if r != nil {
		r.MustRegister(m.age, m.waiting, m.quarantined)
	}
	return m
}

package queue

import "github.com/prometheus/client_golang/prometheus"

// metrics counts what happens to commands.
type metrics struct {
	age         prometheus.Histogram
	waiting     prometheus.Gauge
	quarantined prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		age: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "fieldgate_queue_age_seconds",
			Help:    "How long a command had been in its device's line when it was claimed.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 12),
		}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fieldgate_claims_waiting",
			Help: "Claims that wait for a command at this instance.",
		}),
		quarantined: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fieldgate_quarantined_records_total",
			Help: "Records that could not be worked with and were set aside or left out.",
		}),
	}
	if r != nil {
		r.MustRegister(m.age, m.waiting, m.quarantined)
	}
	return m
}

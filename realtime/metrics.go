package realtime

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics holds the metrics of the sockets.
type metrics struct {
	open     *prometheus.GaugeVec
	closes   *prometheus.CounterVec
	refusals *prometheus.CounterVec
	pushed   prometheus.Counter
	delayed  prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "fieldgate_sockets", Help: "Open sockets of this instance.",
		}, []string{"kind"}),
		closes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fieldgate_socket_closes_total",
			Help: "Closed sockets by close code. 1006: closed without a close frame; other: a close code chosen by the client.",
		}, []string{"kind", "code"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fieldgate_handshakes_refused_total",
			Help: "Handshakes of sockets beyond a limit, by reason: sockets, tenant_sockets or rate.",
		}, []string{"reason"}),
		pushed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fieldgate_event_frames_total", Help: "Event frames that were pushed to sockets.",
		}),
		delayed: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fieldgate_event_budgets_used_up", Help: "Tenants whose events are delayed, because their budget of event frames is used up.",
		}),
	}
	for _, reason := range []string{refusedSockets, refusedTenantSockets, refusedRate} {
		m.refusals.WithLabelValues(reason) // zero from the start
	}
	if r != nil {
		r.MustRegister(m.open, m.closes, m.refusals, m.pushed, m.delayed)
	}
	return m
}

func (m *metrics) add(s *Socket, n float64) { m.open.WithLabelValues(s.kind()).Add(n) }

func (m *metrics) closed(s *Socket, code CloseCode) {
	m.closes.WithLabelValues(s.kind(), label(code)).Inc()
}

func (m *metrics) refused(reason string) { m.refusals.WithLabelValues(reason).Inc() }

// label returns the value of the metric label for a close code. The codes that only
// clients use share one value. A client may send thousands of codes, and each label
// value is a separate time series.
func label(code CloseCode) string {
	switch {
	case code >= 1000 && code < 1016, code == CloseExpired, code == CloseWithdrawn, code == CloseSilent,
		code == CloseSuperseded, code == CloseTooSlow:
		return strconv.Itoa(int(code))
	}
	return "other"
}

func (s *Socket) kind() string {
	if s.Device != "" {
		return "device"
	}
	return "customer"
}

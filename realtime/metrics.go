package realtime

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics holds the metrics of the sockets.
type metrics struct {
	open   *prometheus.GaugeVec
	closes *prometheus.CounterVec
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
	}
	if r != nil {
		r.MustRegister(m.open, m.closes)
	}
	return m
}

func (m *metrics) add(s *Socket, n float64) { m.open.WithLabelValues(s.kind()).Add(n) }

func (m *metrics) closed(s *Socket, code CloseCode) {
	m.closes.WithLabelValues(s.kind(), label(code)).Inc()
}

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

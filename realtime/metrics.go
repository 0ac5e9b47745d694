package realtime

import (
	"cmp"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/tracing"
)

// metrics holds the metrics of the sockets.
type metrics struct {
	open     *prometheus.GaugeVec
	closes   *prometheus.CounterVec
	refusals *prometheus.CounterVec
	pushed   prometheus.Counter
	delayed  prometheus.Gauge

	frames    *prometheus.CounterVec
	durations *prometheus.HistogramVec
	types     map[string]bool // the types of frames that have series of their own
}

// frameBuckets are the histogram buckets of the durations of frames, in seconds. The largest is
// longer than the longest wait for a command.
var frameBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 30, 60}

func newMetrics(r prometheus.Registerer, frameTypes []string) *metrics {
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
			Help: "Handshakes of sockets beyond a limit, by reason: sockets, tenant_sockets, rate or busy.",
		}, []string{"reason"}),
		pushed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fieldgate_event_frames_total", Help: "Event frames that were pushed to sockets.",
		}),
		delayed: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fieldgate_event_budgets_used_up", Help: "Tenants whose events are delayed, because their budget of event frames is used up.",
		}),
	}
	m.frames = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fieldgate_frames_total",
		Help: "Frames of clients that were served, by type and code: ok, or the code of the error.",
	}, []string{"type", "code"})
	m.durations = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "fieldgate_frame_duration_seconds",
		Help:    "Time until the reply to a frame, by type; for a claim, including the wait for commands.",
		Buckets: frameBuckets,
	}, []string{"type"})
	m.types = map[string]bool{typePing: true}
	for _, kind := range frameTypes {
		m.types[kind] = true
	}
	for kind := range m.types {
		m.frames.WithLabelValues(kind, codeOK) // zero from the start
	}
	for _, reason := range []string{refusedSockets, refusedTenantSockets, refusedRate, refusedBusy} {
		m.refusals.WithLabelValues(reason) // zero from the start
	}
	if r != nil {
		r.MustRegister(m.open, m.closes, m.refusals, m.pushed, m.delayed, m.frames, m.durations)
	}
	return m
}

func (m *metrics) add(s *Socket, n float64) { m.open.WithLabelValues(s.kind()).Add(n) }

func (m *metrics) closed(s *Socket, code CloseCode) {
	m.closes.WithLabelValues(s.kind(), label(code)).Inc()
}

func (m *metrics) refused(reason string) { m.refusals.WithLabelValues(reason).Inc() }

// codeOK is the code of a frame that was served without an error.
const codeOK = "ok"

// served counts a frame. A client may send thousands of unknown types: they share one value.
func (m *metrics) served(f Frame, err error, took time.Duration) {
	kind, code := f.Type, string(codeOf(err))
	if !m.types[kind] {
		kind = "other"
	}
	m.frames.WithLabelValues(kind, cmp.Or(code, codeOK)).Inc()
	tracing.Observe(m.durations.WithLabelValues(kind), took, f.Log.sampledTraceID())
}

// codeOf returns the code of an error, or "" for none.
func codeOf(err error) fieldgate.Code {
	if err == nil {
		return ""
	}
	return fieldgate.CodeOf(err)
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

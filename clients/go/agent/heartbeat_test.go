package agent

import (
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// A logBuffer collects the log of an agent.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write appends a line. It never fails.
func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(line)
}

func (b *logBuffer) count(substring string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.text.String(), substring)
}

func TestHeartbeat_InvalidMetricsAreLeftOut(t *testing.T) {
	t.Parallel()
	for name, metrics := range map[string]func() fieldgate.Metrics{
		"NaN":      func() fieldgate.Metrics { return fieldgate.Metrics{"level": math.NaN()} },
		"infinity": func() fieldgate.Metrics { return fieldgate.Metrics{"level": math.Inf(1)} },
		"refused":  func() fieldgate.Metrics { return fieldgate.Metrics{"a name with spaces": 1} },
		"panic":    func() fieldgate.Metrics { panic("no sensor") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, log := newFakeGateway(t), &logBuffer{}
			g.refuse = func(path string, body []byte) string {
				if path == "heartbeat" && strings.Contains(string(body), "metrics") {
					return "validation_failed"
				}
				return ""
			}
			g.startAgent(t, Config{Metrics: metrics, Logger: slog.New(slog.NewTextHandler(log, nil))}, nil)
			require.Eventually(t, func() (enough bool) {
				g.locked(func(g *fakeGateway) { enough = len(g.heartbeats) >= 2 })
				return enough
			}, 20*time.Second, 5*time.Millisecond)
			require.Equal(t, 1, log.count("without the metrics"))
		})
	}
}

// TestHeartbeat_DegradedDeviceKeepsWhatTheGatewayAccepts includes a gateway of release 1.0.0, which refuses
// the reason.
func TestHeartbeat_DegradedDeviceKeepsWhatTheGatewayAccepts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refused                []string // members that the gateway refuses
		level                  float64
		wantReason, wantMetric bool
	}{
		"everything":        {nil, 1, true, true},
		"no reason":         {[]string{`"reason"`}, 1, false, true},
		"no metrics":        {[]string{`"metrics"`}, 1, true, false},
		"neither":           {[]string{`"reason"`, `"metrics"`}, 1, false, false},
		"a value of no use": {nil, math.NaN(), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newFakeGateway(t)
			g.refuse = func(path string, body []byte) string {
				for _, member := range c.refused {
					if path == "heartbeat" && strings.Contains(string(body), member) {
						return "validation_failed"
					}
				}
				return ""
			}
			w := newTestWorker(t, g, 1, nil)
			w.config.Metrics = func() fieldgate.Metrics { return fieldgate.Metrics{"level": c.level} }
			t.Cleanup(failWrites(t, w.journal))
			require.Error(t, w.journal.begin(testCommand(1), false, true))
			_, err := w.sendHeartbeat(t.Context())
			require.NoError(t, err)
			require.Len(t, g.heartbeats, 1)
			require.Equal(t, fieldgate.HeartbeatStatusDegraded, g.heartbeats[0].Status)
			require.Equal(t, c.wantReason, g.heartbeats[0].Reason != "")
			require.Equal(t, c.wantMetric, g.heartbeats[0].Metrics["level"] == c.level)
		})
	}
}

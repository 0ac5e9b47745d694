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

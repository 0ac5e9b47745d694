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

// A sink keeps log lines.
type sink struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *sink) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(line)
}

func (s *sink) count(words string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Count(s.text.String(), words)
}

func TestADeviceDoesNotLookOffBecauseASensorIs(t *testing.T) {
	t.Parallel()
	for name, metrics := range map[string]func() fieldgate.Metrics{
		"NaN":     func() fieldgate.Metrics { return fieldgate.Metrics{"level": math.NaN()} },
		"Inf":     func() fieldgate.Metrics { return fieldgate.Metrics{"level": math.Inf(1)} },
		"refused": func() fieldgate.Metrics { return fieldgate.Metrics{"a name with spaces": 1} },
		"panics":  func() fieldgate.Metrics { panic("no sensor") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, log := newDesk(t), &sink{}
			d.refuse = func(path string, body []byte) string {
				if path == "heartbeat" && strings.Contains(string(body), "metrics") {
					return "validation_failed"
				}
				return ""
			}
			d.hire(t, Config{Metrics: metrics, Logger: slog.New(slog.NewTextHandler(log, nil))}, nil)
			require.Eventually(t, func() (enough bool) {
				d.look(func(d *desk) { enough = len(d.beats) >= 2 })
				return enough
			}, 20*time.Second, 5*time.Millisecond)
			require.Equal(t, 1, log.count("without the metrics"))
		})
	}
}

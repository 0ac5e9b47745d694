package gatewaytest

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store/storetest"
)

// Log collects the log of a gateway, one JSON object per line.
type Log struct {
	storetest.Buffer

	mu      sync.Mutex
	allowed []string
}

// AllowErrors allows the gateway to log errors whose log lines contain one of the given
// strings.
func (l *Log) AllowErrors(parts ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.allowed = append(l.allowed, parts...)
}

func (l *Log) allows(line string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.allowed, func(part string) bool { return strings.Contains(line, part) })
}

// AccessLine waits for the access log line of a request. The gateway writes the line after the
// response.
func (l *Log) AccessLine(t testing.TB, requestID string) (line map[string]any) {
	t.Helper()
	require.Eventually(t, func() bool {
		if lines := l.Lines("request", requestID); len(lines) > 0 {
			line = lines[0]
		}
		return line != nil
	}, 5*time.Second, 2*time.Millisecond, "no line of the access log names the request %q", requestID)
	return line
}

// Lines returns the log lines whose message is message and whose request id is requestID. An
// empty argument matches all lines.
func (l *Log) Lines(message, requestID string) (lines []map[string]any) {
	for text := range strings.Lines(l.String()) {
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) != nil {
			continue
		}
		if (message == "" || line["msg"] == message) && (requestID == "" || line["requestId"] == requestID) {
			lines = append(lines, line)
		}
	}
	return lines
}

// unexpectedErrors returns the lines about errors that no gateway may log: responses with 500,
// quarantined records and violated invariants. It ignores failures of the background workers,
// which are expected while the store cannot be reached.
func (l *Log) unexpectedErrors() (lines []string) {
	background := []string{"sweeping failed", "reconciling failed"}
	for line := range strings.Lines(l.String()) {
		isBackground := slices.ContainsFunc(background, func(message string) bool {
			return strings.Contains(line, `"msg":"`+message+`"`)
		})
		if strings.Contains(line, `"level":"ERROR"`) && !isBackground && !l.allows(line) {
			lines = append(lines, line)
		}
	}
	return lines
}

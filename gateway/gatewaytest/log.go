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

// Log is what a gateway said, a JSON object in each line.
type Log struct {
	storetest.Text

	mu       sync.Mutex
	expected []string
}

// Expect names errors, by a part of their line, that the gateway may log.
func (l *Log) Expect(parts ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expected = append(l.expected, parts...)
}

func (l *Log) expects(line string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.expected, func(part string) bool { return strings.Contains(line, part) })
}

// Line waits for the line of the access log that a request leaves when it has
// been answered.
func (l *Log) Line(t testing.TB, requestID string) (line map[string]any) {
	t.Helper()
	require.Eventually(t, func() bool {
		line = l.find(requestID)
		return line != nil
	}, 5*time.Second, 2*time.Millisecond, "no line of the log names the request %q", requestID)
	return line
}

func (l *Log) find(requestID string) map[string]any {
	for text := range strings.Lines(l.String()) {
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) == nil && line["msg"] == "request" && line["requestId"] == requestID {
			return line
		}
	}
	return nil
}

// Lines are those with a message that name a request; an empty message or request
// stands for any.
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

// faults are the lines that must never be there: answers with 500, records that
// were set aside, invariants that do not hold. That what goes on in the background
// fails while the store is away is none.
func (l *Log) faults() (lines []string) {
	background := []string{"sweeping what is due", "reconciling what the store holds"}
	for line := range strings.Lines(l.String()) {
		named := func(message string) bool { return strings.Contains(line, `"msg":"`+message+`"`) }
		if strings.Contains(line, `"level":"ERROR"`) && !slices.ContainsFunc(background, named) && !l.expects(line) {
			lines = append(lines, line)
		}
	}
	return lines
}

package logs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/logs"
)

// newLogger returns a logger and a function that returns its lines without their times.
func newLogger(t *testing.T, wrap func(slog.Handler) slog.Handler) (*slog.Logger, func() []map[string]any) {
	t.Helper()
	var out bytes.Buffer
	return slog.New(wrap(slog.NewJSONHandler(&out, nil))), func() (lines []map[string]any) {
		for text := range strings.Lines(out.String()) {
			var line map[string]any
			require.NoError(t, json.Unmarshal([]byte(text), &line))
			require.Equal(t, len(line), strings.Count(text, `":`), "an attribute is there twice: %s", text)
			delete(line, "time")
			lines = append(lines, line)
		}
		return lines
	}
}

func TestWithRequest_AddsTheIDsOnce(t *testing.T) {
	t.Parallel()
	log, lines := newLogger(t, logs.WithRequest)
	ctx := request.With(context.Background(), &request.Info{
		ID: "r-1", Tenant: "c.acme", Device: "dev_1", Command: "cmd_1",
		Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
	})

	log.InfoContext(ctx, "skipped a command", "command", "cmd_2")
	log.InfoContext(context.Background(), "no request")
	log.With("part", "x").InfoContext(ctx, "with more")

	all := map[string]any{
		"level": "INFO", "requestId": "r-1", "tenant": "c.acme", "device": "dev_1", "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
	}
	with := func(name1, value1, name2, value2 string) map[string]any {
		line := map[string]any{name1: value1, name2: value2, "command": "cmd_1"}
		for name, value := range all {
			line[name] = value
		}
		return line
	}
	own := with("msg", "skipped a command", "command", "cmd_2")
	own["command"] = "cmd_2"
	require.Equal(t, []map[string]any{own, {"level": "INFO", "msg": "no request"}, with("msg", "with more", "part", "x")}, lines())
}

func TestLimitRepeats_SaysWhatItLeavesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, lines := newLogger(t, logs.LimitRepeats)
		for i := range 80 {
			log.Warn("request", "code", "store_unavailable", "requestId", i)
			log.With("part", "x").Warn("request", "code", "overloaded", "requestId", i)
			log.Info("request")
		}
		require.Len(t, lines(), 50+50+80)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		require.ElementsMatch(t, []map[string]any{
			{"level": "WARN", "msg": "left out repeated lines", "lines": 30.0, "message": "request", "code": "store_unavailable"},
			{"level": "WARN", "msg": "left out repeated lines", "lines": 30.0, "message": "request", "code": "overloaded"},
		}, lines()[180:])

		log.Warn("request", "code", "store_unavailable")
		time.Sleep(11 * time.Second)
		require.Len(t, lines(), 183, "a new window begins with the next line")
	})
}

func TestLimitRepeats_BoundsTheKinds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, lines := newLogger(t, logs.LimitRepeats)
		for i := range 1000 {
			log.Error(fmt.Sprint("failure ", i))
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		require.Len(t, lines(), 256+50+1)
		require.Equal(t, map[string]any{"level": "WARN", "msg": "left out repeated lines", "lines": 694.0}, lines()[306])
	})
}

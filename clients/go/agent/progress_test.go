package agent

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// runningUntil returns a handler that calls print, and then runs until release is closed or its context ends.
func runningUntil(release <-chan struct{}, print func(ctx context.Context)) Handler {
	return func(ctx context.Context, _ Command) (Result, error) {
		print(ctx)
		select {
		case <-release:
			return Result{Output: "done"}, nil
		case <-ctx.Done():
			return Result{}, ctx.Err()
		}
	}
}

func eventuallyTrue(t testing.TB, condition func() bool, message string) {
	t.Helper()
	require.Eventually(t, condition, 20*time.Second, time.Millisecond, message)
}

func TestProgress_IsReportedWhileTheHandlerRuns(t *testing.T) {
	t.Parallel()
	g, release := newFakeGateway(t, claimedJSON("cmd_1", "a")), make(chan struct{})
	g.startAgent(t, Config{}, map[string]Handler{"a": runningUntil(release, func(ctx context.Context) {
		for n := range 100 {
			Progress(ctx, float64(n), fmt.Sprintf("step %d", n))
			_, _ = fmt.Fprintf(Output(ctx), "line %d\n", n)
		}
	})})
	eventuallyTrue(t, func() bool { return strings.HasSuffix(g.output(), "line 99\n") }, "the output does not arrive")
	g.locked(func(g *fakeGateway) {
		require.Len(t, g.reports, 1, "what comes together is reported together")
		first := g.reports[0]
		require.Equal(t, 1, first.Seq)
		require.Equal(t, "token", first.ClaimToken)
		require.InDelta(t, 99, *first.Percent, 0)
		require.Equal(t, "step 99", *first.Message)
		require.Equal(t, 100, strings.Count(first.Output, "\n"))
	})
	close(release)
	require.Equal(t, fieldgate.ResultStatusSucceeded, g.awaitResult(t, "cmd_1").Status)
}

// TestProgress_LastReportPrecedesTheResult prints after the first report, just before the handler ends.
func TestProgress_LastReportPrecedesTheResult(t *testing.T) {
	t.Parallel()
	g := newFakeGateway(t, claimedJSON("cmd_1", "a"))
	g.startAgent(t, Config{}, map[string]Handler{"a": func(ctx context.Context, _ Command) (Result, error) {
		_, _ = io.WriteString(Output(ctx), "first\n")
		eventuallyTrue(t, func() bool { return g.output() != "" }, "no report arrives")
		_, _ = io.WriteString(Output(ctx), "last \xe2\x82")
		return Result{}, nil
	}})
	g.awaitResult(t, "cmd_1")
	require.Equal(t, "first\nlast \ufffd", g.output())
}

func TestProgress_ShortCommandIsNotReported(t *testing.T) {
	t.Parallel()
	g := newFakeGateway(t, claimedJSON("cmd_1", "a"))
	g.startAgent(t, Config{}, map[string]Handler{"a": func(ctx context.Context, _ Command) (Result, error) {
		_, _ = io.WriteString(Output(ctx), "quick\n")
		return Result{Output: "quick\n"}, nil
	}})
	require.Equal(t, "quick\n", g.awaitResult(t, "cmd_1").Output)
	require.Empty(t, g.output())
}

// TestProgress_FailingReportsDoNotAffectTheCommand refuses all reports in different ways. The handler
// prints all the time, and must neither wait nor fail.
func TestProgress_FailingReportsDoNotAffectTheCommand(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code     string
		attempts int // expected number of reports, at most
	}{
		"an earlier gateway":      {"not_found", 1},
		"an earlier gateway's ws": {"validation_failed", 1},
		"the claim is lost":       {"claim_superseded", 1},
		"a broken gateway":        {"internal", 100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, attempts := newFakeGateway(t, claimedJSON("cmd_1", "a")), make(chan struct{}, 200)
			g.refuse = func(path string, _ []byte) string {
				if !strings.HasSuffix(path, "/progress") {
					return ""
				}
				attempts <- struct{}{}
				return c.code
			}
			g.startAgent(t, Config{}, map[string]Handler{"a": func(ctx context.Context, _ Command) (Result, error) {
				for len(attempts) == 0 {
					_, err := Output(ctx).Write(make([]byte, 1000))
					if err != nil {
						return Result{}, err
					}
					Progress(ctx, 50, "half")
				}
				return Result{Output: "done"}, nil
			}})
			require.Equal(t, fieldgate.ResultStatusSucceeded, g.awaitResult(t, "cmd_1").Status)
			require.LessOrEqual(t, len(attempts), c.attempts)
		})
	}
}

func TestProgress_GatewayOutOfSpaceGetsNoOutput(t *testing.T) {
	t.Parallel()
	g, release := newFakeGateway(t, claimedJSON("cmd_1", "a")), make(chan struct{})
	g.refuse = func(path string, body []byte) string {
		if strings.HasSuffix(path, "/progress") && strings.Contains(string(body), `"output"`) {
			return "quota_exceeded"
		}
		return ""
	}
	g.startAgent(t, Config{}, map[string]Handler{"a": runningUntil(release, func(ctx context.Context) {
		_, _ = io.WriteString(Output(ctx), "too much\n")
		Progress(ctx, 50, "half")
	})})
	eventuallyTrue(t, func() (found bool) {
		g.locked(func(g *fakeGateway) { found = len(g.reports) == 1 && *g.reports[0].Percent == 50 })
		return found
	}, "the percent is not reported")
	close(release)
	require.Equal(t, fieldgate.ResultStatusSucceeded, g.awaitResult(t, "cmd_1").Status)
}

// TestProgress_ReplyCancelsTheCommand requires that a poll-only agent learns of a cancellation long
// before it extends the lease or sends a heartbeat.
func TestProgress_ReplyCancelsTheCommand(t *testing.T) {
	t.Parallel()
	g := newFakeGateway(t, claimedJSON("cmd_1", "a"))
	cause := make(chan error, 1)
	g.startAgent(t, Config{Lease: time.Hour}, map[string]Handler{"a": func(ctx context.Context, _ Command) (Result, error) {
		for ctx.Err() == nil {
			_, _ = io.WriteString(Output(ctx), "x")
			if g.output() != "" {
				g.locked(func(g *fakeGateway) { g.cancel = []string{"cmd_other"} }) // the heartbeat names another command
			}
		}
		cause <- context.Cause(ctx)
		return Result{}, ctx.Err()
	}})
	require.Equal(t, fieldgate.ResultStatusCancelled, g.awaitResult(t, "cmd_1").Status)
	require.ErrorIs(t, <-cause, ErrCancelRequested)
}

// TestProgress_ContinuesAfterEarlierReports lets the gateway have reports of an earlier run.
func TestProgress_ContinuesAfterEarlierReports(t *testing.T) {
	t.Parallel()
	g, release := newFakeGateway(t, claimedJSON("cmd_1", "a")), make(chan struct{})
	g.reported = 7
	g.startAgent(t, Config{}, map[string]Handler{"a": runningUntil(release, func(ctx context.Context) {
		_, _ = io.WriteString(Output(ctx), "again\n")
	})})
	eventuallyTrue(t, func() bool { return g.output() == "again\n" }, "the output does not arrive")
	g.locked(func(g *fakeGateway) { require.Equal(t, 8, g.reports[0].Seq) })
	close(release)
	g.awaitResult(t, "cmd_1")
}

// TestProgress_FirstReportAfterRestartArrives resumes a command for which an earlier run has sent exactly one
// report. The first one of this run must not have the same number.
func TestProgress_FirstReportAfterRestartArrives(t *testing.T) {
	t.Parallel()
	g, release, state := newFakeGateway(t), make(chan struct{}), newStatePath(t)
	g.reported = 1
	j, err := openJournal(state+".journal", thisMachine().id(), unlocked, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, j.begin(Command{ID: "cmd_1", Type: "a", ClaimToken: "token"}, true, true))
	j.close()
	g.startAgent(t, Config{StateFile: state}, map[string]Handler{"a": runningUntil(release, func(ctx context.Context) {
		_, _ = io.WriteString(Output(ctx), "again\n")
	})}, Repeatable())
	eventuallyTrue(t, func() bool { return g.output() == "again\n" }, "the output does not arrive")
	g.locked(func(g *fakeGateway) { require.Equal(t, 2, g.reports[0].Seq) })
	close(release)
	g.awaitResult(t, "cmd_1")
}

// TestProgress_GoesOnUnderANewerClaim lets the lease end while the command runs. The device claims the command
// again, and what it has not reported until then is reported under the new claim.
func TestProgress_GoesOnUnderANewerClaim(t *testing.T) {
	t.Parallel()
	for _, code := range []string{fieldgate.CodeClaimExpired, fieldgate.CodeClaimSuperseded} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			g, release := newFakeGateway(t, claimedJSON("cmd_1", "a")), make(chan struct{})
			again := sync.OnceFunc(func() {
				g.commands = append(g.commands, strings.Replace(claimedJSON("cmd_1", "a"), `"token"`, `"token-2"`, 1))
			})
			g.refuse = func(path string, body []byte) string {
				if strings.HasSuffix(path, "/progress") && strings.Contains(string(body), `"token"`) {
					again()
					return code
				}
				return ""
			}
			g.startAgent(t, Config{Concurrency: 2}, map[string]Handler{"a": runningUntil(release, func(ctx context.Context) {
				_, _ = io.WriteString(Output(ctx), "working\n")
			})})
			eventuallyTrue(t, func() bool { return g.output() == "working\n" }, "the output does not arrive")
			g.locked(func(g *fakeGateway) {
				require.Equal(t, "token-2", g.reports[0].ClaimToken)
				require.Equal(t, 1, g.reports[0].Seq)
			})
			close(release)
			require.Equal(t, fieldgate.ResultStatusSucceeded, g.awaitResult(t, "cmd_1").Status)
		})
	}
}

// TestProgress_RefusedReportsRest refuses reports at once, or after a while as on a slow link. The reporter
// must leave the link to other calls meanwhile.
func TestProgress_RefusedReportsRest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code string        // of the refusal; a page of a proxy has none
		took time.Duration // time that each report is on its way
		rest time.Duration
	}{
		"quota":          {fieldgate.CodeQuotaExceeded, 0, reportInterval},
		"broken gateway": {"", 0, reportInterval},
		"slow link":      {"", 600 * time.Millisecond, 1800 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, release := newFakeGateway(t, claimedJSON("cmd_1", "a")), make(chan struct{})
			var began, ended []time.Time
			g.refuse = func(path string, _ []byte) string {
				if strings.HasSuffix(path, "/progress") {
					return c.code
				}
				return ""
			}
			g.proxy = func(path string, _ []byte) int {
				if !strings.HasSuffix(path, "/progress") {
					return 0
				}
				began = append(began, time.Now())
				<-time.After(c.took)
				ended = append(ended, time.Now())
				if c.code == "" {
					return http.StatusBadGateway
				}
				return 0
			}
			g.startAgent(t, Config{}, map[string]Handler{"a": runningUntil(release, func(ctx context.Context) {
				_, _ = io.WriteString(Output(ctx), "working\n")
				Progress(ctx, 50, "half")
			})})
			eventuallyTrue(t, func() (enough bool) {
				g.locked(func(*fakeGateway) { enough = len(ended) >= 3 })
				return enough
			}, "no report is repeated")
			close(release)
			g.awaitResult(t, "cmd_1")
			g.locked(func(*fakeGateway) {
				for i := range began[1:] {
					require.GreaterOrEqual(t, began[i+1].Sub(ended[i]), c.rest-50*time.Millisecond)
				}
			})
		})
	}
}

func TestProgress_WithoutAHandlerDoesNothing(t *testing.T) {
	t.Parallel()
	Progress(t.Context(), 50, "half")
	n, err := io.WriteString(Output(t.Context()), "lost")
	require.NoError(t, err)
	require.Equal(t, 4, n)
}

func TestPendingOutput_KeepsTheNewestAndSaysWhatIsCut(t *testing.T) {
	t.Parallel()
	var o pendingOutput
	for n := range 10 {
		o.add([]byte(strings.Repeat(string(rune('0'+n)), 10_000)))
	}
	o.add([]byte(strings.Repeat("z", 200_000)))
	first, second, third := o.take(false), o.take(false), o.take(false)
	require.True(t, strings.HasPrefix(first, fmt.Sprintf("\n[cut, %d bytes are left out]\nzzz", 300_000-maxPendingOutput)), first[:60])
	require.LessOrEqual(t, utf8.RuneCountInString(first), 32<<10)
	require.Len(t, second, maxReportOutput)
	require.Equal(t, maxPendingOutput, strings.Count(first+second+third, "z"))
	require.Empty(t, o.take(true))
}

func TestPendingOutput_SplitsNoCharacter(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("a€😀", 9_000)
	var o pendingOutput
	var taken strings.Builder
	for _, b := range []byte(text) {
		o.add([]byte{b})
		if len(o.bytes) > 40_000 {
			taken.WriteString(o.take(false))
		}
	}
	for part := o.take(true); part != ""; part = o.take(true) {
		taken.WriteString(part)
	}
	require.Equal(t, text, taken.String())
}

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// largeOutput is an output that a proxy with a limit of 64 KiB does not pass on.
var largeOutput = strings.Repeat("0123456789abcdef", 10_000)

// printing returns handlers whose commands print the output.
func printing(output string) map[string]Handler {
	return map[string]Handler{"diagnostic.log": func(context.Context, Command) (Result, error) {
		return Result{Output: output, Data: map[string]int{"lines": 7}}, nil
	}}
}

func isResult(path string) bool { return strings.HasSuffix(path, "/result") }

func TestSubmit_ProxyThatRefusesLargeBodiesCutsOutputOnly(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusForbidden, http.StatusRequestEntityTooLarge, http.StatusOK} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			g := newFakeGateway(t, claimedJSON("cmd_1", "diagnostic.log"))
			refused := map[bool]int{}
			g.proxy = func(path string, body []byte) int {
				if isResult(path) && len(body) > 64<<10 {
					refused[strings.Contains(path, "cmd_1")]++
					return status
				}
				return 0
			}
			g.startAgent(t, Config{}, printing(largeOutput))

			first := g.awaitResult(t, "cmd_1")
			g.locked(func(g *fakeGateway) { g.commands = append(g.commands, claimedJSON("cmd_2", "diagnostic.log")) })
			second := g.awaitResult(t, "cmd_2")

			for _, result := range []fieldgate.ResultRequest{first, second} {
				require.Equal(t, fieldgate.ResultStatusSucceeded, result.Status)
				require.JSONEq(t, `{"lines":7}`, string(result.Data))
				require.True(t, strings.HasPrefix(result.Output, largeOutput[:40<<10]), "as much as the link carries")
				require.True(t, strings.HasSuffix(result.Output, "\n[cut, 160000 characters in all]"))
			}
			g.locked(func(*fakeGateway) {
				if status == http.StatusRequestEntityTooLarge {
					require.Equal(t, map[bool]int{true: 1}, refused, "the second result knows the limit")
				} else {
					require.Positive(t, refused[false], "the content of the first result may be the reason")
				}
			})
		})
	}
}

func TestSubmit_ProxyThatDislikesTheContentGetsTheStatus(t *testing.T) {
	t.Parallel()
	g := newFakeGateway(t, claimedJSON("cmd_1", "diagnostic.log"))
	g.proxy = func(path string, body []byte) int {
		if isResult(path) && strings.Contains(string(body), "0123") {
			return http.StatusForbidden
		}
		return 0
	}
	g.startAgent(t, Config{}, map[string]Handler{"diagnostic.log": func(context.Context, Command) (Result, error) {
		return Result{Output: largeOutput, Data: map[string]string{"text": largeOutput[:2000]}}, Fail("disk_failing", "it broke")
	}})

	result := g.awaitResult(t, "cmd_1")

	require.Equal(t, fieldgate.ResultStatusFailed, result.Status)
	require.Equal(t, "it broke", result.Error)
	require.JSONEq(t, `{"code":"disk_failing"}`, string(result.Data))
	require.Contains(t, result.Output, "[cut, ")
}

// TestSubmit_ProxyThatRefusesAllCutsNothing covers a proxy that refuses each request for a while,
// such as one that asks for a sign-in. The size of the result is not the reason.
func TestSubmit_ProxyThatRefusesAllCutsNothing(t *testing.T) {
	t.Parallel()
	g := newFakeGateway(t, claimedJSON("cmd_1", "diagnostic.log"))
	refused := 0
	g.proxy = func(path string, body []byte) int {
		if refused > 0 && refused < 8 || refused == 0 && isResult(path) {
			refused++
			return http.StatusForbidden
		}
		return 0
	}
	g.startAgent(t, Config{}, printing(largeOutput))

	require.Equal(t, largeOutput, g.awaitResult(t, "cmd_1").Output)
}

func TestSubmit_GatewayThatRefusesForItsOwnReasonCutsNothing(t *testing.T) {
	t.Parallel()
	g := newFakeGateway(t, claimedJSON("cmd_1", "diagnostic.log"))
	refused := 0
	g.refuse = func(path string, body []byte) string {
		if isResult(path) && refused < 3 {
			refused++
			return fieldgate.CodeNotFound
		}
		return ""
	}
	g.startAgent(t, Config{}, printing(largeOutput))

	require.Equal(t, largeOutput, g.awaitResult(t, "cmd_1").Output)
}

func TestSubmit_IncompleteBodyIsNoFailure(t *testing.T) {
	t.Parallel()
	for name, problem := range map[string]fieldgate.Problem{
		"incomplete":      {Code: fieldgate.CodeValidationFailed, Errors: []fieldgate.FieldError{{Keyword: "incomplete", Reason: "is incomplete"}}},
		"earlier gateway": {Code: fieldgate.CodeValidationFailed, Errors: []fieldgate.FieldError{{Keyword: "syntax", Reason: "is incomplete: the connection ended before the body"}}},
		"cut":             {Code: fieldgate.CodeValidationFailed, Errors: []fieldgate.FieldError{{Keyword: "syntax", Reason: "is not complete JSON"}}},
		"too large":       {Code: fieldgate.CodeBodyTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newFakeGateway(t, claimedJSON("cmd_1", "diagnostic.log"))
			g.refuseWith = func(path string, body []byte) *fieldgate.Problem {
				if isResult(path) && len(body) > 64<<10 {
					return &problem
				}
				return nil
			}
			g.startAgent(t, Config{}, printing(largeOutput))

			result := g.awaitResult(t, "cmd_1")

			require.Equal(t, fieldgate.ResultStatusSucceeded, result.Status)
			require.Contains(t, result.Output, "[cut, 160000 characters in all]")
		})
	}
}

func TestSubmit_LeaseIsKeptUntilResultIsAccepted(t *testing.T) {
	t.Parallel()
	g := newFakeGateway(t, claimedJSON("cmd_1", "diagnostic.log"))
	extended := make(chan struct{})
	g.proxy = func(path string, _ []byte) int {
		if !isResult(path) {
			return 0
		}
		select {
		case <-extended:
			return 0
		default:
			return http.StatusServiceUnavailable
		}
	}
	var once sync.Once
	g.refuse = func(path string, body []byte) string {
		var request fieldgate.ExtendRequest
		if strings.HasSuffix(path, "/extend") && json.Unmarshal(body, &request) == nil && request.ExtensionMs == int(minResultLease.Milliseconds()) {
			once.Do(func() { close(extended) })
		}
		return ""
	}
	g.startAgent(t, Config{Lease: minLease}, printing("done"))

	require.Equal(t, "done", g.awaitResult(t, "cmd_1").Output)
}

// TestSubmit_InvalidContentIsReplaced covers content that the gateway refuses at any size: half of a
// surrogate pair, and a small result that always arrives incomplete. Such a result must not be
// repeated forever.
func TestSubmit_InvalidContentIsReplaced(t *testing.T) {
	t.Parallel()
	for keyword, most := range map[string]int{"syntax": 1, "incomplete": maxSmallRefusals} {
		t.Run(keyword, func(t *testing.T) {
			t.Parallel()
			g := newFakeGateway(t, claimedJSON("cmd_1", "a"))
			refused := 0
			g.refuseWith = func(path string, body []byte) *fieldgate.Problem {
				if !isResult(path) || !strings.Contains(string(body), "ud83d") {
					return nil
				}
				refused++
				return &fieldgate.Problem{Code: fieldgate.CodeValidationFailed, Errors: []fieldgate.FieldError{
					{Keyword: keyword, Reason: "has half of a surrogate pair, which stands for no character"},
				}}
			}
			g.startAgent(t, Config{}, map[string]Handler{"a": func(context.Context, Command) (Result, error) {
				return Result{Data: json.RawMessage(`{"name":"\ud83d"}`)}, nil
			}})
			require.JSONEq(t, `{"code":"invalid_result"}`, string(g.awaitResult(t, "cmd_1").Data))
			g.locked(func(*fakeGateway) { require.LessOrEqual(t, refused, most) })
		})
	}
}

// TestSubmit_ProbeDoesNotShortenTheLease requires that the extension which probes the link is as long
// as the others after the end of the handler. A gateway counts an extension from now.
func TestSubmit_ProbeDoesNotShortenTheLease(t *testing.T) {
	t.Parallel()
	g := newFakeGateway(t, claimedJSON("cmd_1", "diagnostic.log"))
	ended, extensions := false, []int{}
	g.proxy = func(path string, body []byte) int {
		switch {
		case isResult(path) && len(body) > 64<<10:
			ended = true
			return http.StatusForbidden
		case strings.HasSuffix(path, "/extend") && ended:
			extensions = append(extensions, extensionMs(body))
		}
		return 0
	}
	g.startAgent(t, Config{}, printing(largeOutput))
	g.awaitResult(t, "cmd_1")
	g.locked(func(*fakeGateway) {
		require.NotEmpty(t, extensions)
		for _, extension := range extensions {
			require.GreaterOrEqual(t, extension, int(minResultLease.Milliseconds()))
		}
	})
}

func TestStatus_DegradedWhileResultsPileUp(t *testing.T) {
	t.Parallel()
	commands := make([]string, maxPendingResults)
	for i := range commands {
		commands[i] = claimedJSON(fmt.Sprintf("cmd_%d", i), "diagnostic.log")
	}
	g := newFakeGateway(t, commands...)
	open := make(chan struct{})
	g.proxy = func(path string, _ []byte) int {
		select {
		case <-open:
			return 0
		default:
		}
		if isResult(path) {
			return http.StatusForbidden
		}
		return 0
	}
	g.startAgent(t, Config{}, printing("done"))

	await := func(status fieldgate.HeartbeatStatus) {
		require.Eventually(t, func() (found bool) {
			g.locked(func(g *fakeGateway) {
				found = len(g.heartbeats) > 0 && g.heartbeats[len(g.heartbeats)-1].Status == status
			})
			return found
		}, 30*time.Second, 10*time.Millisecond, "no heartbeat with the status %s", status)
	}
	await(fieldgate.HeartbeatStatusDegraded)
	close(open)
	await(fieldgate.HeartbeatStatusOk)
}

func TestUploads_OneAtATimeSmallestFirst(t *testing.T) {
	t.Parallel()
	var u uploads
	release := u.acquire(t.Context(), 100<<10)
	u.acquire(t.Context(), 1<<10)() // a small one does not wait
	ended, end := context.WithCancel(t.Context())
	end()
	u.acquire(ended, 5<<10)() // one that no longer waits does not keep its turn
	order := make(chan int, 3)
	var waiting sync.WaitGroup
	for i, size := range []int{60 << 10, 20 << 10, 40 << 10} {
		waiting.Go(func() {
			done := u.acquire(t.Context(), size)
			order <- size
			done()
		})
		require.Eventually(t, func() bool {
			u.mu.Lock()
			defer u.mu.Unlock()
			return len(u.waiting) == i+1
		}, 10*time.Second, time.Millisecond)
	}
	release()
	waiting.Wait()
	require.Equal(t, []int{20 << 10, 40 << 10, 60 << 10}, []int{<-order, <-order, <-order})
}

func TestUploads_LimitLeavesSomeOfTheOutput(t *testing.T) {
	t.Parallel()
	var u uploads
	require.Equal(t, noLimit, u.currentLimit())
	u.setLimit(0)
	require.Equal(t, minLimit, u.currentLimit())
}

// TestSubmission_LearnsLimitFromSize requires that only a refusal for the size limits later results.
func TestSubmission_LearnsLimitFromSize(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err     error
		learned bool
	}{
		"too large":     {refusal(413, ""), true},
		"body":          {refusal(400, fieldgate.CodeBodyTooLarge), true},
		"slow":          {refusal(408, fieldgate.CodeRequestTimeout), true},
		"broken":        {errors.New("connection reset"), true},
		"filter":        {refusal(403, ""), false},
		"balancer page": {refusal(502, ""), false},
	} {
		s := submission{full: succeeded(largeOutput), limit: noLimit}
		for range 10 {
			if s.fail(c.err) {
				break
			}
		}
		require.Equal(t, shrinkSteps[0], s.limit, name)
		require.Equal(t, c.learned, s.learned, name)
	}
}

func TestShrinkResult_KeepsStatusAndCode(t *testing.T) {
	t.Parallel()
	full := fieldgate.ResultRequest{
		Status: fieldgate.ResultStatusFailed, Output: largeOutput, Error: largeOutput[:16_000],
		Data: json.RawMessage(`{"code":"no_route","hops":"` + largeOutput[:100_000] + `"}`),
	}
	for _, limit := range shrinkSteps {
		shrunk := shrinkResult(full, limit)
		require.LessOrEqual(t, sizeOf(shrunk), max(limit, minShrinkable))
		require.Equal(t, full.Status, shrunk.Status)
		require.JSONEq(t, `{"code":"no_route"}`, string(shrunk.Data))
		require.Contains(t, shrunk.Output, "[cut, ")
		require.Equal(t, shrunk, shrinkResult(full, limit), "a repeated result must be equal")
	}
}

func TestPatience(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"store unavailable": refusal(503, fieldgate.CodeStoreUnavailable),
		"logged out":        refusal(401, fieldgate.CodeUnauthorized),
		"rate limited":      refusal(429, fieldgate.CodeRateLimited),
	} {
		require.Equal(t, noLimit, patience(err), name)
	}
	require.Equal(t, 1, patience(refusal(413, "")))
	require.Less(t, patience(refusal(403, "")), patience(refusal(502, "")))
	require.Less(t, patience(errors.New("reset")), 10)
}

// TestPause_EndsWhenUplinkChanges requires that a failed call is repeated at once when the
// socket is back, although the delay after many failures is long.
func TestPause_EndsWhenUplinkChanges(t *testing.T) {
	t.Parallel()
	u := &uplink{onChange: func() {}, attempted: make(chan struct{}), log: slog.New(slog.DiscardHandler)}
	changed := u.changes()
	u.setState(new(fieldgate.DeviceSocket), fieldgate.SocketState{Connected: true})

	w := &worker{}
	require.True(t, w.pause(t.Context(), time.Hour, errors.New("connection refused"), changed))
	began, asked := time.Now(), &fieldgate.APIError{RetryAfter: 200 * time.Millisecond}
	require.True(t, w.pause(t.Context(), 200*time.Millisecond, asked, changed))
	require.GreaterOrEqual(t, time.Since(began), 200*time.Millisecond, "the gateway has asked for a wait")
	ctx, cancel := cancelOn(t.Context(), changed)
	defer cancel()
	<-ctx.Done()
	require.ErrorIs(t, context.Cause(ctx), errUplinkChanged)
}

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// A rebooter has the handlers of a type that restarts the device.
type rebooter struct {
	within  time.Duration
	fails   error         // error that the handler returns after Continue
	started chan struct{} // receives an element when the restart has begun
	runs    int
	notes   []string
}

func newRebooter() *rebooter { return &rebooter{within: time.Minute, started: make(chan struct{}, 1)} }

func (r *rebooter) reboot(ctx context.Context, _ Command) (Result, error) {
	r.runs++
	if err := Continue(ctx, r.within, "version 1"); err != nil {
		return Result{}, err
	}
	r.started <- struct{}{}
	return Result{Output: "restarting"}, r.fails
}

func (r *rebooter) after(_ context.Context, command Command, note string) (Result, error) {
	r.notes = append(r.notes, note)
	return Result{Output: command.Type + " is done"}, nil
}

// start starts an agent whose type "reboot" has the handlers.
func (r *rebooter) start(t testing.TB, g *fakeGateway, state string, options ...HandlerOption) (stop func()) {
	t.Helper()
	options = append(options, AfterRestart(r.after))
	return g.startAgent(t, Config{StateFile: state}, map[string]Handler{"reboot": r.reboot}, options...)
}

// TestContinue_CommandEndsWithReportAfterRestart covers handlers that return after they have
// started the restart, with and without an error: the service manager may kill what they run.
func TestContinue_CommandEndsWithReportAfterRestart(t *testing.T) {
	t.Parallel()
	for _, fails := range []error{nil, errors.New("signal: terminated")} {
		g, state, r := newFakeGateway(t, claimedJSON("cmd_1", "reboot")), newStatePath(t), newRebooter()
		r.fails = fails
		stop := r.start(t, g, state, Repeatable())
		<-r.started
		stop()
		require.Empty(t, g.results, "the command ended before the restart")
		stop = r.start(t, g, state, Repeatable())
		result := g.awaitResult(t, "cmd_1")
		stop()
		require.Equal(t, fieldgate.ResultStatusSucceeded, result.Status, result.Error)
		require.Equal(t, "reboot is done", result.Output)
		require.Equal(t, 1, r.runs)
		require.Equal(t, []string{"version 1"}, r.notes)
	}
}

// TestContinue_InterruptedReportIsRepeated ends the agent while its RestartHandler runs. The
// handler of the command must not run again, even if the type is repeatable.
func TestContinue_InterruptedReportIsRepeated(t *testing.T) {
	t.Parallel()
	g, state, r := newFakeGateway(t, claimedJSON("cmd_1", "reboot")), newStatePath(t), newRebooter()
	stop := r.start(t, g, state)
	<-r.started
	stop()
	reporting := make(chan struct{})
	hang := func(ctx context.Context, _ Command, _ string) (Result, error) {
		close(reporting)
		<-ctx.Done()
		return Result{}, ctx.Err()
	}
	cfg := Config{StateFile: state, Grace: time.Millisecond}
	stop = g.startAgent(t, cfg, map[string]Handler{"reboot": r.reboot}, Repeatable(), AfterRestart(hang))
	<-reporting
	stop()
	r.start(t, g, state, Repeatable())
	require.Equal(t, fieldgate.ResultStatusSucceeded, g.awaitResult(t, "cmd_1").Status)
	require.Equal(t, 1, r.runs)
}

func TestContinue_LeaseIsExtendedByTheRestart(t *testing.T) {
	t.Parallel()
	g, r := newFakeGateway(t, claimedJSON("cmd_1", "reboot")), newRebooter()
	r.within = 17 * time.Minute
	longest := 0
	g.refuse = func(_ string, body []byte) string {
		longest = max(longest, extensionMs(body))
		return ""
	}
	r.start(t, g, newStatePath(t))
	<-r.started
	g.locked(func(*fakeGateway) { require.Equal(t, int((17 * time.Minute).Milliseconds()), longest) })
}

func TestContinue_FailsIfNothingRestarts(t *testing.T) {
	t.Parallel()
	g, r := newFakeGateway(t, claimedJSON("cmd_1", "reboot")), newRebooter()
	r.within = time.Second
	r.start(t, g, newStatePath(t))
	result := g.awaitResult(t, "cmd_1")
	require.Equal(t, fieldgate.ResultStatusFailed, result.Status)
	require.JSONEq(t, `{"code":"not_restarted"}`, string(result.Data))
	require.Equal(t, "restarting", result.Output)
}

// TestContinue_CancelEndsTheWait cancels a command whose handler has announced a restart that does not
// happen.
func TestContinue_CancelEndsTheWait(t *testing.T) {
	t.Parallel()
	g, r := newFakeGateway(t, claimedJSON("cmd_1", "reboot")), newRebooter()
	r.start(t, g, newStatePath(t))
	<-r.started
	g.locked(func(g *fakeGateway) { g.cancel = []string{"cmd_1"} })
	result := g.awaitResult(t, "cmd_1")
	require.Equal(t, fieldgate.ResultStatusCancelled, result.Status, result.Error)
	require.Equal(t, "restarting", result.Output)
}

// TestContinue_FailedAnnouncementIsUndone refuses the extension of the lease. The handler then restarts
// nothing and goes on: its result is that of the command.
func TestContinue_FailedAnnouncementIsUndone(t *testing.T) {
	t.Parallel()
	g, r, state := newFakeGateway(t, claimedJSON("cmd_1", "reboot")), newRebooter(), newStatePath(t)
	r.within = 17 * time.Minute
	g.refuse = func(_ string, body []byte) string {
		if extensionMs(body) == int(r.within.Milliseconds()) {
			return fieldgate.CodeNotFound
		}
		return ""
	}
	var recorded string
	g.startAgent(t, Config{StateFile: state}, map[string]Handler{"reboot": func(ctx context.Context, c Command) (Result, error) {
		if _, err := r.reboot(ctx, c); err == nil {
			return Result{}, errors.New("the announcement succeeded")
		}
		text, err := os.ReadFile(state + ".journal")
		recorded = string(text)
		return Result{Output: "not now"}, err
	}}, AfterRestart(r.after))
	result := g.awaitResult(t, "cmd_1")
	require.Equal(t, fieldgate.ResultStatusSucceeded, result.Status, result.Error)
	require.Equal(t, "not now", result.Output)
	lines := strings.Split(strings.TrimSpace(recorded), "\n")
	require.NotContains(t, lines[len(lines)-1], `"continues":true`, "a crash would call the RestartHandler")
}

// TestContinue_ReportIsBounded continues in the RestartHandler, too. The number of restarts stays
// bounded.
func TestContinue_ReportIsBounded(t *testing.T) {
	t.Parallel()
	j := openTestJournal(t, newJournalPath(t))
	require.NoError(t, j.begin(testCommand(1), false, true))
	for range 2 {
		_, err := j.continueAfter(testCommand(1), "")
		require.NoError(t, err)
		require.NoError(t, j.beginRerun("cmd_1"))
	}
	require.Equal(t, 2, j.list()[0].Reruns)
}

// TestContinue_UnrecordedReportDoesNotRun resumes a command while the journal cannot be written.
func TestContinue_UnrecordedReportDoesNotRun(t *testing.T) {
	t.Parallel()
	g, r := newFakeGateway(t), newRebooter()
	w := newTestWorker(t, g, 1, nil)
	w.handlers["reboot"] = registered{handler: r.reboot, after: r.after, timeout: DefaultTimeout}
	command := testCommand(1)
	command.Type = "reboot"
	require.NoError(t, w.journal.begin(command, false, true))
	_, err := w.journal.continueAfter(command, "")
	require.NoError(t, err)
	failWrites(t, w.journal)
	w.resume(t.Context(), t.Context())
	require.JSONEq(t, `{"code":"interrupted"}`, string(g.awaitResult(t, "cmd_1").Data))
	require.Empty(t, r.notes)
	require.Empty(t, w.slots)
}

// TestContinue_LeaseIsExtendedAfterRestart requires an extension at once: how long the restart took
// is not known.
func TestContinue_LeaseIsExtendedAfterRestart(t *testing.T) {
	t.Parallel()
	g, state, r := newFakeGateway(t, claimedJSON("cmd_1", "reboot")), newStatePath(t), newRebooter()
	stop := r.start(t, g, state)
	<-r.started
	stop()
	before := g.extends
	g.startAgent(t, Config{StateFile: state}, map[string]Handler{"reboot": r.reboot}, AfterRestart(
		func(context.Context, Command, string) (Result, error) {
			require.Eventually(t, func() (extended bool) {
				g.locked(func(g *fakeGateway) { extended = g.extends > before })
				return extended
			}, 10*time.Second, time.Millisecond)
			return Result{}, nil
		}))
	g.awaitResult(t, "cmd_1")
}

func TestContinue_RefusesWithoutAfterRestart(t *testing.T) {
	t.Parallel()
	require.Error(t, Continue(t.Context(), time.Minute, ""))
	g, r := newFakeGateway(t, claimedJSON("cmd_1", "reboot")), newRebooter()
	g.startAgent(t, Config{}, map[string]Handler{"reboot": r.reboot})
	require.Equal(t, fieldgate.ResultStatusFailed, g.awaitResult(t, "cmd_1").Status)
	require.Empty(t, r.started)
	for _, within := range []time.Duration{0, -time.Second, time.Millisecond, 2 * time.Hour} {
		g, r := newFakeGateway(t, claimedJSON("cmd_1", "reboot")), newRebooter()
		r.within = within
		r.start(t, g, newStatePath(t))
		require.Equal(t, fieldgate.ResultStatusFailed, g.awaitResult(t, "cmd_1").Status)
		require.Empty(t, r.started)
	}
}

// extensionMs returns the extension of a request to extend a lease, or zero.
func extensionMs(body []byte) int {
	var request fieldgate.ExtendRequest
	_ = json.Unmarshal(body, &request)
	return request.ExtensionMs
}

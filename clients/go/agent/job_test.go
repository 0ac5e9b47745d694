package agent

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// TestClaim_LeaseOutOfRangeIsTolerated claims commands with invalid leases, which must not crash
// the agent. After a crash, the next run would repeat the claim with the same key and crash
// again.
func TestClaim_LeaseOutOfRangeIsTolerated(t *testing.T) {
	t.Parallel()
	for _, remaining := range []int{-1, 0, -60_000, math.MinInt64, math.MaxInt64, math.MaxInt64/1_000_000 + 1} {
		g := newFakeGateway(t, fmt.Sprintf(`{"id":"cmd_1","type":"a","claimToken":"token","leaseRemainingMs":%d}`, remaining))
		g.startAgent(t, Config{}, map[string]Handler{"a": succeed})
		require.Equal(t, fieldgate.ResultStatusSucceeded, g.awaitResult(t, "cmd_1").Status, remaining)
	}
}

// faulty is used as data, as an error and as the value of a panic. All its methods panic.
type faulty struct{}

// MarshalJSON panics.
func (faulty) MarshalJSON() ([]byte, error) { panic("in MarshalJSON") }

// Error panics.
func (faulty) Error() string { panic("in Error") }

func TestHandler_PanicFailsCommandOnly(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]Handler{
		"MarshalJSON":             func(context.Context, Command) (Result, error) { return Result{Data: faulty{}}, nil },
		"Error":                   func(context.Context, Command) (Result, error) { return Result{}, faulty{} },
		"nil pointer as error":    func(context.Context, Command) (Result, error) { return Result{}, (*Failure)(nil) },
		"panic with faulty value": func(context.Context, Command) (Result, error) { panic(faulty{}) },
		"panic with nil":          func(context.Context, Command) (Result, error) { panic(nil) },
		"Goexit":                  func(context.Context, Command) (Result, error) { runtime.Goexit(); return Result{}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newFakeGateway(t, claimedJSON("cmd_1", "a"), claimedJSON("cmd_2", "b"))
			g.startAgent(t, Config{}, map[string]Handler{"a": handler, "b": succeed})
			require.JSONEq(t, `{"code":"panic"}`, string(g.awaitResult(t, "cmd_1").Data))
			require.Equal(t, fieldgate.ResultStatusSucceeded, g.awaitResult(t, "cmd_2").Status, "its slot is not free")
		})
	}
}

// newCrashedState returns a state file with a journal in which the command cmd_1 is running.
// crashes is the number of times that the agent has died during this command.
func newCrashedState(t testing.TB, crashes int) (state string) {
	t.Helper()
	state = newStatePath(t)
	j, err := openJournal(state+".journal", thisMachine().id(), unlocked, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer j.close()
	require.NoError(t, j.begin(Command{ID: "cmd_1", ClaimToken: "token", Type: "a"}, true, true))
	for range crashes - 1 {
		require.NoError(t, j.beginRerun("cmd_1"))
	}
	return state
}

func TestResume_RerunsAreBounded(t *testing.T) {
	t.Parallel()
	state, g := newCrashedState(t, maxReruns), newFakeGateway(t)
	g.startAgent(t, Config{StateFile: state}, map[string]Handler{"a": func(context.Context, Command) (Result, error) {
		text, err := os.ReadFile(state + ".journal")
		return Result{Output: string(text)}, err
	}}, Repeatable())
	result := g.awaitResult(t, "cmd_1")
	require.Equal(t, fieldgate.ResultStatusSucceeded, result.Status)
	require.Contains(t, result.Output, `"repeats":3`, "the rerun was not recorded before it began")

	g = newFakeGateway(t)
	g.startAgent(t, Config{StateFile: newCrashedState(t, maxReruns+1)}, map[string]Handler{"a": succeed}, Repeatable())
	require.JSONEq(t, `{"code":"interrupted"}`, string(g.awaitResult(t, "cmd_1").Data))
}

func TestHandler_IsAbandonedIfItDoesNotStop(t *testing.T) {
	t.Parallel()
	g := newFakeGateway(t, claimedJSON("cmd_1", "hanging"), claimedJSON("cmd_2", "hanging"), claimedJSON("cmd_3", "other"))
	release := make(chan struct{})
	g.startAgent(t, Config{Grace: time.Millisecond}, map[string]Handler{
		"hanging": func(_ context.Context, c Command) (Result, error) { <-release; return Result{Output: c.ID}, nil },
		"other":   succeed,
	}, Timeout(10*time.Millisecond))
	abandoned := g.awaitResult(t, "cmd_1")
	require.Equal(t, fieldgate.ResultStatusFailed, abandoned.Status)
	require.JSONEq(t, `{"code":"timeout"}`, string(abandoned.Data))
	require.Contains(t, abandoned.Error, "may still be running")
	require.JSONEq(t, `{"code":"stuck"}`, string(g.awaitResult(t, "cmd_2").Data), "a second handler of the type ran beside the abandoned one")
	require.Equal(t, fieldgate.ResultStatusSucceeded, g.awaitResult(t, "cmd_3").Status, "its slot is not free")

	close(release) // unblock the handler
	for n, stuck := 4, true; stuck; n++ {
		id := fmt.Sprint("cmd_", n)
		g.locked(func(g *fakeGateway) { g.commands = append(g.commands, claimedJSON(id, "hanging")) })
		result := g.awaitResult(t, id)
		stuck = result.Output != id
		if stuck {
			require.JSONEq(t, `{"code":"stuck"}`, string(result.Data))
		}
	}
	g.locked(func(g *fakeGateway) { require.Equal(t, abandoned, g.results["cmd_1"], "the late result was submitted") })
}

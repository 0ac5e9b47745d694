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

// The claim is repeated with the same key by the next life, so what kills the agent at an
// answer kills it at each start.
func TestALeaseThatCannotBeMeantHarmsNobody(t *testing.T) {
	t.Parallel()
	for _, remaining := range []int{-1, 0, -60_000, math.MinInt64, math.MaxInt64, math.MaxInt64/1_000_000 + 1} {
		d := newDesk(t, fmt.Sprintf(`{"id":"cmd_1","type":"a","claimToken":"token","leaseRemainingMs":%d}`, remaining))
		d.hire(t, Config{}, map[string]Handler{"a": nothing})
		require.Equal(t, fieldgate.ResultStatusSucceeded, d.heard(t, "cmd_1").Status, remaining)
	}
}

type faulty struct{}

func (faulty) MarshalJSON() ([]byte, error) { panic("in MarshalJSON") }
func (faulty) Error() string                { panic("in Error") }

func TestAFaultOfAHandlerIsAFailureWhereverItIs(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]Handler{
		"MarshalJSON":      func(context.Context, Command) (Result, error) { return Result{Data: faulty{}}, nil },
		"Error":            func(context.Context, Command) (Result, error) { return Result{}, faulty{} },
		"a nil error":      func(context.Context, Command) (Result, error) { return Result{}, (*Failure)(nil) },
		"a faulty panic":   func(context.Context, Command) (Result, error) { panic(faulty{}) },
		"a panic with nil": func(context.Context, Command) (Result, error) { panic(nil) },
		"Goexit":           func(context.Context, Command) (Result, error) { runtime.Goexit(); return Result{}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, order("cmd_1", "a"), order("cmd_2", "b"))
			d.hire(t, Config{}, map[string]Handler{"a": handler, "b": nothing})
			require.JSONEq(t, `{"code":"panic"}`, string(d.heard(t, "cmd_1").Data))
			require.Equal(t, fieldgate.ResultStatusSucceeded, d.heard(t, "cmd_2").Status, "its slot is free")
		})
	}
}

// leave makes a state file of an agent that died at a command for the so-manieth time.
func leave(t testing.TB, deaths int) (state string) {
	t.Helper()
	state = newState(t)
	j, err := openJournal(state+".journal", machine(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer j.close()
	require.NoError(t, j.begin(Command{ID: "cmd_1", ClaimToken: "token", Type: "a"}, true))
	for range deaths - 1 {
		require.NoError(t, j.repeat("cmd_1"))
	}
	return state
}

func TestACommandThatKillsTheAgentIsNotRepeatedForEver(t *testing.T) {
	t.Parallel()
	state, d := leave(t, maxRepeats), newDesk(t)
	d.hire(t, Config{StateFile: state}, map[string]Handler{"a": func(context.Context, Command) (Result, error) {
		text, err := os.ReadFile(state + ".journal")
		return Result{Output: string(text)}, err
	}}, Repeatable())
	seen := d.heard(t, "cmd_1")
	require.Equal(t, fieldgate.ResultStatusSucceeded, seen.Status)
	require.Contains(t, seen.Output, `"repeats":3`, "it is counted before it is done")

	d = newDesk(t)
	d.hire(t, Config{StateFile: leave(t, maxRepeats+1)}, map[string]Handler{"a": nothing}, Repeatable())
	require.JSONEq(t, `{"code":"interrupted"}`, string(d.heard(t, "cmd_1").Data))
}

func TestAHandlerThatDoesNotStopIsGivenUp(t *testing.T) {
	t.Parallel()
	d := newDesk(t, order("cmd_1", "deaf"), order("cmd_2", "deaf"), order("cmd_3", "other"))
	release := make(chan struct{})
	d.hire(t, Config{Grace: time.Millisecond}, map[string]Handler{
		"deaf":  func(_ context.Context, c Command) (Result, error) { <-release; return Result{Output: c.ID}, nil },
		"other": nothing,
	}, Timeout(10*time.Millisecond))
	deaf := d.heard(t, "cmd_1")
	require.Equal(t, fieldgate.ResultStatusFailed, deaf.Status)
	require.JSONEq(t, `{"code":"timeout"}`, string(deaf.Data))
	require.Contains(t, deaf.Error, "may still be at work")
	require.JSONEq(t, `{"code":"stuck"}`, string(d.heard(t, "cmd_2").Data), "it must not meet the one that is running")
	require.Equal(t, fieldgate.ResultStatusSucceeded, d.heard(t, "cmd_3").Status, "its slot is free")

	close(release) // from now on the handler returns at once
	for n, code := 4, "stuck"; code == "stuck"; n++ {
		id := fmt.Sprint("cmd_", n)
		d.look(func(d *desk) { d.work = append(d.work, order(id, "deaf")) })
		seen := d.heard(t, id)
		code = seen.Output
		if code != id {
			require.JSONEq(t, `{"code":"stuck"}`, string(seen.Data))
			code = "stuck"
		}
	}
	d.look(func(d *desk) { require.Equal(t, deaf, d.results["cmd_1"], "what it returned later is dropped") })
}

package agent

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// The claim is repeated with the same key by the next life, so what kills the agent at an
// answer kills it at each start.
func TestALeaseThatCannotBeMeantHarmsNobody(t *testing.T) {
	t.Parallel()
	for _, remaining := range []int{-1, 0, -60_000, math.MinInt64, math.MaxInt64, math.MaxInt64/1_000_000 + 1} {
		d := newDesk(t, fmt.Sprintf(`{"id":"cmd_1","type":"a","claimToken":"token","leaseRemainingMs":%d}`, remaining))
		d.hire(t, Config{}, map[string]Handler{"a": func(context.Context, Command) (Result, error) { return Result{}, nil }})
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
			d.hire(t, Config{}, map[string]Handler{"a": handler, "b": func(context.Context, Command) (Result, error) { return Result{}, nil }})
			require.JSONEq(t, `{"code":"panic"}`, string(d.heard(t, "cmd_1").Data))
			require.Equal(t, fieldgate.ResultStatusSucceeded, d.heard(t, "cmd_2").Status, "its slot is free")
		})
	}
}

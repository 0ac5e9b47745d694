package agent

import (
	"context"
	"fmt"
	"math"
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

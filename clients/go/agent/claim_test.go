package agent

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

func nothing(context.Context, Command) (Result, error) { return Result{}, nil }

func TestAGatewayThatDoesNotWaitIsNotAskedAllTheTime(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	began := time.Now()
	d.hire(t, Config{}, nil)
	asked := func() (times int) {
		d.look(func(d *desk) { times = len(d.claims) })
		return times
	}
	require.Eventually(t, func() bool { return asked() >= 3 }, 20*time.Second, 5*time.Millisecond)
	require.Greater(t, time.Since(began), 2*(emptyPause/2))
}

// It could neither be written down nor reported.
func TestACommandWithoutAnIDOrTokenIsNotBegun(t *testing.T) {
	t.Parallel()
	d := newDesk(t, `{}`, `{"id":"cmd_1","type":"a","leaseRemainingMs":60000}`, order("cmd_2", "a"))
	d.hire(t, Config{}, map[string]Handler{"a": nothing})
	require.Equal(t, fieldgate.ResultStatusSucceeded, d.heard(t, "cmd_2").Status)
	d.look(func(d *desk) { require.Len(t, d.results, 1) })
}

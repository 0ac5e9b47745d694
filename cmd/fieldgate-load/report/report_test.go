package report_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-load/report"
)

func TestHistogram_QuantilesOfMergedPartsAreWithinThreePercent(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	var parts [3]report.Histogram
	var all []time.Duration
	for i := range 30_000 {
		d := time.Duration(rnd.ExpFloat64() * float64(20*time.Millisecond))
		parts[i%3].Add(d)
		all = append(all, d)
	}
	slices.Sort(all)
	var merged report.Histogram
	for _, part := range parts {
		merged.Merge(part)
	}
	for _, q := range []float64{0.5, 0.95, 0.99} {
		exact := all[int(q*float64(len(all)))]
		require.InEpsilon(t, exact.Seconds(), merged.Quantile(q).Seconds(), 0.03, "%g", q)
	}
	require.Equal(t, all[len(all)-1], merged.Quantile(1))
	require.Zero(t, report.Histogram{}.Quantile(0.5))
}

func TestCodeOf_EachKindOfErrorHasACode(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"overloaded":  &client.APIError{Problem: client.Problem{Status: 503, Code: client.CodeOverloaded}},
		"http_502":    &client.APIError{Problem: client.Problem{Status: 502}},
		"close_1012":  &client.CloseError{Code: client.CloseGoingAway},
		"interrupted": fmt.Errorf("claiming: %w", client.ErrInterrupted),
		"timeout":     fmt.Errorf("claiming: %w", context.DeadlineExceeded),
		"cancelled":   context.Canceled,
		"no_response": errors.New("connection refused"),
	} {
		require.Equal(t, want, report.CodeOf(err))
	}
}

func TestReport_TextNamesViolationsAndFailures(t *testing.T) {
	t.Parallel()
	var tally report.Tally
	tally.Add("claim", 5*time.Millisecond, nil)
	tally.Fail("claim", "overloaded")
	r := report.Report{Phases: []report.Phase{{Name: "calm", Seconds: 2, Acts: tally.Take()}}}
	require.False(t, r.Failed())
	require.Empty(t, tally.Take(), "what was taken is not counted again")

	r.Phases[0].Failure = "not all devices are connected"
	require.True(t, r.Failed())
	r.Phases[0].Failure = ""
	r.Ledger.Violate("lost", "command 1 is still queued")
	require.True(t, r.Failed())

	var text strings.Builder
	require.NoError(t, r.WriteText(&text))
	require.Regexp(t, `claim +1 +0\.5 +5\.0 ms .*overloaded 1`, text.String())
	require.Contains(t, text.String(), "VIOLATIONS: lost 1\n  lost: command 1 is still queued\n")
	require.NotContains(t, text.String(), "exactly once")
}

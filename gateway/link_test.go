package gateway_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/clients/go/agent"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// noise returns text of so many bytes that gzip shrinks by a quarter.
func noise(seed uint64, bytes int) string {
	source := rand.NewChaCha8([32]byte{byte(seed)})
	raw := make([]byte, bytes*3/4)
	_, _ = source.Read(raw)
	return base64.StdEncoding.EncodeToString(raw)
}

// logLines returns text of so many bytes that looks like a log.
func logLines(seed uint64, bytes int) string {
	random := rand.New(rand.NewPCG(seed, 2))
	var text strings.Builder
	for i := 0; text.Len() < bytes; i++ {
		fmt.Fprintf(&text, "2025-11-22T20:16:%02d.%03dZ pump[4711]: pressure=%d mbar valve=%d state=ok\n", i/100%60, random.IntN(1000), random.IntN(9000), random.IntN(8))
	}
	return text.String()[:bytes]
}

// scaleTimes divides the times of a gateway by the speed at which a shaped link runs.
func scaleTimes(cfg *gateway.Config) {
	cfg.BodyTimeout = gateway.DefaultBodyTimeout / linkSpeedup
	cfg.BodyMinRate = gateway.DefaultBodyMinRate * linkSpeedup
	cfg.Sockets.Limits.PingEvery = 25 * time.Second / linkSpeedup
	cfg.Sockets.Limits.PongWithin = 10 * time.Second / linkSpeedup
}

// TestLink_OutcomesArriveAsTheyWere runs commands on a device behind slow links that lose 2 % of
// their segments. Each command succeeds at the first attempt with its whole output, within its
// lease. The device sends at most twice what its results weigh.
func TestLink_OutcomesArriveAsTheyWere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bitsPerSecond int
		outputs       []string
		pollOnly      bool
		share         float64 // maximum of the bytes sent over the bytes of the outputs
	}{
		"60 KB at 12 kbit/s":           {12_000, []string{noise(1, 60_000)}, false, 2},
		"60 KB at 12 kbit/s, polling":  {12_000, []string{noise(2, 60_000)}, true, 2},
		"several at 24 kbit/s":         {24_000, []string{noise(3, 20_000), noise(4, 500), noise(5, 40_000), noise(6, 9_000)}, false, 2},
		"200 KB at 60 kbit/s":          {60_000, []string{noise(7, 200_000)}, false, 2},
		"200 KB of a log at 12 kbit/s": {12_000, []string{logLines(8, 200_000)}, false, 0.5},
		"logs and noise, 40 kbit/s":    {40_000, []string{logLines(9, 100_000), noise(10, 30_000), "ok"}, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, gatewaytest.Start(t, scaleTimes))
			link := newShapedLink(t, strings.TrimPrefix(f.URL, "http://"), linkShape{
				bitsPerSecond: c.bitsPerSecond, delay: 300 * time.Millisecond, loss: 0.02, stall: time.Second,
			}, uint64(c.bitsPerSecond))
			outputs := map[string]string{}
			total := 0
			for _, output := range c.outputs {
				outputs[f.propose(t, auto).ID] = output
				total += len(output)
			}

			f.startAgent(t, agent.Config{
				URL: link.url(), PollOnly: c.pollOnly, Lease: time.Minute / linkSpeedup,
				RequestTimeout: client.DefaultTimeout / linkSpeedup, MinRate: client.DefaultMinRate * linkSpeedup,
			}, func(a *agent.Agent) {
				a.Handle(auto, func(_ context.Context, command agent.Command) (agent.Result, error) {
					return agent.Result{Output: outputs[command.ID]}, nil
				})
			})

			for id, output := range outputs {
				got := f.awaitFinished(t, id)
				require.Equal(t, client.CommandStatusSucceeded, got.Status)
				require.True(t, output == got.Result.Output, "the output of %d bytes arrived with %d", len(output), len(got.Result.Output))
				require.Equal(t, 1, got.Attempt)
				require.False(t, got.Late)
			}
			sent, conns := link.counts()
			t.Logf("%d bytes sent for %d, %d connections", sent, total, conns)
			require.Less(t, float64(sent), c.share*float64(total))
		})
	}
}

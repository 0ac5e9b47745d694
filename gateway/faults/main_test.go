package faults_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Settings of the suite, from the environment.
const (
	seedsSetting = "FIELDGATE_FAULT_SEEDS" // how many seeds each scenario runs with
	seedSetting  = "FIELDGATE_FAULT_SEED"  // the only seed to run with
)

// each runs a scenario with every seed that was asked for.
func each(t *testing.T, scenario func(t *testing.T, seed uint64)) {
	t.Helper()
	for _, seed := range seeds(t) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			scenario(t, seed)
		})
	}
}

func seeds(t testing.TB) (all []uint64) {
	t.Helper()
	if one := number(t, seedSetting, 0); one > 0 {
		return []uint64{one}
	}
	for seed := range number(t, seedsSetting, 1) {
		all = append(all, seed+1)
	}
	return all
}

func number(t testing.TB, setting string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(setting)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 32)
	require.NoError(t, err, setting)
	return n
}

// dice are those of one of the many who act under a seed.
type dice struct{ *rand.Rand }

func newDice(seed uint64, who int) dice {
	return dice{rand.New(rand.NewPCG(seed, uint64(who)))}
}

// between gives a duration from one to another.
func (d dice) between(least, most time.Duration) time.Duration {
	return least + time.Duration(d.Int64N(int64(most-least)))
}

// percent tells whether something happens that happens so often.
func (d dice) percent(n int) bool { return d.IntN(100) < n }

// pause passes time, as somebody does who works or thinks. It answers false when
// the context ends before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
